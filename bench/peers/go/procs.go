// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/bits"
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// A procSet is the set of Ps on which work was seen to run.
type procSet struct {
	bits uint64
}

// markEvery says how often hot loops mark.
const markEvery = 1024

// mark adds the P that runs this goroutine.
func (s *procSet) mark() {
	bit := uint64(1) << (uint(procPin()) & 63)
	procUnpin()
	for {
		old := atomic.LoadUint64(&s.bits)
		if old&bit != 0 || atomic.CompareAndSwapUint64(&s.bits, old, old|bit) {
			return
		}
	}
}

func (s *procSet) count() int {
	return bits.OnesCount64(atomic.LoadUint64(&s.bits))
}
