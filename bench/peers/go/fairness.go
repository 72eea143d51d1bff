// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"time"
)

// mutexFairness: eight goroutines hammer one mutex, an iteration a millisecond.
func mutexFairness(c *call) {
	const burst = 64
	var mutex sync.Mutex
	var finished sync.WaitGroup
	var locks [crowd * 8]int
	total, sum, most := 0, 0, 0
	begin := time.Now()
	end := begin.Add(time.Duration(c.iterations) * time.Millisecond)
	finished.Add(crowd)
	for k := 0; k < crowd; k++ {
		go func(k int) {
			n := 0
			for time.Now().Before(end) {
				for i := 0; i < burst; i++ {
					mutex.Lock()
					total++
					mutex.Unlock()
				}
				n += burst
			}
			locks[8*k] = n
			c.procs.mark()
			finished.Done()
		}(k)
	}
	finished.Wait()
	c.elapsed = time.Since(begin)
	least := locks[0]
	for k := 0; k < crowd; k++ {
		n := locks[8*k]
		sum += n
		if n < least {
			least = n
		}
		if n > most {
			most = n
		}
	}
	c.check(total, sum)
	if sum > 0 {
		c.count("slowest_percent", 100*float64(least)/float64(most))
		c.count("ns_per_op", float64(c.elapsed)/float64(sum))
	}
}

// mutexPolite: one keeps the mutex for ten microseconds and wants it again at once; how long another waits for it.
func mutexPolite(c *call) {
	var mutex sync.Mutex
	var finished sync.WaitGroup
	over := false
	finished.Add(1)
	go func() {
		for done := false; !done; {
			mutex.Lock()
			done = over
			for end := time.Now().Add(10 * time.Microsecond); time.Now().Before(end); {
			}
			mutex.Unlock()
		}
		finished.Done()
	}()
	waits := make([]time.Duration, c.iterations)
	for i := range waits {
		time.Sleep(50 * time.Microsecond)
		begin := time.Now()
		mutex.Lock()
		waits[i] = time.Since(begin)
		c.elapsed += waits[i]
		over = i+1 == len(waits)
		mutex.Unlock()
	}
	c.procs.mark()
	finished.Wait()
	c.countPercentiles(waits) // which sorts them
	c.count("max_ns", float64(waits[len(waits)-1]))
}
