// SPDX-License-Identifier: Apache-2.0

//! One timed call of a row's body: what it gets and what it says in the end.

use std::cell::Cell;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often hot loops mark.
pub const MARK_EVERY: u64 = 1024;

/// Leaked by who makes it, a few times in a process: tasks then refer to it as goroutines do, and count nothing.
pub struct Call {
    pub iterations: u64,
    pub procs: usize,
    /// WEFT_BENCH_SMALL: run as a test, with counts that take no time.
    pub small: bool,
    elapsed: Mutex<Duration>,
    procs_seen: AtomicU64,
    counters: Mutex<Vec<(&'static str, f64)>>,
    library: Mutex<&'static str>,
    failure: Mutex<Option<String>>,
}

/// Boxed, so that rows are a table of function pointers.
pub type Body = fn(&'static Call) -> Pin<Box<dyn Future<Output = ()> + Send>>;

impl Call {
    pub fn leak(iterations: u64, procs: usize, small: bool) -> &'static Call {
        Box::leak(Box::new(Call {
            iterations,
            procs,
            small,
            elapsed: Mutex::default(),
            procs_seen: AtomicU64::new(0),
            counters: Mutex::default(),
            library: Mutex::default(),
            failure: Mutex::default(),
        }))
    }

    pub fn took(&self, elapsed: Duration) {
        *self.elapsed.lock().unwrap() = elapsed;
    }

    pub fn took_since(&self, begin: Instant) {
        self.took(begin.elapsed());
    }

    /// A row whose operation is the whole.
    pub fn total_since(&self, begin: Instant) {
        self.took_since(begin);
        self.count("total_ns", self.ns_per_iteration());
    }

    pub fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap()
    }

    pub fn ns_per_iteration(&self) -> f64 {
        self.elapsed().as_nanos() as f64 / self.iterations as f64
    }

    pub fn count(&self, counter: &'static str, value: f64) {
        self.counters.lock().unwrap().push((counter, value));
    }

    pub fn counters(&self) -> Vec<(&'static str, f64)> {
        self.counters.lock().unwrap().clone()
    }

    /// Say whose channel, lock or queue the row uses.
    pub fn uses(&self, library: &'static str) {
        *self.library.lock().unwrap() = library;
    }

    pub fn library(&self) -> &'static str {
        *self.library.lock().unwrap()
    }

    /// The first message stays.
    pub fn fail(&self, message: String) {
        self.failure.lock().unwrap().get_or_insert(message);
    }

    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap().clone()
    }

    pub fn check<T: PartialEq + Display>(&self, result: T, wanted: T) {
        if result != wanted {
            self.fail(format!("{result}, not {wanted}"));
        }
    }

    /// Part k of the iterations, shared out to n as evenly as can be.
    pub fn share(&self, k: u64, n: u64) -> u64 {
        self.iterations / n + u64::from(k < self.iterations % n)
    }

    /// Note which worker thread runs this task.
    pub fn mark(&self) {
        let bit = 1 << (thread_index() & 63);
        if self.procs_seen.load(Relaxed) & bit == 0 {
            self.procs_seen.fetch_or(bit, Relaxed);
        }
    }

    pub fn procs_used(&self) -> u32 {
        self.procs_seen.load(Relaxed).count_ones()
    }

    /// Sort the samples and set p50_ns, p99_ns and p999_ns.
    pub fn count_percentiles(&self, mut samples: Vec<Duration>) {
        samples.sort();
        let at = |permille: usize| {
            samples[(samples.len() * permille).div_ceil(1000) - 1].as_nanos() as f64
        };
        self.count("p50_ns", at(500));
        self.count("p99_ns", at(990));
        self.count("p999_ns", at(999));
    }
}

/// Numbers the threads on which tasks run, by their first mark.
fn thread_index() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local!(static INDEX: Cell<u32> = const { Cell::new(u32::MAX) });
    INDEX.with(|index| {
        if index.get() == u32::MAX {
            index.set(NEXT.fetch_add(1, Relaxed));
        }
        index.get()
    })
}

/// 0 + 1 + ... + n - 1
pub fn sum_below(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}
