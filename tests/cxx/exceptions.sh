#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# exceptions.sh - exceptions.cc by each C++ compiler and run-time library at hand, and what it says when it must die.
#
# Usage: exceptions.sh INCLUDE-DIRECTORY LIBRARY SOURCE-DIRECTORY
set -euo pipefail
include=$1 library=$2 source=$3
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failed=0 tried=0

fail() {
    echo "FAILED: $*"
    [ ! -s "$directory/err" ] || cat "$directory/err"
    failed=1
}

# dies HOW STATUS BEGIN-OF-STDERR STDOUT
dies() {
    local status=0
    timeout 60 "$directory/program" "$1" >"$directory/out" 2>"$directory/err" || status=$?
    [ $status -eq "$2" ] || fail "$1: status $status"
    [[ $(cat "$directory/err") == "$3"* ]] || fail "$1: stderr doesn't begin with $3"
    [ "$(cat "$directory/out")" = "$4" ] || fail "$1: stdout is $(cat "$directory/out")"
}

one() {
    local status=0
    if ! "$@" -std=c++17 -Wall -Wextra -pthread -I"$include" "$source/exceptions.cc" -o "$directory/program" \
        "$library" -Wl,-rpath,"$(dirname "$library")" 2>"$directory/err"; then
        fail "$*: doesn't compile"
        return
    fi
    tried=$((tried + 1))
    for procs in 1 2 4; do
        status=0
        WEFT_MAXPROCS=$procs timeout 100 "$directory/program" 2>"$directory/err" || status=$?
        [ $status -eq 0 ] || fail "$* on $procs: status $status"
    done
    dies goroutine 2 $'panic: number 42\n\ngoroutine ' ''
    dies main 2 $'panic: in main\n\ngoroutine 1 [running]:' deferred
    dies type 2 $'panic: exception of type (anonymous namespace)::named\n\ngoroutine 1 ' ''
    dies noexcept 134 'terminate called after throwing' ''
}

for level in -O0 -O2; do
    for cxx in g++ clang++-19 clang++; do
        command -v $cxx >/dev/null || continue
        one $cxx $level
    done
done
[ $tried -gt 0 ] || exit 77
exit $failed
