// SPDX-License-Identifier: Apache-2.0

//! panic_try: a panic and who catches it.

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::time::Instant;

use crate::call::Call;

/// Without the hook that would report it.
#[inline(never)]
fn give_up(count: &mut u64) {
    *count += 1;
    resume_unwind(Box::new("given up"));
}

pub async fn panic_try(call: &'static Call) {
    call.uses("catch_unwind");
    let mut count = 0;
    let mut caught = 0;
    let begin = Instant::now();
    for _ in 0..call.iterations {
        caught += u64::from(catch_unwind(AssertUnwindSafe(|| give_up(&mut count))).is_err());
    }
    call.took_since(begin);
    call.check(count, call.iterations);
    call.check(caught, call.iterations);
}
