// SPDX-License-Identifier: Apache-2.0

//! parked_1m: tasks wait on one channel until it is closed.

use std::fs;
use std::future::{poll_fn, Future};
use std::mem::replace;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::Notify;

use crate::call::{Call, MARK_EVERY};

/// Resident bytes of this process and of its page tables.
fn memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib: u64 = status
        .lines()
        .filter(|line| line.starts_with("VmRSS:") || line.starts_with("VmPTE:"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    kib * 1024
}

#[derive(Default)]
struct Parked {
    parked: AtomicU64,
    woken: AtomicU64,
    closed: AtomicU64,
    all_woken: Notify,
}

async fn wait_at_gate(call: &Call, parked: &Parked, mut gate: broadcast::Receiver<()>) {
    let mut recv = pin!(gate.recv());
    let mut counted = false;
    let received = poll_fn(|context| {
        let poll = recv.as_mut().poll(context);
        if poll.is_pending() && !replace(&mut counted, true) {
            let before = parked.parked.fetch_add(1, Relaxed);
            if before % MARK_EVERY == 0 {
                call.mark();
            }
        }
        poll
    })
    .await;
    if received == Err(RecvError::Closed) {
        parked.closed.fetch_add(1, Relaxed);
    }
    if parked.woken.fetch_add(1, AcqRel) + 1 == call.iterations {
        parked.all_woken.notify_one();
    }
}

/// On Tokio's broadcast channel, which took the least memory and time of all libraries' channels.
pub async fn parked(call: &'static Call) {
    call.uses("tokio broadcast");
    let (gate, _) = broadcast::channel::<()>(1);
    let parked: &'static Parked = Box::leak(Box::default());
    let n = call.iterations;
    let memory_before = memory_bytes();
    let begin = Instant::now();
    for _ in 0..n {
        tokio::spawn(wait_at_gate(call, parked, gate.subscribe()));
    }
    while parked.parked.load(Relaxed) < n {
        tokio::task::yield_now().await;
    }
    let create = begin.elapsed();
    let memory_grown = memory_bytes().saturating_sub(memory_before);

    let begin = Instant::now();
    drop(gate);
    parked.all_woken.notified().await;
    let wake = begin.elapsed();

    call.check(parked.closed.load(Relaxed), n);
    call.took(create + wake);
    call.count("bytes_each", memory_grown as f64 / n as f64);
    call.count("create_ns_each", create.as_nanos() as f64 / n as f64);
    call.count("wake_ns_each", wake.as_nanos() as f64 / n as f64);
    call.count("total_ns", (create + wake).as_nanos() as f64);
}
