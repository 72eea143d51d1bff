// SPDX-License-Identifier: Apache-2.0

//! The libraries' channels of numbers behind one trait, so that a row can be run with each. Capacity 0 is a rendezvous
//! at flume only; the others have nothing below 1, so they wait less often there and do less than was asked for.

use std::future::Future;

/// A library's bounded channel.
pub trait Library: 'static {
    const NAME: &'static str;
    type Sender: Sender;
    type Receiver: Receiver;
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);
}

pub trait Sender: Clone + Send + Sync + 'static {
    /// Waits while the channel is full. It is a bug when there is no receiver.
    fn send(&self, value: u64) -> impl Future<Output = ()> + Send;
}

pub trait Receiver: Send + 'static {
    /// Waits while the channel is empty; None when all senders are gone.
    fn recv(&mut self) -> impl Future<Output = Option<u64>> + Send;
}

/// A library whose channels may have many receivers.
pub trait ManyReceivers: Library<Receiver: Clone> {}

pub struct Flume;

impl Library for Flume {
    const NAME: &'static str = "flume";
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(capacity)
    }
}

impl ManyReceivers for Flume {}

impl Sender for flume::Sender<u64> {
    async fn send(&self, value: u64) {
        self.send_async(value).await.expect("no receiver");
    }
}

impl Receiver for flume::Receiver<u64> {
    async fn recv(&mut self) -> Option<u64> {
        self.recv_async().await.ok()
    }
}

pub struct AsyncChannel;

impl Library for AsyncChannel {
    const NAME: &'static str = "async-channel";
    type Sender = async_channel::Sender<u64>;
    type Receiver = async_channel::Receiver<u64>;
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(capacity.max(1))
    }
}

impl ManyReceivers for AsyncChannel {}

impl Sender for async_channel::Sender<u64> {
    async fn send(&self, value: u64) {
        async_channel::Sender::send(self, value)
            .await
            .expect("no receiver");
    }
}

impl Receiver for async_channel::Receiver<u64> {
    async fn recv(&mut self) -> Option<u64> {
        async_channel::Receiver::recv(self).await.ok()
    }
}

pub struct TokioMpsc;

impl Library for TokioMpsc {
    const NAME: &'static str = "tokio mpsc";
    type Sender = tokio::sync::mpsc::Sender<u64>;
    type Receiver = tokio::sync::mpsc::Receiver<u64>;
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        tokio::sync::mpsc::channel(capacity.max(1))
    }
}

impl Sender for tokio::sync::mpsc::Sender<u64> {
    async fn send(&self, value: u64) {
        tokio::sync::mpsc::Sender::send(self, value)
            .await
            .expect("no receiver");
    }
}

impl Receiver for tokio::sync::mpsc::Receiver<u64> {
    async fn recv(&mut self) -> Option<u64> {
        tokio::sync::mpsc::Receiver::recv(self).await
    }
}
