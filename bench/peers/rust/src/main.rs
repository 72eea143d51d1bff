// SPDX-License-Identifier: Apache-2.0

//! The rows of weft-bench in Rust on Tokio, with the same names and the same work, timed the same way.
//!
//!     peer -list
//!     peer -row yield -min_time 0.15
//!
//! Prints a JSON object a row: {"name": ..., "ns_per_op": ..., more counters}, or {"name": ..., "error": ...}
//! and then exits with status 1. GOMAXPROCS, else WEFT_MAXPROCS, says how many worker threads there are.

mod border;
mod call;
mod chan;
mod channel;
mod csp;
mod panic;
mod parked;
mod pool;
mod row;
mod runtime;
mod select;
mod spawn;
mod sync;
mod timer;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use row::{Bench, ROWS};

const USAGE: &str = "usage: peer [-list] [-row NAME[,NAME]] [-min_time SECONDS]";

struct Flags {
    list: bool,
    /// Empty: all.
    rows: Vec<String>,
    min_time: Duration,
}

fn parse_flags() -> Option<Flags> {
    let mut flags = Flags {
        list: false,
        rows: Vec::new(),
        min_time: Duration::from_millis(500),
    };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-list" => flags.list = true,
            "-row" => flags.rows = args.next()?.split(',').map(String::from).collect(),
            "-min_time" => {
                flags.min_time = Duration::try_from_secs_f64(args.next()?.parse().ok()?).ok()?;
            }
            _ => return None,
        }
    }
    Some(flags)
}

fn main() -> ExitCode {
    let Some(flags) = parse_flags() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let wanted = |name: &str| flags.rows.is_empty() || flags.rows.iter().any(|row| row == name);
    let rows: Vec<_> = ROWS.iter().filter(|row| wanted(row.name)).collect();
    if rows.is_empty() {
        eprintln!("no such row");
        return ExitCode::FAILURE;
    }
    if flags.list {
        rows.iter().for_each(|row| println!("{}", row.name));
        return ExitCode::SUCCESS;
    }

    let procs = runtime::procs();
    let small = env::var("WEFT_BENCH_SMALL").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    let bench = Bench {
        runtime: runtime::runtime(procs),
        procs,
        small,
    };
    let mut failed = false;
    for row in rows {
        let call = bench.run(row, flags.min_time);
        println!("{}", row.json(call));
        failed |= call.failure().is_some();
    }
    ExitCode::from(u8::from(failed))
}
