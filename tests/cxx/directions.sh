#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# directions.sh - what a typed channel's direction forbids does not compile, and what it allows does.
#
# Goal: sending on a receive-only channel, closing it, receiving from a send-only one and mixing up element types
# are errors in C and C++. Method: one small program a use, with each compiler at hand; then each typed call makes
# the same code as the untyped one.
# Usage: directions.sh INCLUDE-DIRECTORY
set -euo pipefail
include=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failed=0 tried=0

program() {
    cat <<END
#include <weft/chan.h>
WEFT_CHAN_TYPE(ints, int);
WEFT_CHAN_TYPE(longs, long *);
void use(ints c, ints_rx rx, ints_tx tx, longs other);
void use(ints c, ints_rx rx, ints_tx tx, longs other)
{
    int v = 0;
    (void)c, (void)rx, (void)tx, (void)other, (void)v;
    $1;
}
END
}

# compiles yes|no STATEMENT
compiles() {
    local want=$1 language compiler got
    for compiler in gcc clang-19 clang g++ clang++-19 clang++; do
        command -v $compiler >/dev/null || continue
        language='-x c -std=gnu17'
        [[ $compiler != *++* ]] || language='-x c++ -std=c++17'
        tried=$((tried + 1))
        got=yes
        # shellcheck disable=SC2086 # several words
        program "$2" | $compiler $language -Wall -Wextra -Werror -I"$include" -fsyntax-only - \
            >"$directory/log" 2>&1 || got=no
        [ $got != "$want" ] || continue
        echo "FAILED: $compiler: compiles: $got, not $want: $2"
        [ $got = yes ] || head -5 "$directory/log"
        failed=1
    done
}

for good in 'ints_send(c, 1)' 'ints_send(tx, 1)' 'v = ints_recv(c, &v)' 'v = ints_recv(rx, &v)' \
    'ints_close(c)' 'ints_close(tx)' 'v = ints_try_send(tx, 1)' 'v = ints_try_recv(rx, &v)' \
    'v = (int)ints_len(c) + (int)ints_len(rx) + (int)ints_cap(tx)' 'ints_ref(rx); ints_unref(tx); ints_unref(c)' \
    'rx = ints_to_rx(c); tx = ints_to_tx(c)' '(void)ints_raw(c), (void)ints_raw(rx), (void)ints_raw(tx)'; do
    compiles yes "$good"
done
for bad in 'ints_send(rx, 1)' 'v = ints_recv(tx, &v)' 'ints_close(rx)' 'v = ints_try_send(rx, 1)' \
    'v = ints_try_recv(tx, &v)' 'tx = rx' 'rx = ints_to_rx(tx)' 'ints_send(other, 1)' 'v = longs_recv(c, 0)' \
    'longs_send(c, 0)' 'ints_close(other)' 'c = ints_to_rx(c)'; do
    compiles no "$bad"
done

# code COMPILER TYPE PARAMETERS STATEMENT: the instructions of a function.
code() {
    local language='-x c -std=gnu17'
    [[ $1 != *++* ]] || language='-x c++ -std=c++17'
    # shellcheck disable=SC2086 # several words
    $1 $language -O2 -S -I"$include" - -o - <<END | grep -v '^\s*\.'
#include <weft/chan.h>
WEFT_CHAN_TYPE(ints, int);
$2 use($3);
$2 use($3) { $4; }
END
}

# same TYPE PARAMETERS TYPED UNTYPED: they make the same instructions.
same() {
    local compiler
    for compiler in gcc clang-19 g++ clang++-19; do
        command -v $compiler >/dev/null || continue
        tried=$((tried + 1))
        code $compiler "$1" "$2" "$3" >"$directory/typed.s"
        code $compiler "$1" "$2" "$4" >"$directory/untyped.s"
        if ! [ -s "$directory/typed.s" ] || ! cmp -s "$directory/typed.s" "$directory/untyped.s"; then
            echo "FAILED: $compiler: $3 isn't the same code as $4"
            failed=1
        fi
    done
}

same bool 'ints_rx rx, int *out' 'return ints_recv(rx, out)' 'return weft_chan_recv(rx.raw_, out)'
same int 'ints_rx rx, int *out' 'return ints_try_recv(rx, out)' 'return weft_chan_try_recv(rx.raw_, out)'
same void 'ints_tx tx, int v' 'ints_send(tx, v)' 'weft_chan_send(tx.raw_, &v)'
same int 'ints_tx tx, int v' 'return ints_try_send(tx, v)' 'return weft_chan_try_send(tx.raw_, &v)'
same void 'ints_tx tx' 'ints_close(tx)' 'weft_chan_close(tx.raw_)'
same void 'ints c, int v' 'ints_send(c, v)' 'weft_chan_send(c.raw_, &v)'
same size_t 'ints c' 'return ints_len(c)' 'return weft_chan_len(c.raw_)'
[ $tried -gt 0 ] || exit 77
exit $failed
