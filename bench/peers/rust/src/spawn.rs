// SPDX-License-Identifier: Apache-2.0

//! yield, spawn_join, spawn_many.

use std::future::{poll_fn, Future};
use std::mem::replace;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Relaxed};
use std::task::Poll;
use std::time::Instant;

use tokio::sync::Notify;

use crate::call::{Call, MARK_EVERY};

pub const BATCH: u64 = 10_000;

/// Counts on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Turns(AtomicU64);

/// To the end of the run queue: Tokio's own yield_now takes two or three times as long, for it waits until the worker
/// has polled its drivers.
fn yield_now() -> impl Future<Output = ()> + Send {
    let mut yielded = false;
    poll_fn(move |context| {
        if replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

async fn take_turns(call: &Call, own: &Turns, other: &Turns, wanted: u64) -> u64 {
    for i in 0..wanted {
        if i % MARK_EVERY == 0 {
            call.mark();
        }
        own.0.store(i + 1, Relaxed);
        yield_now().await;
    }
    other.0.load(Relaxed)
}

pub async fn yield_in_turn(call: &'static Call) {
    call.uses("a future that wakes itself");
    let pair: &'static [Turns; 2] = Box::leak(Box::default());
    let wanted = [call.share(0, 2), call.share(1, 2)];
    let begin = Instant::now();
    let tasks = [0, 1].map(|k| tokio::spawn(take_turns(call, &pair[k], &pair[1 - k], wanted[k])));
    let mut others = Vec::new();
    for task in tasks {
        others.push(task.await.unwrap());
    }
    call.took_since(begin);

    call.check(
        pair[0].0.load(Relaxed) + pair[1].0.load(Relaxed),
        call.iterations,
    );
    for (wanted, other) in wanted.into_iter().zip(others) {
        if call.procs == 1 && other < wanted / 2 {
            call.fail(format!(
                "not in turn: {wanted} of one, {other} of the other"
            ));
        }
    }
}

pub async fn spawn_join(call: &'static Call) {
    let begin = Instant::now();
    for _ in 0..call.iterations {
        tokio::spawn(async {}).await.unwrap();
    }
    call.took_since(begin);

    let ran: &'static AtomicU64 = Box::leak(Box::default());
    for i in 0..call.iterations.min(BATCH) {
        let marking = tokio::spawn(async {
            call.mark();
            ran.fetch_add(1, Relaxed);
        });
        marking.await.unwrap();
        call.check(ran.load(Relaxed), i + 1);
    }
}

/// As a WaitGroup: tasks count down, the last one wakes who waits. Faster than to wait for each task's handle.
#[derive(Default)]
struct Countdown {
    left: AtomicU64,
    zero: Notify,
}

impl Countdown {
    fn done(&self) {
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.zero.notify_one();
        }
    }
}

pub async fn spawn_many(call: &'static Call) {
    let countdown: &'static Countdown = Box::leak(Box::default());
    let begin = Instant::now();
    for _ in 0..call.iterations {
        countdown.left.store(BATCH, Relaxed);
        for _ in 0..BATCH {
            tokio::spawn(async { countdown.done() });
        }
        countdown.zero.notified().await;
    }
    call.took_since(begin);

    let ran: &'static AtomicU64 = Box::leak(Box::default());
    countdown.left.store(BATCH, Relaxed);
    for _ in 0..BATCH {
        tokio::spawn(async {
            call.mark();
            ran.fetch_add(1, Relaxed);
            countdown.done();
        });
    }
    countdown.zero.notified().await;
    call.check(ran.load(Relaxed), BATCH);
}
