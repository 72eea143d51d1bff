// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"time"

	"weft-peer-go/foreign"
)

// Where cgo doesn't work, this peer has no such row.
func init() {
	rows = append(rows, row{name: "fork_blocking", body: blockingEmpty, warmup: 100000})
}

func blockingEmpty(c *call) {
	foreign.Reset()
	begin := time.Now()
	for i := 0; i < c.iterations; i++ {
		foreign.CountUp()
	}
	c.elapsed = time.Since(begin)
	c.procs.mark()
	c.check(foreign.Count(), c.iterations)
}
