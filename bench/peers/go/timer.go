// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

func timerCreateStop(c *call) {
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		if !time.AfterFunc(time.Hour, func() {}).Stop() {
			c.fail("there was no timer to stop")
		}
		if i%1024 == 0 {
			c.procs.mark()
		}
	}
	c.elapsed = time.Since(begin)
}

// spread is at most a second; no two neighbours are near each other.
func spread(i int) time.Duration {
	return time.Duration(i*7919%1000000) * time.Microsecond
}

const resetTime = 300 * time.Nanosecond // with that for each, all are set before they are due

func timers(c *call) {
	n, stopped := c.iterations, 0
	var fired int64
	all := make([]*time.Timer, n)
	begin := time.Now()
	for i := range all {
		all[i] = time.AfterFunc(time.Hour+spread(i), func() { atomic.AddInt64(&fired, 1) })
	}
	arm := time.Since(begin)
	begin = time.Now()
	for i := range all {
		if all[i].Stop() {
			stopped++
		}
	}
	stop := time.Since(begin)
	due := time.Now().Add(2*arm + time.Duration(n)*resetTime + time.Millisecond)
	for i := range all {
		all[i].Reset(time.Until(due))
	}
	time.Sleep(time.Until(due))
	for atomic.LoadInt64(&fired) < int64(n) {
		runtime.Gosched()
	}
	fire := time.Since(due)
	c.procs.mark()
	if stopped != n {
		c.fail("%d of %d stopped", stopped, n)
	}
	c.elapsed = arm + stop + fire
	c.count("arm_ns_each", float64(arm)/float64(n))
	c.count("stop_ns_each", float64(stop)/float64(n))
	c.count("fire_ns_each", float64(fire)/float64(n))
}

func tickerJitter(c *call) {
	samples := make([]time.Duration, c.iterations)
	t := time.NewTicker(time.Millisecond)
	for i := range samples {
		samples[i] = time.Since(<-t.C) // since Go 1.23 a tick carries the time for which it was due
		c.elapsed += samples[i]
	}
	t.Stop()
	c.procs.mark()
	c.countPercentiles(samples)
}
