// SPDX-License-Identifier: Apache-2.0

//! pool_get_put, pool_get_put_parallel: an object of 64 bytes from a pool and back.

use std::time::Instant;

use crossbeam_queue::ArrayQueue;

use crate::call::Call;

type Object = Box<[u64; 8]>;

pub async fn get_put(call: &'static Call) {
    run_users(call, 1).await;
}

pub async fn get_put_parallel(call: &'static Call) {
    run_users(call, call.procs as u64).await;
}

/// Each makes an object when there is none.
async fn run_users(call: &'static Call, users: u64) {
    call.uses("crossbeam-queue");
    let pool: &'static ArrayQueue<Object> = Box::leak(Box::new(ArrayQueue::new(64)));
    let mut tasks = Vec::new();
    let mut wrong = 0;
    let begin = Instant::now();
    for k in 0..users {
        let pairs = call.share(k, users);
        tasks.push(tokio::spawn(async move {
            call.mark();
            let mut wrong = 0;
            for i in 0..pairs {
                let mut object = pool.pop().unwrap_or_default();
                wrong += u64::from(object[0] != object[7]);
                object[0] = i;
                object[7] = i;
                drop(pool.push(object));
            }
            wrong
        }));
    }
    for task in tasks {
        wrong += task.await.unwrap();
    }
    call.took_since(begin);
    call.check(wrong, 0);
}
