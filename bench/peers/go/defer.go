// SPDX-License-Identifier: Apache-2.0

package main

import "time"

//go:noinline
func countUp(count *int) { *count++ }

//go:noinline
func deferOnce(count *int) {
	defer countUp(count)
}

func deferCalls(c *call) {
	count := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		deferOnce(&count)
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	c.check(count, c.iterations)
}

//go:noinline
func giveUp(count *int) {
	countUp(count)
	panic("given up")
}

func caught(f func(*int), count *int) (caught bool) {
	defer func() { caught = recover() != nil }()
	f(count)
	return false
}

func panicTry(c *call) {
	count, recovered := 0, 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		if caught(giveUp, &count) {
			recovered++
		}
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	c.check(count, c.iterations)
	c.check(recovered, c.iterations)
}
