// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	batch       = 10000
	ringMembers = 503
)

func pick(normal, tiny int) int {
	if small {
		return tiny
	}
	return normal
}

var rows = []row{
	{name: "yield", body: yield, warmup: 100000},
	{name: "spawn_join", body: spawnJoin, warmup: 10000},
	{name: "spawn_many", body: spawnMany, warmup: 2, ops: batch},
	{name: "threadring_503", body: threadring, warmup: 100 * ringMembers},
	{name: "pingpong_unbuf", body: pingpongUnbuf, warmup: 100000},
	{name: "pingpong_cross", body: pingpongCross, warmup: 10000},
	{name: "chan_same_task", body: chanSameTask, warmup: 100000},
	{name: "prodcons_cap0", body: pairs(1, 0), warmup: 100000},
	{name: "prodcons_cap1", body: pairs(1, 1), warmup: 100000},
	{name: "prodcons_cap100", body: pairs(1, 100), warmup: 100000},
	{name: "mpmc_4x4_cap128", body: pairs(4, 128), warmup: 100000},
	{name: "mpmc_64x64_cap128", body: pairs(64, 128), warmup: 100000},
	{name: "select2_sync", body: select2Sync, warmup: 10000},
	{name: "select_default4", body: selectDefault4, warmup: 10000},
	{name: "select_contended", body: selectContended, warmup: 10000},
	{name: "fib_chan_20", body: fibChan20, warmup: 1},
	{name: "skynet_1m", body: skynet1m, warmup: 1},
	{name: "sieve_500", body: sieve500, warmup: 1},
	{name: "mutex_uncontended", body: mutexUncontended, warmup: 100000},
	{name: "mutex_contended", body: mutexContended, warmup: 100000},
	{name: "rwmutex_rlock", body: rwmutexRlock, warmup: 100000},
	{name: "rwmutex_readers8", body: rwmutexReaders8, warmup: 100000},
	{name: "mutex_fairness", body: mutexFairness, iterations: 1000},
	{name: "mutex_polite", body: mutexPolite, iterations: 200},
	{name: "cond_pingpong", body: condPingpong, warmup: 10000},
	{name: "once_done", body: onceDone, warmup: 100000},
	{name: "waitgroup_add_done", body: waitgroupAddDone, warmup: 100000},
	{name: "pool_get_put", body: poolUsers(one), warmup: 100000},
	{name: "pool_get_put_parallel", body: poolUsers(processors), warmup: 100000},
	{name: "parked_1m", body: parked, warmup: 100, iterations: pick(1000000, 2000)},
	{name: "sleep_1us", body: sleepFor(time.Microsecond), warmup: 5, iterations: pick(2000, 5)},
	{name: "sleep_50us", body: sleepFor(50 * time.Microsecond), warmup: 5, iterations: pick(1000, 5)},
	{name: "sleep_1ms_busy", body: sleepBusy, warmup: 5, iterations: pick(200, 5)},
	{name: "sleep_1ms", body: sleepFor(time.Millisecond), warmup: 5, iterations: pick(200, 5)},
	{name: "pipeline_1", body: pipeline(1), warmup: 10000},
	{name: "pipeline_4", body: pipeline(4), warmup: 10000},
	{name: "pipeline_16", body: pipeline(16), warmup: 1000},
	{name: "tee", body: teeRow, warmup: 10000},
	{name: "bridge", body: bridgeRow, warmup: 10000},
	{name: "fan_in_64", body: fanIn64, warmup: 10000},
	{name: "or_64", body: or64, warmup: 100},
	{name: "limiter_allow", body: limiterAllow, warmup: 100000},
	{name: "defer", body: deferCalls, warmup: 100000},
	{name: "panic_try", body: panicTry, warmup: 10000},
	{name: "timer_create_stop", body: timerCreateStop, warmup: 10000},
	{name: "timers_1m", body: timers, warmup: 100, iterations: pick(1000000, 2000)},
	{name: "ticker_jitter", body: tickerJitter, warmup: 5, iterations: pick(200, 5)},
	{name: "ctx_cancel_1000", body: ctxCancel1000, warmup: 10},
	{name: "ctx_timeout_cancel", body: ctxTimeoutCancel, warmup: 10000},
	{name: "ctx_value_10", body: ctxValue10, warmup: 100000},
}

// A yielder has its count on a cache line of its own.
type yielder struct {
	_          [64]byte
	turns      int
	wanted     int
	otherTurns int
	other      *yielder
	_          [64]byte
}

func yield(c *call) {
	var finished sync.WaitGroup
	half := (c.iterations + 1) / 2
	var pair [2]yielder
	pair[0].wanted, pair[0].other = half, &pair[1]
	pair[1].wanted, pair[1].other = c.iterations-half, &pair[0]
	finished.Add(2)
	begin := time.Now()
	for k := range pair {
		go func(self *yielder) {
			for i := 0; i < self.wanted; i++ {
				if i%markEvery == 0 {
					c.procs.mark()
				}
				self.turns = i + 1
				runtime.Gosched()
			}
			if runtime.GOMAXPROCS(0) == 1 {
				self.otherTurns = self.other.turns
			}
			finished.Done()
		}(&pair[k])
	}
	finished.Wait()
	c.elapsed = time.Since(begin)

	if total := pair[0].turns + pair[1].turns; total != c.iterations {
		c.fail("%d yields, not %d", total, c.iterations)
	}
	for k := range pair {
		if runtime.GOMAXPROCS(0) == 1 && pair[k].otherTurns < pair[k].wanted/2 {
			c.fail("not in turn: %d of one, %d of the other", pair[k].wanted, pair[k].otherTurns)
		}
	}
}

