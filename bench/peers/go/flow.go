// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"time"
)

// The patterns as the book has them, for one type.

func orDone(done <-chan struct{}, in <-chan int64) <-chan int64 {
	out := make(chan int64)
	go func() {
		defer close(out)
		for {
			select {
			case <-done:
				return
			case v, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- v:
				case <-done:
				}
			}
		}
	}()
	return out
}

func addOne(done <-chan struct{}, in <-chan int64) <-chan int64 {
	out := make(chan int64)
	go func() {
		defer close(out)
		for v := range in {
			select {
			case <-done:
				return
			case out <- v + 1:
			}
		}
	}()
	return out
}

func teeOf(done <-chan struct{}, in <-chan int64) (<-chan int64, <-chan int64) {
	out1, out2 := make(chan int64), make(chan int64)
	go func() {
		defer close(out1)
		defer close(out2)
		for v := range orDone(done, in) {
			first, second := out1, out2
			for i := 0; i < 2; i++ {
				select {
				case <-done:
				case first <- v:
					first = nil
				case second <- v:
					second = nil
				}
			}
		}
	}()
	return out1, out2
}

func bridgeOf(done <-chan struct{}, streams <-chan (<-chan int64)) <-chan int64 {
	out := make(chan int64)
	go func() {
		defer close(out)
		for {
			var stream <-chan int64
			select {
			case maybe, ok := <-streams:
				if !ok {
					return
				}
				stream = maybe
			case <-done:
				return
			}
			for v := range orDone(done, stream) {
				select {
				case out <- v:
				case <-done:
				}
			}
		}
	}()
	return out
}

func fanIn(done <-chan struct{}, ins ...<-chan int64) <-chan int64 {
	var all sync.WaitGroup
	out := make(chan int64)
	all.Add(len(ins))
	for _, in := range ins {
		go func(in <-chan int64) {
			defer all.Done()
			for v := range in {
				select {
				case <-done:
					return
				case out <- v:
				}
			}
		}(in)
	}
	go func() {
		all.Wait()
		close(out)
	}()
	return out
}

func or(chans ...<-chan struct{}) <-chan struct{} {
	switch len(chans) {
	case 0:
		return nil
	case 1:
		return chans[0]
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		switch len(chans) {
		case 2:
			select {
			case <-chans[0]:
			case <-chans[1]:
			}
		default:
			select {
			case <-chans[0]:
			case <-chans[1]:
			case <-chans[2]:
			case <-or(append(chans[3:], done)...):
			}
		}
	}()
	return done
}

// The rows.

func counter(done <-chan struct{}, begin, end, step int) <-chan int64 {
	out := make(chan int64)
	go func() {
		defer close(out)
		for i := begin; i < end; i += step {
			select {
			case <-done:
				return
			case out <- int64(i):
			}
		}
	}()
	return out
}

func sumUp(c *call, in <-chan int64, wanted int64) {
	var sum int64
	for v := range in {
		sum += v
		if v%1024 == 0 {
			c.procs.mark()
		}
	}
	if sum != wanted {
		c.fail("the sum is %d, not %d", sum, wanted)
	}
}

func pipeline(stages int) func(*call) {
	return func(c *call) {
		done := make(chan struct{})
		defer close(done)
		begin := time.Now()
		in := counter(done, 0, c.iterations, 1)
		for i := 0; i < stages; i++ {
			in = addOne(done, in)
		}
		sumUp(c, in, int64(sumBelow(c.iterations)+c.iterations*stages))
		c.elapsed = time.Since(begin)
	}
}

func teeRow(c *call) {
	done := make(chan struct{})
	defer close(done)
	var sum int64
	begin := time.Now()
	a, b := teeOf(done, counter(done, 0, c.iterations, 1))
	for v := range a {
		sum += v + <-b
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	if sum != int64(2*sumBelow(c.iterations)) {
		c.fail("the sum is %d", sum)
	}
}

func bridgeRow(c *call) {
	const perStream = 16
	done := make(chan struct{})
	defer close(done)
	begin := time.Now()
	streams := make(chan (<-chan int64))
	go func() {
		defer close(streams)
		for i := 0; i < c.iterations; i += perStream {
			stream := make(chan int64, perStream)
			for k := i; k < i+perStream && k < c.iterations; k++ {
				stream <- int64(k)
			}
			close(stream)
			streams <- stream
		}
	}()
	sumUp(c, bridgeOf(done, streams), int64(sumBelow(c.iterations)))
	c.elapsed = time.Since(begin)
}

func fanIn64(c *call) {
	const sources = 64
	done := make(chan struct{})
	defer close(done)
	begin := time.Now()
	var ins []<-chan int64
	for i := 0; i < sources; i++ {
		ins = append(ins, counter(done, i, c.iterations, sources))
	}
	sumUp(c, fanIn(done, ins...), int64(sumBelow(c.iterations)))
	c.elapsed = time.Since(begin)
}

func or64(c *call) {
	const sources = 64
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		var chans []<-chan struct{}
		var mine chan struct{}
		for k := 0; k < sources; k++ {
			ch := make(chan struct{})
			if k == i%sources {
				mine = ch
			}
			chans = append(chans, ch)
		}
		whole := or(chans...)
		close(mine)
		<-whole
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
}
