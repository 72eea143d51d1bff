// SPDX-License-Identifier: Apache-2.0

//! The process that weft-bench's row hello times as Tokio's.

mod runtime;

fn main() {
    runtime::runtime(runtime::procs()).block_on(async { println!("hello") });
}
