#!/usr/bin/env bash
# Run a test for as long as you like, with random delays at the atomics.
#
# Usage: scripts/stress.sh [NAME [SECONDS]]      default: all of tests/stress/, 60 s each
#   NAME   one of tests/stress/ (gates, tree, ...), or any other of tests/meson.build (stage-stops, wards, chan-linear, ...), which
#          is begun again until its time is over, if it doesn't take WEFT_TEST_SECONDS
# Runs it on 1, 2 and 4 Ps and with 2 Ps on one CPU, a quarter of the time each, in the test build (queues of
# 2, magazines of 3, assertions on). Environment: WEFT_DELAY=N stops a thread for a random while at one
# in N atomic operations (default 200; 0: never). A failure prints the seed: WEFT_TEST_SEED repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${2-60}
names=${1-gates tree mixed chan timers ctx}
export WEFT_DELAY=${WEFT_DELAY-200} WEFT_TEST_TIMEOUT=$((seconds * 4 + 120))
export WEFT_TEST_SECONDS=$(((seconds + 3) / 4))
scripts/setup.sh --for build >&2
[ -e build/stress/build.ninja ] ||
    meson setup build/stress --buildtype=debugoptimized -Dtest_build=true -Dbench=disabled -Dexamples=disabled >&2

go_on() {
    local end=$((SECONDS + WEFT_TEST_SECONDS))
    "$@"
    while ((SECONDS < end)); do
        "$@"
    done
}

for name in $names; do
    program=test-$name
    [ ! -e "tests/stress/$name.c" ] || program=test-stress-$name
    ninja -C build/stress "tests/$program" >&2
    for procs in 1 2 4; do
        echo "== $name, $procs Ps, $WEFT_TEST_SECONDS s"
        WEFT_TEST_PROCS=$procs go_on "build/stress/tests/$program"
    done
    echo "== $name, 2 Ps on one CPU, $WEFT_TEST_SECONDS s"
    WEFT_TEST_PROCS=2 go_on taskset -c 0 "build/stress/tests/$program"
done