func spawnJoin(c *call) {
	var finished sync.WaitGroup
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		finished.Add(1)
		go func() { finished.Done() }()
		finished.Wait()
	}
	c.elapsed = time.Since(begin)

	var ran int64
	for i := 0; i < c.iterations && i < batch; i++ {
		finished.Add(1)
		go func() {
			c.procs.mark()
			atomic.AddInt64(&ran, 1)
			finished.Done()
		}()
		finished.Wait()
		if atomic.LoadInt64(&ran) != int64(i+1) {
			c.fail("wait returned before the goroutine was done")
		}
	}
}

func spawnMany(c *call) {
	var finished sync.WaitGroup
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		finished.Add(batch)
		for k := 0; k < batch; k++ {
			go func() { finished.Done() }()
		}
		finished.Wait()
	}
	c.elapsed = time.Since(begin)

	var ran int64
	finished.Add(batch)
	for k := 0; k < batch; k++ {
		go func() {
			c.procs.mark()
			atomic.AddInt64(&ran, 1)
			finished.Done()
		}()
	}
	finished.Wait()
	if ran != batch {
		c.fail("%d of %d ran", ran, batch)
	}
}

// threadring hands a token on over unbuffered channels. The ring is there before the time starts.
func threadring(c *call) {
	var ended sync.WaitGroup
	won := make(chan int)
	first := make(chan int)
	in := first
	for i := 0; i < ringMembers; i++ {
		out := first
		if i < ringMembers-1 {
			out = make(chan int)
		}
		ended.Add(1)
		go func(member int, in <-chan int, out chan<- int) {
			defer ended.Done()
			for {
				hops, open := <-in
				if !open {
					if member < ringMembers-1 {
						close(out)
					}
					return
				}
				if hops == 0 {
					won <- member
					continue
				}
				if hops%markEvery == 0 {
					c.procs.mark()
				}
				out <- hops - 1
			}
		}(i, in, out)
		in = out
	}

	begin := time.Now()
	first <- c.iterations
	winner := <-won
	c.elapsed = time.Since(begin)

	if winner != c.iterations%ringMembers {
		c.fail("the token stopped at %d, not %d", winner, c.iterations%ringMembers)
	}
	close(first)
	ended.Wait()
}

// memoryBytes is the resident memory of this process and of its page tables.
func memoryBytes() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kib int64
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			n, _ := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
			kib += n
		}
	}
	return kib * 1024
}

// allParked tells whether n goroutines wait. Before Go 1.26 there is no such metric; then those that
// have arrived count as parked, up to a P's worth of goroutines too early.
func allParked(n int) bool {
	sample := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(sample)
	return sample[0].Value.Kind() != metrics.KindUint64 || sample[0].Value.Uint64() >= uint64(n)
}

func parked(c *call) {
	gate := make(chan struct{})
	var finished sync.WaitGroup
	var arrived, woken int64
	n := c.iterations
	memoryBefore := memoryBytes()
	begin := time.Now()
	finished.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			if (atomic.AddInt64(&arrived, 1)-1)%markEvery == 0 {
				c.procs.mark()
			}
			if _, open := <-gate; !open {
				atomic.AddInt64(&woken, 1)
			}
			finished.Done()
		}()
	}
	for atomic.LoadInt64(&arrived) != int64(n) || !allParked(n) {
		runtime.Gosched()
	}
	create := time.Since(begin)
	memoryGrown := memoryBytes() - memoryBefore

	begin = time.Now()
	close(gate)
	finished.Wait()
	wake := time.Since(begin)

	if woken != int64(n) {
		c.fail("%d of %d saw the close", woken, n)
	}
	c.elapsed = create + wake
	c.count("bytes_each", float64(memoryGrown)/float64(n))
	c.count("create_ns_each", float64(create)/float64(n))
	c.count("wake_ns_each", float64(wake)/float64(n))
	c.count("total_ns", float64(c.elapsed))
}

func sleepFor(d time.Duration) func(c *call) {
	return func(c *call) {
		samples := make([]time.Duration, c.iterations)
		for i := range samples {
			begin := time.Now()
			time.Sleep(d)
			samples[i] = time.Since(begin)
			c.elapsed += samples[i]
			if samples[i] < d {
				c.fail("slept %v only", samples[i])
			}
		}
		c.procs.mark()
		c.countPercentiles(samples)
	}
}

// sleepBusy sleeps while on each processor a goroutine computes.
func sleepBusy(c *call) {
	var over atomic.Bool
	var finished sync.WaitGroup
	for i := 0; i < runtime.GOMAXPROCS(0); i++ {
		finished.Add(1)
		go func() {
			for !over.Load() {
				time.Now()
			}
			finished.Done()
		}()
	}
	sleepFor(time.Millisecond)(c)
	over.Store(true)
	finished.Wait()
}
