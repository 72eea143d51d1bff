// SPDX-License-Identifier: Apache-2.0

use std::env;

use tokio::runtime::{Builder, Runtime};

/// GOMAXPROCS, else WEFT_MAXPROCS, else as many as there are CPUs.
pub fn procs() -> usize {
    let number = |name| env::var(name).ok()?.parse().ok().filter(|&n| n > 0);
    number("GOMAXPROCS")
        .or_else(|| number("WEFT_MAXPROCS"))
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1)
}

/// One processor is Tokio's current_thread: it takes no lock that the workers share, and most rows are faster.
pub fn runtime(procs: usize) -> Runtime {
    let mut builder = match procs {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder
        .worker_threads(procs)
        .enable_time()
        .build()
        .expect("no runtime")
}
