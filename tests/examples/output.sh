#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# output.sh PROGRAM LINE... - the program must print exactly these lines and exit 0. In a cross build it is run by
# $MESON_EXE_WRAPPER.
program=$1
shift
# shellcheck disable=SC2086 # words
got=$($MESON_EXE_WRAPPER "$program") || { echo "$program: exit status $?" >&2; exit 1; }
want=$(printf '%s\n' "$@")
[ "$got" = "$want" ] || { printf 'got:\n%s\nwant:\n%s\n' "$got" "$want" >&2; exit 1; }
