#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gdb.sh - what gdb shows of goroutines, in a release build too.
#
# Goal: `bt` in a running goroutine ends at its entry; scripts/weft-gdb.py lists all goroutines with their
# states and shows the frames of each, in a process and in a core file.
# Method: gdb in batch mode on a program that has one goroutine in each state, stopped at a breakpoint and
# crashed. (A core only where the kernel writes it to the current folder.)
# Usage: gdb.sh PROGRAM SCRIPT
set -euo pipefail
program=$(realpath "$1") script=$(realpath "$2")
command -v gdb >/dev/null || { echo "no gdb"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

run_gdb() {
    timeout 120 gdb -q -nx -batch -iex 'set auto-load no' -iex 'set debuginfod enabled off' \
        -x "$script" "$@" </dev/null 2>&1
}

# expect COMMAND FILE PATTERN...: what gdb printed at a command. Lines are joined by "~".
status=0
expect() {
    local command=$1 file=$2 pattern
    shift 2
    for pattern in "$@"; do
        if ! sed -n "/^== $command\$/,/^== /p" "$file" | tr '\n' '~' | grep -qE -- "$pattern"; then
            echo "FAILED: no \"$pattern\" at \"$command\" in the $file"
            status=1
        fi
    done
}

look=()
for command in 'info goroutines' 'bt' 'goroutine 1 bt' 'goroutine 2 bt' 'goroutine 3 bt' 'goroutine 4 bt' \
    'goroutine 5 bt' 'goroutine 13 bt' 'goroutine 2 frame' 'bt 1' 'goroutine all bt' 'goroutine 99 bt' 'goroutine'; do
    look+=(-ex "echo == $command\\n" -ex "$command")
done

run_gdb -ex 'break all_are_there' -ex 'run' "${look[@]}" -ex 'continue' --args "$program" >process || true
if grep -q 'ptrace: Operation not permitted' process; then
    echo "no ptrace(2) here"
    exit 77
fi
# Looking has changed nothing: the process goes on and ends as it should.
grep -q '^0 0$' process || { echo "FAILED: the process did not end well"; status=1; }

seen=(process)
if grep -qE '^core[^/]*$' /proc/sys/kernel/core_pattern && [ "$(ulimit -H -c)" = unlimited ]; then
    (ulimit -c unlimited && "$program" crash >/dev/null 2>&1) || true
    run_gdb "${look[@]}" "$program" core* >core-file || true
    seen+=(core-file)
else
    echo "no core files here"
fi

entry='sched_goroutine_entry[^~]*~#[0-9]+ +0x[0-9a-f]+ in arch_entry[^~]*~[^#]'
for file in "${seen[@]}"; do
    expect 'info goroutines' "$file" \
        '1 +running \(thread [0-9]+\) +0x[0-9a-f]+ [a-z_]+' \
        '2 +waiter +sync.WaitGroup.Wait +0x[0-9a-f]+ [a-z_]+' \
        '3 +sleeper +sleep +0x[0-9a-f]+ [a-z_]+' \
        '4 +blocker +blocking \(thread [0-9]+\) +0x[0-9a-f]+ ' \
        '5 +yielder +runnable +0x[0-9a-f]+ [a-z_]+' \
        '6 +locker +sync.Mutex.Lock +0x' \
        '7 +reader +sync.RWMutex.RLock +0x' \
        '8 +writer +sync.RWMutex.Lock +0x' \
        '9 +writer 2 +sync.Mutex.Lock +0x' \
        '10 +listener +sync.Cond.Wait +0x' \
        '11 +acquirer +semacquire +0x' \
        '12 +oncer +sync.Mutex.Lock +0x' \
        '13 +newcomer +runnable +not started: 0x[0-9a-f]+ unstarted_goroutine'
    for command in 'bt' 'goroutine 1 bt'; do
        expect "$command" "$file" "#[0-9]+ [^~]*all_are_there[^~]*~#[0-9]+ [^~]* start_all[^~]*~#[0-9]+ [^~]*$entry"
    done
    expect 'goroutine 2 bt' "$file" \
        "~#0 .*(wait_inner[^~]*~#[^~]*){4}waiting_goroutine[^~]*~#[0-9]+ [^~]*$entry"
    expect 'goroutine 3 bt' "$file" "~#0 .*(weft_sleep|sleep_until).*sleeping_goroutine[^~]*~#[0-9]+ [^~]*$entry"
    # Where the goroutine's stack lies below the thread's, gdb goes no further than the change of stacks.
    expect 'goroutine 4 bt' "$file" "read_pipe[^~]*~#[0-9]+ [^~]*arch_call_on[^~]*~(Backtrace stopped: previous frame inner|(#[^~]*~)*#[0-9]+ [^~]*weft_blocking.*blocking_goroutine[^~]*~#[0-9]+ [^~]*$entry)"
    expect 'goroutine 5 bt' "$file" "~#0 .*weft_yield.*yielding_goroutine[^~]*~#[0-9]+ [^~]*$entry"
    expect 'goroutine 13 bt' "$file" 'not started: 0x[0-9a-f]+ unstarted_goroutine'
    expect 'goroutine 2 frame' "$file" '~#1 +0x'
    expect 'bt 1' "$file" '~#0 '
    expect 'goroutine all bt' "$file" 'goroutine 2 \(waiter\) \[sync.WaitGroup.Wait\]:~#0' \
        "yielding_goroutine[^~]*~#[0-9]+ [^~]*$entry"
    expect 'goroutine 99 bt' "$file" 'no goroutine 99'
    expect 'goroutine' "$file" 'usage: goroutine'
done
[ $status -eq 0 ] || tail -n 200 "${seen[@]}"
exit $status
