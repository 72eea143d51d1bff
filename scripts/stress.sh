#!/usr/bin/env bash
# Run tests for as long as you like, with random delays at the atomics.
#
# Usage: scripts/stress.sh [NAME [SECONDS]]      default: all those that tests/meson.build lists as delayed, 60 s each
#   NAME   a test program (tests/meson.build), as stress-chan, or chan
# Runs it on 1, 2 and 4 Ps and with 2 Ps on one CPU, a quarter of the time each, in the test build (queues of
# 2, magazines of 3, assertions on). Most end before their time is up, and are run again.
# Environment: WEFT_DELAY=N stops a thread for a random while at one in N atomic operations (default 200; 0: never). A
# failure prints the seed, if the test has one: WEFT_TEST_SEED repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${2-60} build=build/stress
export WEFT_DELAY=${WEFT_DELAY-200} WEFT_TEST_TIMEOUT=$((seconds * 4 + 120))
export WEFT_TEST_SECONDS=$(((seconds + 3) / 4))
scripts/setup.sh --for build >&2
[ -e "$build/build.ninja" ] ||
    meson setup "$build" --buildtype=debugoptimized -Dtest_build=true -Dbench=disabled -Dexamples=disabled >&2

# run ON COMMAND...: for a quarter of the time, and once at least.
run() {
    local runs=0 end=$((SECONDS + WEFT_TEST_SECONDS)) status=0
    while [ "$runs" -eq 0 ] || [ "$SECONDS" -lt "$end" ]; do
        "${@:2}" >"$build/$name.log" 2>&1 || status=$?
        runs=$((runs + 1))
        if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then # 77: all skipped
            cat "$build/$name.log"
            echo "FAILED $name, $1: status $status in run $runs"
            exit 1
        fi
    done
    echo "== $name, $1: $runs runs"
}

if [ $# -gt 0 ]; then
    names=$1
else
    names=$(meson introspect --tests "$build" | python3 -c '
import json, sys
names = [test["name"] for test in json.load(sys.stdin)]
print("\n".join(name.removesuffix("-delayed") for name in names if name.endswith("-delayed")))')
fi
for name in $names; do
    program=tests/test-$name
    ninja -C "$build" "$program" >&2
    for procs in 1 2 4; do
        run "$procs Ps" env WEFT_TEST_PROCS=$procs "$build/$program"
    done
    run "2 Ps on one CPU" env WEFT_TEST_PROCS=2 taskset -c 0 "$build/$program"
done
