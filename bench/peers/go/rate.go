// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"sync"
	"time"
)

// limiter is a token bucket under a mutex, which is how golang.org/x/time/rate does it; that one isn't part of Go, and
// where it can't be fetched the others couldn't be built.
type limiter struct {
	mu            sync.Mutex
	limit, tokens float64
	burst         int
	last          time.Time
}

func (l *limiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	tokens := math.Min(float64(l.burst), l.tokens+now.Sub(l.last).Seconds()*l.limit) - 1
	if tokens < 0 {
		return false
	}
	l.tokens, l.last = tokens, now
	return true
}

func limiterAllow(c *call) {
	const limit, burst = 1e7, 1000
	l := &limiter{limit: limit, tokens: burst, burst: burst, last: time.Now()}
	allowed := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		if l.allow() {
			allowed++
		}
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	if most := burst + 1 + limit*c.elapsed.Seconds(); allowed < 1 || float64(allowed) > most {
		c.fail("%d were allowed, at most %.0f should be", allowed, most)
	}
}
