// SPDX-License-Identifier: Apache-2.0

//go:build cgo

// Package foreign has what takes a C compiler: a package with cgo can't have main's assembly file.
package foreign

/*
static long count;
static void reset(void) { count = 0; }
static void count_up(void) { count++; }
static long get(void) { return count; }
*/
import "C"

func Reset()     { C.reset() }
func CountUp()   { C.count_up() }
func Count() int { return int(C.get()) }
