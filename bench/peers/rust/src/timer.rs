// SPDX-License-Identifier: Apache-2.0

//! sleep_*, timer_create_stop, timers_1m, ticker_jitter. Tokio's timers tick by the millisecond. To be called as
//! unconstrained: the poll of a timer does nothing when the task has used up its turn.

use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::time::{self, MissedTickBehavior, Sleep};

use crate::call::{Call, MARK_EVERY};

const HOUR: Duration = Duration::from_secs(3600);

pub async fn sleep(call: &'static Call, duration: Duration) {
    let mut samples = Vec::new();
    for _ in 0..call.iterations {
        let begin = Instant::now();
        time::sleep(duration).await;
        let slept = begin.elapsed();
        if slept < duration {
            call.fail(format!("slept {slept:?} only"));
        }
        samples.push(slept);
    }
    call.took(samples.iter().sum());
    call.mark();
    call.count_percentiles(samples);
}

/// A timer is registered by its first poll and stopped by its drop.
pub async fn timer_create_stop(call: &'static Call) {
    let begin = Instant::now();
    for i in 0..call.iterations {
        let mut timer = pin!(time::sleep(HOUR));
        let fired = poll_fn(|context| Poll::Ready(timer.as_mut().poll(context).is_ready())).await;
        if fired {
            call.fail("there was no timer to stop".into());
        }
        if i % MARK_EVERY == 0 {
            call.mark();
        }
    }
    call.took_since(begin);
}

/// Wakes no task: the function that a timer calls.
#[derive(Default)]
struct Fired(AtomicU64);

impl Wake for Fired {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// With that for each, all are set before they are due.
const RESET: Duration = Duration::from_nanos(300);

/// At most a second; no two neighbours are near each other.
fn spread(i: usize) -> Duration {
    Duration::from_micros((i * 7919 % 1_000_000) as u64)
}

pub async fn timers(call: &'static Call) {
    let n = call.iterations as usize;
    let fired = Arc::new(Fired::default());
    let waker = Waker::from(fired.clone());
    let mut timers: Vec<Pin<Box<Option<Sleep>>>> = Vec::with_capacity(n);

    let begin = Instant::now();
    for i in 0..n {
        timers.push(Box::pin(Some(time::sleep(HOUR + spread(i)))));
        start(&mut timers[i], &waker);
    }
    let arm = begin.elapsed();

    let begin = Instant::now();
    for timer in &mut timers {
        timer.set(None);
    }
    let stop = begin.elapsed();
    call.check(Arc::strong_count(&fired), 2); // with them went their wakers

    // After the last was set, as far as is known now.
    let due = time::Instant::now() + 2 * arm + n as u32 * RESET + Duration::from_millis(1);
    for timer in &mut timers {
        timer.set(Some(time::sleep_until(due)));
        if start(timer, &waker) {
            fired.0.fetch_add(1, Relaxed); // due already, when the machine is slow: nothing wakes then
        }
    }
    time::sleep_until(due).await;
    while fired.0.load(Relaxed) < n as u64 {
        tokio::task::yield_now().await;
    }
    let fire = due.elapsed();

    call.mark();
    // One that fired as it was set may have been counted twice.
    let over = |timer: &Pin<Box<Option<Sleep>>>| timer.as_ref().as_pin_ref().unwrap().is_elapsed();
    while !timers.iter().all(over) {
        tokio::task::yield_now().await;
    }
    call.took(arm + stop + fire);
    let each = |time: Duration| time.as_nanos() as f64 / n as f64;
    call.count("arm_ns_each", each(arm));
    call.count("stop_ns_each", each(stop));
    call.count("fire_ns_each", each(fire));
}

/// True when it is over.
fn start(timer: &mut Pin<Box<Option<Sleep>>>, waker: &Waker) -> bool {
    let sleep = timer.as_mut().as_pin_mut().unwrap();
    sleep.poll(&mut Context::from_waker(waker)).is_ready()
}

/// A tick carries the time for which it was due.
pub async fn ticker_jitter(call: &'static Call) {
    let mut ticker = time::interval(Duration::from_millis(1));
    ticker.set_missed_tick_behavior(MissedTickBehavior::Skip); // as weft's and Go's
    ticker.tick().await; // the first one comes at once
    let mut samples = Vec::new();
    for _ in 0..call.iterations {
        samples.push(ticker.tick().await.elapsed());
    }
    call.took(samples.iter().sum());
    call.mark();
    call.count_percentiles(samples);
}
