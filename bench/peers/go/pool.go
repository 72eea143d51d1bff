// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"sync"
	"time"
)

type pooled [8]int64

func poolUsers(n func() int) func(c *call) {
	return func(c *call) {
		var finished sync.WaitGroup
		pool := sync.Pool{New: func() any { return new(pooled) }}
		users := n()
		wrong := make([]int, users*8)
		finished.Add(users)
		begin := time.Now()
		for k := 0; k < users; k++ {
			pairs := c.iterations / users
			if k < c.iterations%users {
				pairs++
			}
			go func(k, pairs int) {
				c.procs.mark()
				for i := 0; i < pairs; i++ {
					object := pool.Get().(*pooled)
					if object[0] != object[7] {
						wrong[8*k]++
					}
					object[0], object[7] = int64(i), int64(i)
					pool.Put(object)
				}
				finished.Done()
			}(k, pairs)
		}
		finished.Wait()
		c.elapsed = time.Since(begin)
		for k := 0; k < users; k++ {
			c.check(wrong[8*k], 0)
		}
	}
}

func one() int { return 1 }

func processors() int { return runtime.GOMAXPROCS(0) }
