#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# output.sh PROGRAM LINE... - the program must print exactly these lines and exit 0.
program=$1
shift
got=$("$program") || { echo "$program: exit status $?" >&2; exit 1; }
want=$(printf '%s\n' "$@")
[ "$got" = "$want" ] || { printf 'got:\n%s\nwant:\n%s\n' "$got" "$want" >&2; exit 1; }
