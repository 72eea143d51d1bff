// SPDX-License-Identifier: Apache-2.0

// weft-peer-go: the rows of weft-bench in Go, with the same names and the same work, timed the same way.
//
//	weft-peer-go -list
//	weft-peer-go -row yield -min_time 0.15
//
// Prints a JSON object a row: {"name": ..., "ns_per_op": ..., more counters}, or {"name": ..., "error": ...}
// and then exits with status 1. GOMAXPROCS, else WEFT_MAXPROCS, says how many Ps there are. Needs Go 1.19.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A call is one timed call of a row's body.
type call struct {
	iterations int
	elapsed    time.Duration // the body sets it
	procs      procSet
	counters   map[string]float64
	failure    string
}

func (c *call) fail(format string, args ...any) {
	if c.failure == "" {
		c.failure = fmt.Sprintf(format, args...)
	}
}

func (c *call) count(counter string, value float64) {
	c.counters[counter] = value
}

// total is for a row whose operation is the whole.
func (c *call) total(elapsed time.Duration) {
	c.elapsed = elapsed
	c.count("total_ns", float64(elapsed)/float64(c.iterations))
}

// countPercentiles sorts the samples and sets p50_ns, p99_ns and p999_ns.
func (c *call) countPercentiles(samples []time.Duration) {
	sort.Slice(samples, func(i, j int) bool { return samples[i] < samples[j] })
	at := func(permille int) float64 {
		return float64(samples[(len(samples)*permille+999)/1000-1])
	}
	c.count("p50_ns", at(500))
	c.count("p99_ns", at(990))
	c.count("p999_ns", at(999))
}

// A row is as struct bench_row in bench/gbench.h.
type row struct {
	name       string
	body       func(c *call)
	warmup     int
	iterations int // always this many; 0: as many as fill the minimum time
	ops        int // operations an iteration; 0 means 1
}

var small = os.Getenv("WEFT_BENCH_SMALL") != "" && os.Getenv("WEFT_BENCH_SMALL") != "0"

func (r *row) once(iterations int) *call {
	c := &call{iterations: iterations, counters: map[string]float64{}}
	r.body(c)
	return c
}

// run grows the iteration count until a call takes minTime, as Google Benchmark does.
func (r *row) run(minTime time.Duration) *call {
	if r.warmup > 0 {
		if c := r.once(r.warmup); c.failure != "" {
			return c
		}
	}
	iterations := r.iterations
	if iterations == 0 {
		iterations = 1
	}
	for {
		c := r.once(iterations)
		if c.failure != "" || r.iterations != 0 || c.elapsed >= minTime || iterations >= 1e9 {
			return c
		}
		growth := 1.4 * minTime.Seconds() / (c.elapsed.Seconds() + 1e-9)
		if c.elapsed.Seconds() <= minTime.Seconds()/10 && growth > 10 {
			growth = 10
		}
		next := int(float64(iterations) * growth)
		if next <= iterations {
			next = iterations + 1
		}
		iterations = next
	}
}

func (r *row) report(c *call) bool {
	out := map[string]any{"name": r.name}
	if c.failure != "" {
		out["error"] = c.failure
	} else {
		ops := r.ops
		if ops == 0 {
			ops = 1
		}
		out["ns_per_op"] = float64(c.elapsed) / (float64(c.iterations) * float64(ops))
		out["iterations"] = c.iterations
		out["procs"] = runtime.GOMAXPROCS(0)
		if used := c.procs.count(); used > 0 {
			out["procs_used"] = used
		}
		for counter, value := range c.counters {
			out[counter] = value
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
	return c.failure == ""
}

func main() {
	list := flag.Bool("list", false, "print the names of the rows")
	names := flag.String("row", "", "run these rows, separated by commas; default all")
	minTime := flag.Float64("min_time", 0.5, "seconds that a timed call takes at least")
	flag.Parse()

	if os.Getenv("GOMAXPROCS") == "" {
		if n, err := strconv.Atoi(os.Getenv("WEFT_MAXPROCS")); err == nil {
			runtime.GOMAXPROCS(n)
		}
	}

	wanted := map[string]bool{}
	for _, name := range strings.Split(*names, ",") {
		wanted[name] = true
	}
	ok, matched := true, false
	for i := range rows {
		r := &rows[i]
		switch {
		case *names != "" && !wanted[r.name]:
		case *list:
			matched = true
			fmt.Println(r.name)
		default:
			matched = true
			ok = r.report(r.run(time.Duration(*minTime*1e9))) && ok
		}
	}
	if !matched {
		fmt.Fprintln(os.Stderr, "no such row")
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}
