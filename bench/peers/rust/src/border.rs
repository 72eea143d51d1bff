// SPDX-License-Identifier: Apache-2.0

//! fork_blocking, foreign_go, run_empty: what crosses the runtime's border.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::task::{block_in_place, spawn_blocking, yield_now};

use crate::call::{Call, MARK_EVERY};
use crate::runtime::runtime;

/// On Tokio's other threads.
pub async fn spawned_blocking(call: &'static Call) {
    call.uses("spawn_blocking");
    let mut ran = 0;
    let begin = Instant::now();
    for _ in 0..call.iterations {
        ran = spawn_blocking(move || ran + 1).await.unwrap();
    }
    call.took_since(begin);
    call.mark();
    call.check(ran, call.iterations);
}

/// On this thread, while another one takes the worker's place. Not in a runtime of one thread.
pub async fn blocking_in_place(call: &'static Call) {
    if call.procs == 1 {
        return spawned_blocking(call).await;
    }
    call.uses("block_in_place");
    let mut ran = 0;
    let begin = Instant::now();
    for _ in 0..call.iterations {
        block_in_place(|| ran += 1);
    }
    call.took_since(begin);
    call.check(ran, call.iterations);
}

/// Timed on the other thread: what a spawn keeps it for, not when the tasks run.
pub async fn foreign_go(call: &'static Call) {
    let ran: &'static AtomicU64 = Box::leak(Box::default());
    let runtime = Handle::current();
    let foreign = thread::spawn(move || {
        let begin = Instant::now();
        for _ in 0..call.iterations {
            runtime.spawn(async {
                if ran.fetch_add(1, Relaxed) % MARK_EVERY == 0 {
                    call.mark();
                }
            });
        }
        call.took_since(begin);
    });
    while !foreign.is_finished() || ran.load(Relaxed) < call.iterations {
        yield_now().await;
    }
    foreign.join().unwrap();
}

/// A runtime made, one empty task, the runtime's end. Where runtimes may end: not in a task.
pub async fn run_empty(call: &'static Call) {
    let runs = move || {
        let begin = Instant::now();
        for _ in 0..call.iterations {
            runtime(call.procs).block_on(async {});
        }
        call.took_since(begin);
    };
    spawn_blocking(runs).await.unwrap();
}
