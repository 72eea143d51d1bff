#!/usr/bin/env bash
# Run clang-tidy, as .clang-tidy says, over the library's sources.
#
# Usage: scripts/tidy.sh [BUILD] [FILE...]
#   BUILD  a build directory configured with clang (default build/debug)
#   FILE   only these sources (default: all of arch/, alloc/ and runtime/ that the build compiles)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${1-build/debug}
shift $(($# > 0))
[ -e "$build/compile_commands.json" ] || {
    echo "tidy: no $build/compile_commands.json; scripts/test.sh --only debug makes it" >&2
    exit 1
}
files=("$@")
[ $# -gt 0 ] || files=("^$PWD/(arch|alloc|runtime)/.*\\.c\$")

# run-clang-tidy prints a command line a file on stdout; keep the findings.
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
run-clang-tidy-19 -quiet -j "$(nproc)" -p "$build" "${files[@]}" >"$output" 2>&1 || status=1
grep -vE '^clang-tidy-19 |^\[ *[0-9]+/[0-9]+\]|warnings? (generated|treated as errors?)|^$' "$output" || true
exit "$status"
