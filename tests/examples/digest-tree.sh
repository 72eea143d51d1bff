#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# digest-tree.sh DIGEST DIRECTORY - the same output as sha256sum over a real tree, whatever the
# number of desks and processors.
digest=$1
tree=$2
[ -d "$tree" ] || { echo "no $tree" >&2; exit 77; }

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
find "$tree" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -- >"$scratch/want" || exit 77
[ -s "$scratch/want" ] || exit 77

status=0
for maxprocs in 1 2 4; do
    for desks in 1 7 64; do
        WEFT_MAXPROCS=$maxprocs "$digest" -j "$desks" "$tree" >"$scratch/got"
        code=$?
        if [ $code -ne 0 ] || ! cmp "$scratch/want" "$scratch/got"; then
            echo "FAILED: WEFT_MAXPROCS=$maxprocs -j $desks: exit status $code" >&2
            status=1
        fi
    done
done
exit $status
