// SPDX-License-Identifier: Apache-2.0

//! The table of rows, how one is timed, and how it is reported.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::unconstrained;

use crate::call::{Body, Call};
use crate::channel::{AsyncChannel, Flume, TokioMpsc};
use crate::{border, chan, csp, panic, parked, pool, select, spawn, sync, timer};

/// As struct bench_row in bench/gbench.h.
pub struct Row {
    pub name: &'static str,
    /// The same work with one library or another: the row's time is the fastest one's.
    bodies: &'static [Body],
    /// Of one untimed call before the first timed one.
    warmup: u64,
    /// Always this many, and as a test; None: as many as fill the minimum time.
    iterations: Option<(u64, u64)>,
    /// Operations an iteration.
    ops: u64,
}

const fn row(name: &'static str, warmup: u64, bodies: &'static [Body]) -> Row {
    Row {
        name,
        bodies,
        warmup,
        iterations: None,
        ops: 1,
    }
}

const fn counted(name: &'static str, count: u64, small: u64, bodies: &'static [Body]) -> Row {
    Row {
        name,
        bodies,
        warmup: if small < 100 { small } else { 100 },
        iterations: Some((count, small)),
        ops: 1,
    }
}

/// Bodies of functions and the arguments after their call.
macro_rules! bodies {
    ($($function:path $(, $argument:expr)*);+) => {
        &[$(|call| Box::pin($function(call $(, $argument)*))),+]
    };
}

/// For those that poll timers by hand.
macro_rules! timer_body {
    ($function:path $(, $argument:expr)*) => {
        &[|call| Box::pin(unconstrained($function(call $(, $argument)*)))]
    };
}

const US: Duration = Duration::from_micros(1);

pub const ROWS: &[Row] = &[
    row("yield", 100_000, bodies![spawn::yield_in_turn]),
    row("spawn_join", 10_000, bodies![spawn::spawn_join]),
    Row {
        ops: spawn::BATCH,
        ..row("spawn_many", 2, bodies![spawn::spawn_many])
    },
    row(
        "threadring_503",
        50_300,
        bodies![csp::threadring::<TokioMpsc>; csp::threadring::<Flume>],
    ),
    row(
        "pingpong_unbuf",
        100_000,
        bodies![chan::pingpong::<TokioMpsc>; chan::pingpong::<Flume>; chan::pingpong::<AsyncChannel>],
    ),
    row(
        "chan_same_task",
        100_000,
        bodies![chan::same_task_flume; chan::same_task_crossbeam],
    ),
    row(
        "prodcons_cap0",
        100_000,
        bodies![chan::prodcons::<Flume>, 0],
    ),
    row(
        "prodcons_cap1",
        100_000,
        bodies![chan::prodcons::<Flume>, 1; chan::prodcons::<TokioMpsc>, 1],
    ),
    row(
        "prodcons_cap100",
        100_000,
        bodies![chan::prodcons::<Flume>, 100; chan::prodcons::<AsyncChannel>, 100],
    ),
    row(
        "mpmc_4x4_cap128",
        100_000,
        bodies![chan::mpmc::<Flume>, 4, 128; chan::mpmc::<AsyncChannel>, 4, 128],
    ),
    row(
        "mpmc_64x64_cap128",
        10_000,
        bodies![chan::mpmc::<Flume>, 64, 128; chan::mpmc::<AsyncChannel>, 64, 128],
    ),
    row(
        "select2_sync",
        10_000,
        bodies![select::select2_sync::<TokioMpsc>; select::select2_sync::<Flume>],
    ),
    row(
        "select_default4",
        10_000,
        bodies![select::select_default4::<TokioMpsc>; select::select_default4_crossbeam],
    ),
    row(
        "select_contended",
        10_000,
        bodies![select::select_contended::<AsyncChannel>; select::select_contended::<Flume>],
    ),
    row("fib_chan_20", 1, bodies![csp::fib_chan_20]),
    row(
        "skynet_1m",
        1,
        bodies![csp::skynet_1m::<Flume>; csp::skynet_1m::<TokioMpsc>],
    ),
    row(
        "sieve_500",
        1,
        bodies![csp::sieve_500::<TokioMpsc>; csp::sieve_500::<Flume>],
    ),
    row("pool_get_put", 100_000, bodies![pool::get_put]),
    row(
        "pool_get_put_parallel",
        100_000,
        bodies![pool::get_put_parallel],
    ),
    row(
        "mutex_uncontended",
        100_000,
        bodies![sync::mutex_uncontended],
    ),
    row("mutex_contended", 100_000, bodies![sync::mutex_contended]),
    row("rwmutex_rlock", 100_000, bodies![sync::rwmutex_rlock]),
    row("rwmutex_readers8", 100_000, bodies![sync::rwmutex_readers8]),
    row("cond_pingpong", 10_000, bodies![sync::cond_pingpong]),
    row("once_done", 100_000, bodies![sync::once_done]),
    counted("parked_1m", 1_000_000, 2000, bodies![parked::parked]),
    counted("sleep_1us", 2000, 5, timer_body![timer::sleep, US]),
    counted("sleep_50us", 1000, 5, timer_body![timer::sleep, 50 * US]),
    counted("sleep_1ms", 200, 5, timer_body![timer::sleep, 1000 * US]),
    row(
        "timer_create_stop",
        10_000,
        timer_body![timer::timer_create_stop],
    ),
    counted("timers_1m", 1_000_000, 2000, timer_body![timer::timers]),
    counted("ticker_jitter", 200, 5, timer_body![timer::ticker_jitter]),
    row(
        "fork_blocking",
        1000,
        bodies![border::spawned_blocking; border::blocking_in_place],
    ),
    row("panic_try", 10_000, bodies![panic::panic_try]),
    row("foreign_go", 100_000, bodies![border::foreign_go]),
    row("run_empty", 20, bodies![border::run_empty]),
];

