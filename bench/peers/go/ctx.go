// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

const (
	ctxChildren = 1000
	ctxLayers   = 10
)

// ctxCancel1000 cancels a context with 1000 children; making them is not timed.
func ctxCancel1000(c *call) {
	children := make([]context.Context, ctxChildren)
	cancels := make([]context.CancelFunc, ctxChildren)
	for i := 0; i < c.iterations; i++ {
		root, cancel := context.WithCancel(context.Background())
		for k := range children {
			children[k], cancels[k] = context.WithCancel(root)
		}
		begin := time.Now()
		cancel()
		c.elapsed += time.Since(begin)
		for k := range children {
			if children[k].Err() == nil {
				c.fail("a child goes on")
			}
			cancels[k]()
		}
		c.procs.mark()
	}
}

func ctxTimeoutCancel(c *call) {
	root, cancelRoot := context.WithCancel(context.Background())
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		ctx, cancel := context.WithTimeout(root, time.Hour)
		cancel()
		if ctx.Err() == nil {
			c.fail("it goes on")
		}
		if i%markEvery == 0 {
			c.procs.mark()
		}
	}
	c.elapsed = time.Since(begin)
	cancelRoot()
}

type ctxKey int

func ctxValue10(c *call) {
	ctx := context.Background()
	values := [ctxLayers]int{}
	for i := range values {
		ctx = context.WithValue(ctx, ctxKey(i), &values[i])
	}
	found := 0
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		if ctx.Value(ctxKey(0)) == &values[0] {
			found++
		}
		if i%markEvery == 0 {
			c.procs.mark()
		}
	}
	c.elapsed = time.Since(begin)
	if found != c.iterations {
		c.fail("not found")
	}
}
