#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# readme.sh - the example in README.md compiles and runs as it stands there.
#
# Goal: what a newcomer copies works. Method: take the first ```c block, compile it with warnings as
# errors against the library as built, run it.
# Usage: readme.sh README.md INCLUDE-DIRECTORY LIBRARY
set -euo pipefail
readme=$1 include=$2 library=$3
[ -f "$readme" ] || { echo "no README.md"; exit 77; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
awk '/^```c$/ && !seen {inside = 1; seen = 1; next} /^```/ {inside = 0} inside' "$readme" >"$directory/example.c"
[ -s "$directory/example.c" ] || { echo "FAILED: README.md has no \`\`\`c block"; exit 1; }
gcc -std=gnu17 -Wall -Wextra -Werror -pthread -I"$include" "$directory/example.c" -o "$directory/example" \
    "$library" -Wl,-rpath,"$(dirname "$library")"
greeted=$(timeout 60 "$directory/example" | sort)
[ "$greeted" = "$(printf 'hello, %s\n' shuttle warp weft)" ] || { echo "FAILED: it prints: $greeted"; exit 1; }