/// What rows run in.
pub struct Bench {
    pub runtime: Runtime,
    pub procs: usize,
    pub small: bool,
}

impl Bench {
    /// One call as a task, as the others are: block_on runs its own future beside the workers.
    fn once(&self, body: Body, iterations: u64) -> &'static Call {
        let call = Call::leak(iterations, self.procs, self.small);
        let task = body(call);
        if let Err(error) = self.runtime.block_on(async { tokio::spawn(task).await }) {
            call.fail(error.to_string());
        }
        call
    }

    /// The fastest body's call, or one that failed.
    pub fn run(&self, row: &Row, min_time: Duration) -> &'static Call {
        let mut best: Option<&'static Call> = None;
        for &body in row.bodies {
            let call = self.run_body(row, body, min_time);
            if call.failure().is_some() {
                return call;
            }
            if best.is_none_or(|best| call.ns_per_iteration() < best.ns_per_iteration()) {
                best = Some(call);
            }
        }
        best.expect("a row without a body")
    }

    /// Grow the iterations until a call takes the minimum time, as Google Benchmark does.
    fn run_body(&self, row: &Row, body: Body, min_time: Duration) -> &'static Call {
        let warmed = self.once(body, row.warmup);
        if warmed.failure().is_some() {
            return warmed;
        }
        if let Some((normal, small)) = row.iterations {
            return self.once(body, if self.small { small } else { normal });
        }
        let mut iterations = 1;
        loop {
            let call = self.once(body, iterations);
            let (took, wanted) = (call.elapsed().as_secs_f64(), min_time.as_secs_f64());
            if call.failure().is_some() || took >= wanted || iterations >= 1_000_000_000 {
                return call;
            }
            let growth = 1.4 * wanted / (took + 1e-9);
            let growth = if took <= wanted / 10.0 {
                growth.min(10.0)
            } else {
                growth
            };
            iterations = ((iterations as f64 * growth) as u64).max(iterations + 1);
        }
    }
}

impl Row {
    /// A JSON object, with weft-bench's counters.
    pub fn json(&self, call: &Call) -> String {
        let mut fields = vec![format!("\"name\":{}", quoted(self.name))];
        if let Some(failure) = call.failure() {
            fields.push(format!("\"error\":{}", quoted(&failure)));
            return format!("{{{}}}", fields.join(","));
        }
        let ns_per_op = call.ns_per_iteration() / self.ops as f64;
        fields.push(format!("\"ns_per_op\":{ns_per_op}"));
        fields.push(format!("\"iterations\":{}", call.iterations));
        fields.push(format!("\"procs\":{}", call.procs));
        if call.procs_used() > 0 {
            fields.push(format!("\"procs_used\":{}", call.procs_used()));
        }
        if !call.library().is_empty() {
            fields.push(format!("\"library\":{}", quoted(call.library())));
        }
        for (counter, value) in call.counters() {
            fields.push(format!("\"{counter}\":{value}"));
        }
        format!("{{{}}}", fields.join(","))
    }
}

fn quoted(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}
