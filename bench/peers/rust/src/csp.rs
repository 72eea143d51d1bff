// SPDX-License-Identifier: Apache-2.0

//! fib_chan_20, skynet_1m, threadring_503, sieve_500: programs of tasks and channels.

use std::time::Instant;

use tokio::sync::oneshot;

use crate::call::{sum_below, Call, MARK_EVERY};
use crate::channel::{Library, Receiver, Sender};

/// A task and a channel a call. A result is sent once, for which Tokio has a channel.
fn fib(call: &'static Call, n: u64) -> oneshot::Receiver<u64> {
    let (tx, rx) = oneshot::channel();
    tokio::spawn(async move {
        let mut result = 1;
        if n > 2 {
            let (first, second) = (fib(call, n - 1), fib(call, n - 2));
            result = first.await.unwrap() + second.await.unwrap();
        } else {
            call.mark();
        }
        tx.send(result).unwrap();
    });
    rx
}

pub async fn fib_chan_20(call: &'static Call) {
    call.uses("tokio oneshot");
    let begin = Instant::now();
    for _ in 0..call.iterations {
        call.check(fib(call, 20).await.unwrap(), 6765);
    }
    call.total_since(begin);
}

/// A leaf is a task of its own kind, for a task takes the memory of all that it may ever hold.
fn skynet<L: Library>(call: &'static Call, out: L::Sender, number: u64, leaves: u64) {
    if leaves <= 1 {
        tokio::spawn(async move { out.send(number).await });
        return;
    }
    tokio::spawn(async move {
        let (tx, mut rx) = L::channel(0);
        let mut sum = 0;
        for i in 0..10 {
            skynet::<L>(call, tx.clone(), number + i * (leaves / 10), leaves / 10);
        }
        for _ in 0..10 {
            sum += rx.recv().await.unwrap();
        }
        call.mark();
        out.send(sum).await;
    });
}

pub async fn skynet_1m<L: Library>(call: &'static Call) {
    call.uses(L::NAME);
    let leaves = if call.small { 1000 } else { 1_000_000 };
    let begin = Instant::now();
    for _ in 0..call.iterations {
        let (tx, mut rx) = L::channel(0);
        skynet::<L>(call, tx, 0, leaves);
        call.check(rx.recv().await.unwrap(), sum_below(leaves));
    }
    call.total_since(begin);
}

const MEMBERS: u64 = 503;
const RING_ENDS: u64 = u64::MAX;

/// The ring is there before the time starts.
pub async fn threadring<L: Library>(call: &'static Call) {
    call.uses(L::NAME);
    let (won, mut winner) = L::channel(0);
    let (first, mut rx) = L::channel(0);
    let mut members = Vec::new();
    for member in 0..MEMBERS {
        let (next, next_rx) = L::channel(0);
        let next = if member == MEMBERS - 1 {
            first.clone()
        } else {
            next
        };
        let mut tokens = std::mem::replace(&mut rx, next_rx);
        let won = won.clone();
        members.push(tokio::spawn(async move {
            loop {
                let hops = tokens.recv().await.unwrap();
                if hops == RING_ENDS {
                    break;
                }
                if hops == 0 {
                    won.send(member).await;
                    continue;
                }
                if hops % MARK_EVERY == 0 {
                    call.mark();
                }
                next.send(hops - 1).await;
            }
            if member < MEMBERS - 1 {
                next.send(RING_ENDS).await;
            }
        }));
    }

    let begin = Instant::now();
    first.send(call.iterations).await;
    let winner = winner.recv().await.unwrap();
    call.took_since(begin);

    call.mark();
    call.check(winner, call.iterations % MEMBERS);
    first.send(RING_ENDS).await;
    for member in members {
        member.await.unwrap();
    }
}

async fn filter<L: Library>(mut rx: L::Receiver, tx: L::Sender, prime: u64) {
    while let Some(n) = rx.recv().await {
        if n % prime != 0 {
            tx.send(n).await;
        }
    }
}

/// The numbers up to the last prime, so that all tasks end.
async fn sieve<L: Library>(call: &'static Call, last: u64) -> u64 {
    let (tx, mut rx) = L::channel(0);
    tokio::spawn(async move {
        for n in 2..=last {
            tx.send(n).await;
        }
    });
    let mut largest = 0;
    while let Some(prime) = rx.recv().await {
        largest = prime;
        let (next, next_rx) = L::channel(0);
        tokio::spawn(filter::<L>(
            std::mem::replace(&mut rx, next_rx),
            next,
            prime,
        ));
    }
    call.mark();
    largest
}

pub async fn sieve_500<L: Library>(call: &'static Call) {
    call.uses(L::NAME);
    let last = if call.small { 541 } else { 3571 }; // the 100th and the 500th prime
    let begin = Instant::now();
    for _ in 0..call.iterations {
        call.check(sieve::<L>(call, last).await, last);
    }
    call.total_since(begin);
}
