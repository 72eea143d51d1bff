// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"sync"
	"time"
)

func sumBelow(n int) int { return n * (n - 1) / 2 }

func (c *call) check(result, wanted int) {
	if result != wanted {
		c.fail("%d, not %d", result, wanted)
	}
}

func pingpongUnbuf(c *call) { pingpong(c, false) }

// Each goroutine has a thread of its own, which is all that Go can be told of where it runs.
func pingpongCross(c *call) { pingpong(c, true) }

func pingpong(c *call, cross bool) {
	if cross {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	there, back := make(chan int), make(chan int)
	var finished sync.WaitGroup
	finished.Add(1)
	go func() {
		defer finished.Done()
		if cross {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		for v := range there {
			back <- v + 1
		}
		c.procs.mark()
	}()
	v := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		there <- v
		v = <-back
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	c.check(v, c.iterations)
	close(there)
	finished.Wait()
}

func chanSameTask(c *call) {
	ch := make(chan int, 128)
	sum := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		ch <- i
		sum += <-ch
	}
	c.elapsed = time.Since(begin)
	c.check(sum, sumBelow(c.iterations))
}

func pairs(n, capacity int) func(c *call) {
	return func(c *call) {
		var finished sync.WaitGroup
		ch := make(chan int, capacity)
		sums := make([]int, n)
		wanted := 0
		finished.Add(2 * n)
		begin := time.Now()
		for k := 0; k < n; k++ {
			items := c.iterations / n
			if k == 0 {
				items += c.iterations % n
			}
			wanted += sumBelow(items)
			go func(k int) {
				defer finished.Done()
				sum := 0
				for i := 0; i < items; i++ {
					sum += <-ch
					if i%markEvery == 0 {
						c.procs.mark()
					}
				}
				sums[k] = sum
			}(k)
			go func() {
				defer finished.Done()
				for i := 0; i < items; i++ {
					if i%markEvery == 0 {
						c.procs.mark()
					}
					ch <- i
				}
			}()
		}
		finished.Wait()
		c.elapsed = time.Since(begin)
		sum := 0
		for _, s := range sums {
			sum += s
		}
		c.check(sum, wanted)
	}
}

func select2Sync(c *call) {
	var finished sync.WaitGroup
	chans := [2]chan int{make(chan int), make(chan int)}
	finished.Add(1)
	go func() {
		defer finished.Done()
		for i := 0; i < c.iterations; i++ {
			chans[i%2] <- i
		}
		c.procs.mark()
	}()
	sum := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		select {
		case v := <-chans[0]:
			sum += v
		case v := <-chans[1]:
			sum += v
		}
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	finished.Wait()
	c.check(sum, sumBelow(c.iterations))
}

func selectDefault4(c *call) {
	var chans [4]chan int
	for i := range chans {
		chans[i] = make(chan int)
	}
	defaults := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		select {
		case <-chans[0]:
		case <-chans[1]:
		case <-chans[2]:
		case <-chans[3]:
		default:
			defaults++
		}
	}
	c.elapsed = time.Since(begin)
	c.check(defaults, c.iterations)
}

func selectContended(c *call) {
	const tasks = 8
	var finished sync.WaitGroup
	var chans [4]chan int
	var sums [tasks]int
	for i := range chans {
		chans[i] = make(chan int, 16)
	}
	wanted := 0
	finished.Add(2 * tasks)
	begin := time.Now()
	for k := 0; k < tasks; k++ {
		items := c.iterations / tasks
		if k < c.iterations%tasks {
			items++
		}
		wanted += sumBelow(items)
		go func(k int) {
			defer finished.Done()
			sum, v := 0, 0
			for i := 0; i < items; i++ {
				select {
				case v = <-chans[0]:
				case v = <-chans[1]:
				case v = <-chans[2]:
				case v = <-chans[3]:
				}
				sum += v
			}
			sums[k] = sum
			c.procs.mark()
		}(k)
		go func(k int) {
			defer finished.Done()
			for i := 0; i < items; i++ {
				chans[k%4] <- i
			}
			c.procs.mark()
		}(k)
	}
	finished.Wait()
	c.elapsed = time.Since(begin)
	sum := 0
	for _, s := range sums {
		sum += s
	}
	c.check(sum, wanted)
}

func fib(c *call, n int) <-chan int {
	result := make(chan int)
	go func() {
		if n <= 2 {
			c.procs.mark()
			result <- 1
			return
		}
		first, second := fib(c, n-1), fib(c, n-2)
		result <- <-first + <-second
	}()
	return result
}

func fibChan20(c *call) {
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		c.check(<-fib(c, 20), 6765)
	}
	c.total(time.Since(begin))
}

func skynet(c *call, out chan<- int, number, leaves int) {
	if leaves <= 1 {
		out <- number
		return
	}
	in := make(chan int)
	sum := 0
	for i := 0; i < 10; i++ {
		go skynet(c, in, number+i*(leaves/10), leaves/10)
	}
	for i := 0; i < 10; i++ {
		sum += <-in
	}
	c.procs.mark()
	out <- sum
}

func skynet1m(c *call) {
	leaves := pick(1000000, 1000)
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		out := make(chan int)
		go skynet(c, out, 0, leaves)
		c.check(<-out, sumBelow(leaves))
	}
	c.total(time.Since(begin))
}

func sieveFilter(in <-chan int, out chan<- int, prime int) {
	for n := range in {
		if n%prime != 0 {
			out <- n
		}
	}
	close(out)
}

func sieve(c *call, last int) int {
	in := make(chan int)
	go func(out chan<- int) {
		for n := 2; n <= last; n++ {
			out <- n
		}
		close(out)
	}(in)
	largest := 0
	for {
		prime, open := <-in
		if !open {
			c.procs.mark()
			return largest
		}
		largest = prime
		out := make(chan int)
		go sieveFilter(in, out, prime)
		in = out
	}
}

// The numbers up to the 100th or the 500th prime.
func sieve500(c *call) {
	last := pick(3571, 541)
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		c.check(sieve(c, last), last)
	}
	c.total(time.Since(begin))
}
