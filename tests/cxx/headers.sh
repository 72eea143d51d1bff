#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# headers.sh - every header compiles alone, twice, as C17 and C++17, by each compiler at hand.
#
# Goal: a user may include any one header, in either language, with warnings as errors.
# Method: one-line programs; one of assembly in the other dialect of x86; then macros.cc, which uses every macro, linked and run.
# Usage: headers.sh INCLUDE-DIRECTORY LIBRARY SOURCE-DIRECTORY [no-run]
set -euo pipefail
include=$1 library=$2 source=$3 run=${4-run}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failed=0 tried=0

try() {
    tried=$((tried + 1))
    if ! "$@" >"$directory/log" 2>&1; then
        echo "FAILED: $*"
        cat "$directory/log"
        failed=1
    fi
}

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Werror -pthread -I"$include")
for header in "$include"/weft/*.h; do
    name=weft/$(basename "$header")
    printf '#include <%s>\n#include <%s>\n' "$name" "$name" >"$directory/one.c"
    cp "$directory/one.c" "$directory/one.cc"
    for cc in gcc clang-19 clang; do
        command -v $cc >/dev/null || continue
        try $cc -std=gnu17 "${warnings[@]}" -Wstrict-prototypes -fsyntax-only "$directory/one.c"
    done
    for cxx in g++ clang++-19 clang++; do
        command -v $cxx >/dev/null || continue
        try $cxx -std=c++17 "${warnings[@]}" -fsyntax-only "$directory/one.cc"
        try $cxx -std=gnu++20 "${warnings[@]}" -fsyntax-only "$directory/one.cc"
    done
done
printf '#include <weft/weft.h>\nvoid lock(weft_rwmutex *rw);\nvoid lock(weft_rwmutex *rw) { weft_rwmutex_rlock(rw); }\n' \
    >"$directory/dialect.c"
for cc in gcc clang-19 clang; do # where the inline functions' assembly is written otherwise
    [ "$(uname -m)" = x86_64 ] && [ "$run" != no-run ] && command -v $cc >/dev/null || continue
    try $cc -std=gnu17 "${warnings[@]}" -O2 -masm=intel -c "$directory/dialect.c" -o /dev/null
done
for cxx in g++ clang++-19 clang++; do
    command -v $cxx >/dev/null || continue
    for level in -O0 -O2; do
        if [ "$run" = no-run ]; then
            try $cxx -std=c++17 "${warnings[@]}" $level -fsyntax-only "$source/macros.cc"
            continue
        fi
        try $cxx -std=c++17 "${warnings[@]}" $level "$source/macros.cc" -o "$directory/macros" \
            "$library" -Wl,-rpath,"$(dirname "$library")"
        [ ! -x "$directory/macros" ] || try timeout 60 "$directory/macros"
        rm -f "$directory/macros"
    done
done
[ $tried -gt 0 ] || exit 77
exit $failed
