// SPDX-License-Identifier: Apache-2.0

//! select2_sync, select_default4, select_contended.

use std::future::ready;
use std::time::Instant;

use crate::call::{sum_below, Call};
use crate::channel::{Library, ManyReceivers, Receiver, Sender};

pub async fn select2_sync<L: Library>(call: &'static Call) {
    call.uses(L::NAME);
    let (even, mut first) = L::channel(0);
    let (odd, mut second) = L::channel(0);
    let sender = tokio::spawn(async move {
        for i in 0..call.iterations {
            if i % 2 == 0 { &even } else { &odd }.send(i).await;
        }
        call.mark();
        (even, odd) // not dropped before all is received: a channel without senders is ready
    });
    let mut sum = 0;
    let begin = Instant::now();
    for _ in 0..call.iterations {
        sum += tokio::select! {
            v = first.recv() => v.unwrap(),
            v = second.recv() => v.unwrap(),
        };
    }
    call.took_since(begin);
    call.mark();
    sender.await.unwrap();
    call.check(sum, sum_below(call.iterations));
}

/// A future that is ready is the default, if select! polls it last.
pub async fn select_default4<L: Library>(call: &'static Call) {
    call.uses(L::NAME);
    let mut chans: Vec<_> = (0..4).map(|_| L::channel(0)).collect();
    let [(_s0, r0), (_s1, r1), (_s2, r2), (_s3, r3)] = &mut chans[..] else {
        unreachable!()
    };
    let mut defaults = 0;
    let begin = Instant::now();
    for _ in 0..call.iterations {
        tokio::select! {
            biased;
            _ = r0.recv() => {}
            _ = r1.recv() => {}
            _ = r2.recv() => {}
            _ = r3.recv() => {}
            _ = ready(()) => defaults += 1,
        }
    }
    call.took_since(begin);
    call.check(defaults, call.iterations);
}

/// With a default it never waits, so it may be used in a task.
pub async fn select_default4_crossbeam(call: &'static Call) {
    call.uses("crossbeam-channel");
    let chans: Vec<_> = (0..4)
        .map(|_| crossbeam_channel::bounded::<u64>(0))
        .collect();
    let [(_s0, r0), (_s1, r1), (_s2, r2), (_s3, r3)] = &chans[..] else {
        unreachable!()
    };
    let mut defaults = 0;
    let begin = Instant::now();
    for _ in 0..call.iterations {
        crossbeam_channel::select! {
            recv(r0) -> _ => {}
            recv(r1) -> _ => {}
            recv(r2) -> _ => {}
            recv(r3) -> _ => {}
            default => defaults += 1,
        }
    }
    call.took_since(begin);
    call.check(defaults, call.iterations);
}

pub async fn select_contended<L: ManyReceivers>(call: &'static Call) {
    const TASKS: u64 = 8;
    call.uses(L::NAME);
    let chans: Vec<_> = (0..4).map(|_| L::channel(16)).collect();
    let (mut selectors, mut senders) = (Vec::new(), Vec::new());
    let (mut sum, mut wanted) = (0, 0);
    let begin = Instant::now();
    for k in 0..TASKS {
        let items = call.share(k, TASKS);
        wanted += sum_below(items);
        let [mut r0, mut r1, mut r2, mut r3] = [0, 1, 2, 3].map(|i: usize| chans[i].1.clone());
        selectors.push(tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..items {
                sum += tokio::select! {
                    v = r0.recv() => v.unwrap(),
                    v = r1.recv() => v.unwrap(),
                    v = r2.recv() => v.unwrap(),
                    v = r3.recv() => v.unwrap(),
                };
            }
            call.mark();
            sum
        }));
        let tx = chans[k as usize % 4].0.clone();
        senders.push(tokio::spawn(async move {
            for i in 0..items {
                tx.send(i).await;
            }
            call.mark();
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    for selector in selectors {
        sum += selector.await.unwrap();
    }
    call.took_since(begin);
    call.check(sum, wanted);
}
