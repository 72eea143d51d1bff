// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"time"
)

const crowd = 8

// runCrowd shares the iterations out to eight goroutines.
func (c *call) runCrowd(work func(ops int) int) (sum int) {
	var finished sync.WaitGroup
	var sums [crowd * 8]int
	finished.Add(crowd)
	begin := time.Now()
	for k := 0; k < crowd; k++ {
		ops := c.iterations / crowd
		if k < c.iterations%crowd {
			ops++
		}
		go func(k, ops int) {
			c.procs.mark()
			sums[8*k] = work(ops)
			c.procs.mark()
			finished.Done()
		}(k, ops)
	}
	finished.Wait()
	c.elapsed = time.Since(begin)
	for k := 0; k < crowd; k++ {
		sum += sums[8*k]
	}
	return sum
}

func mutexUncontended(c *call) {
	var mutex sync.Mutex
	counter := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		mutex.Lock()
		counter++
		mutex.Unlock()
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	c.check(counter, c.iterations)
}

func mutexContended(c *call) {
	var shared struct { // one cache line, as weft's
		mutex   sync.Mutex
		counter int
	}
	c.runCrowd(func(ops int) int {
		for i := 0; i < ops; i++ {
			shared.mutex.Lock()
			shared.counter++
			shared.mutex.Unlock()
		}
		return 0
	})
	c.check(shared.counter, c.iterations)
}

func rwmutexRlock(c *call) {
	var lock sync.RWMutex
	value, sum := 3, 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		lock.RLock()
		sum += value
		lock.RUnlock()
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	c.check(sum, 3*c.iterations)
}

func rwmutexReaders8(c *call) {
	var lock sync.RWMutex
	value := 3
	sum := c.runCrowd(func(ops int) int {
		sum := 0
		for i := 0; i < ops; i++ {
			lock.RLock()
			sum += value
			lock.RUnlock()
		}
		return sum
	})
	c.check(sum, 3*c.iterations)
}

func condPingpong(c *call) {
	var mutex sync.Mutex
	var finished sync.WaitGroup
	turned := sync.NewCond(&mutex)
	turn, counter := 0, 0
	takeTurns := func(mine int) {
		for i := 0; i < c.iterations; i++ {
			mutex.Lock()
			for turn != mine {
				turned.Wait()
			}
			turn = 1 - mine
			counter++
			turned.Signal()
			mutex.Unlock()
			if i%markEvery == 0 {
				c.procs.mark()
			}
		}
	}
	finished.Add(1)
	go func() {
		takeTurns(1)
		finished.Done()
	}()
	begin := time.Now()
	takeTurns(0)
	finished.Wait()
	c.elapsed = time.Since(begin)
	c.check(counter, 2*c.iterations)
}

func onceDone(c *call) {
	var once sync.Once
	calls := 0
	countCall := func() { calls++ }
	once.Do(countCall)
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		once.Do(countCall)
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	c.check(calls, 1)
}

func waitgroupAddDone(c *call) {
	var group sync.WaitGroup
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		group.Add(1)
		group.Done()
	}
	c.elapsed = time.Since(begin)
	group.Wait()
	c.procs.mark()
}
