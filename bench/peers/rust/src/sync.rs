// SPDX-License-Identifier: Apache-2.0

//! mutex_*, rwmutex_*, cond_pingpong, once_done. The locks are the standard library's, which hold up the thread:
//! what Tokio advises for a lock that isn't held across an await.

use std::hint::black_box;
use std::sync::{Mutex, OnceLock, RwLock};
use std::time::Instant;

use tokio::sync::Notify;

use crate::call::{Call, MARK_EVERY};

const CROWD: u64 = 8;

/// Share the iterations out to eight tasks; the sum of what they return.
async fn run_crowd(call: &'static Call, work: impl Fn(u64) -> u64 + Copy + Send + 'static) -> u64 {
    let mut tasks = Vec::new();
    let mut sum = 0;
    let begin = Instant::now();
    for k in 0..CROWD {
        let ops = call.share(k, CROWD);
        tasks.push(tokio::spawn(async move {
            call.mark();
            work(ops)
        }));
    }
    for task in tasks {
        sum += task.await.unwrap();
    }
    call.took_since(begin);
    sum
}

fn lock_often(mutex: &Mutex<u64>, ops: u64) -> u64 {
    for _ in 0..ops {
        *mutex.lock().unwrap() += 1;
    }
    0
}

fn read_often(lock: &RwLock<u64>, ops: u64) -> u64 {
    (0..ops).map(|_| *lock.read().unwrap()).sum()
}

pub async fn mutex_uncontended(call: &'static Call) {
    call.uses("std");
    let mutex = black_box(Mutex::new(0));
    let begin = Instant::now();
    lock_often(&mutex, call.iterations);
    call.took_since(begin);
    call.mark();
    call.check(mutex.into_inner().unwrap(), call.iterations);
}

pub async fn mutex_contended(call: &'static Call) {
    call.uses("std");
    let mutex: &'static Mutex<u64> = Box::leak(Box::default());
    run_crowd(call, |ops| lock_often(mutex, ops)).await;
    call.check(*mutex.lock().unwrap(), call.iterations);
}

pub async fn rwmutex_rlock(call: &'static Call) {
    call.uses("std");
    let lock = black_box(RwLock::new(3));
    let begin = Instant::now();
    let sum = read_often(&lock, call.iterations);
    call.took_since(begin);
    call.mark();
    call.check(sum, 3 * call.iterations);
}

pub async fn rwmutex_readers8(call: &'static Call) {
    call.uses("std");
    let lock: &'static RwLock<u64> = Box::leak(Box::new(RwLock::new(3)));
    let sum = run_crowd(call, |ops| read_often(lock, ops)).await;
    call.check(sum, 3 * call.iterations);
}

#[derive(Default)]
struct Table {
    state: Mutex<Game>,
    turned: [Notify; 2],
}

#[derive(Default)]
struct Game {
    turn: usize,
    moves: u64,
}

/// Two take turns; who has had his wakes the other. A Notify holds a wake-up for who isn't waiting yet.
async fn take_turns(call: &Call, table: &Table, own: usize) {
    for i in 0..call.iterations {
        while table.state.lock().unwrap().turn != own {
            table.turned[own].notified().await;
        }
        {
            let mut game = table.state.lock().unwrap();
            game.turn = 1 - own;
            game.moves += 1;
        }
        table.turned[1 - own].notify_one();
        if i % MARK_EVERY == 0 {
            call.mark();
        }
    }
}

pub async fn cond_pingpong(call: &'static Call) {
    call.uses("tokio Notify");
    let table: &'static Table = Box::leak(Box::default());
    let other = tokio::spawn(take_turns(call, table, 1));
    let begin = Instant::now();
    take_turns(call, table, 0).await;
    other.await.unwrap();
    call.took_since(begin);
    call.check(table.state.lock().unwrap().moves, 2 * call.iterations);
}

pub async fn once_done(call: &'static Call) {
    call.uses("std");
    let once = black_box(OnceLock::new());
    let mut calls = 0;
    once.get_or_init(|| calls += 1);
    let begin = Instant::now();
    for _ in 0..call.iterations {
        black_box(&once).get_or_init(|| calls += 1);
    }
    call.took_since(begin);
    call.mark();
    call.check(calls, 1);
}
