// SPDX-License-Identifier: Apache-2.0

//! pingpong_unbuf, chan_same_task, prodcons_*, mpmc_*: numbers through channels.

use std::time::Instant;

use crate::call::{sum_below, Call, MARK_EVERY};
use crate::channel::{Library, ManyReceivers, Receiver, Sender};

pub async fn pingpong<L: Library>(call: &'static Call) {
    call.uses(L::NAME);
    let (there, mut arrives) = L::channel(0);
    let (back, mut returns) = L::channel(0);
    let pong = tokio::spawn(async move {
        while let Some(v) = arrives.recv().await {
            back.send(v + 1).await;
        }
        call.mark();
    });
    let mut v = 0;
    let begin = Instant::now();
    for _ in 0..call.iterations {
        there.send(v).await;
        v = returns.recv().await.unwrap();
    }
    call.took_since(begin);
    call.mark();
    call.check(v, call.iterations);
    drop(there);
    pong.await.unwrap();
}

/// Neither call has to wait, so they are those that would hold up the thread: they take half as long.
fn same_task(call: &Call, send: impl Fn(u64), recv: impl Fn() -> u64) {
    let mut sum = 0;
    let begin = Instant::now();
    for i in 0..call.iterations {
        send(i);
        sum += recv();
    }
    call.took_since(begin);
    call.check(sum, sum_below(call.iterations));
}

pub async fn same_task_flume(call: &'static Call) {
    call.uses("flume");
    let (tx, rx) = flume::bounded(128);
    same_task(call, |v| tx.send(v).unwrap(), || rx.recv().unwrap());
}

pub async fn same_task_crossbeam(call: &'static Call) {
    call.uses("crossbeam-channel");
    let (tx, rx) = crossbeam_channel::bounded(128);
    same_task(call, |v| tx.send(v).unwrap(), || rx.recv().unwrap());
}

async fn produce<L: Library>(call: &Call, tx: L::Sender, items: u64) {
    for i in 0..items {
        if i % MARK_EVERY == 0 {
            call.mark();
        }
        tx.send(i).await;
    }
}

async fn consume<L: Library>(call: &Call, mut rx: L::Receiver, items: u64) -> u64 {
    let mut sum = 0;
    for i in 0..items {
        sum += rx.recv().await.unwrap();
        if i % MARK_EVERY == 0 {
            call.mark();
        }
    }
    sum
}

pub async fn prodcons<L: Library>(call: &'static Call, capacity: usize) {
    call.uses(L::NAME);
    let (tx, rx) = L::channel(capacity);
    let begin = Instant::now();
    let consumer = tokio::spawn(consume::<L>(call, rx, call.iterations));
    let producer = tokio::spawn(produce::<L>(call, tx, call.iterations));
    producer.await.unwrap();
    let sum = consumer.await.unwrap();
    call.took_since(begin);
    call.check(sum, sum_below(call.iterations));
}

pub async fn mpmc<L: ManyReceivers>(call: &'static Call, pairs: u64, capacity: usize) {
    call.uses(L::NAME);
    let (tx, rx) = L::channel(capacity);
    let (mut consumers, mut producers) = (Vec::new(), Vec::new());
    let (mut sum, mut wanted) = (0, 0);
    let begin = Instant::now();
    for k in 0..pairs {
        let items = call.share(k, pairs);
        wanted += sum_below(items);
        consumers.push(tokio::spawn(consume::<L>(call, rx.clone(), items)));
        producers.push(tokio::spawn(produce::<L>(call, tx.clone(), items)));
    }
    for producer in producers {
        producer.await.unwrap();
    }
    for consumer in consumers {
        sum += consumer.await.unwrap();
    }
    call.took_since(begin);
    call.check(sum, wanted);
}
