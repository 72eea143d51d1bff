#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# topo.sh - what weft-topo prints and draws, and what it refuses.
#
# Goal: text and picture show the layout that the library has; bad arguments end it with a reason.
# Method: described machines, of which the whole output is compared or counted; then each error.
# Usage: topo.sh WEFT-TOPO
set -uo pipefail
topo=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
unset WEFT_TOPOLOGY WEFT_MAXPROCS
failures=0

fail() {
    echo "FAILED: $*" >&2
    sed 's/^/    stderr: /' err >&2
    failures=$((failures + 1))
}

# run STATUS ARGUMENT...
run() {
    local want=$1 code=0
    shift
    "$topo" "$@" >out 2>err || code=$?
    [ $code -eq "$want" ] || fail "weft-topo $*: status $code, not $want"
}

out_is() {
    diff - out >&2 || fail "$*: another output"
    [ ! -s err ] || fail "$*: stderr"
}

err_has() { grep -qF -- "$1" err || fail "no \"$1\" on stderr"; }

# out_counts N PATTERN: so many times
out_counts() {
    local n
    n=$(grep -oE -- "$2" out | wc -l)
    [ "$n" -eq "$1" ] || fail "$n times $2, not $1"
}

# --- text

run 0 --topology 'node:2 l3:1 core:2 pu:2' --procs 6
out_is two nodes <<'TEXT'
Machine: 2 nodes, 4 cores, 8 CPUs; 6 Ps
  NUMANode L#0 (P#0)
    L3 L#0
      Core L#0
        PU L#0 (P#0)        P0
        PU L#1 (P#1)        P4
      Core L#1
        PU L#2 (P#2)        P1
        PU L#3 (P#3)        P5
  NUMANode L#1 (P#1)
    L3 L#1
      Core L#2
        PU L#4 (P#4)        P2
        PU L#5 (P#5)
      Core L#3
        PU L#6 (P#6)        P3
        PU L#7 (P#7)

steals from  SMT sibling  same L3  same node  other nodes  its threads run on CPUs
P0           4            1,5      -          2-3          0-3
P1           5            0,4      -          2-3          0-3
P2           -            3        -          0-1,4-5      4-7
P3           -            2        -          0-1,4-5      4-7
P4           0            1,5      -          2-3          0-3
P5           1            0,4      -          2-3          0-3
TEXT

run 0 --topology 'pu:2' --procs 3
out_is 'no cores, more Ps than CPUs' <<'TEXT'
Machine: 1 node, 2 CPUs; 3 Ps
  NUMANode L#0 (P#0)
    PU L#0 (P#0)            P0 P2
    PU L#1 (P#1)            P1

steals from  SMT sibling  same L3  same node  other nodes  its threads run on CPUs
P0           2            -        1          -            0-1
P1           -            -        0,2        -            0-1
P2           0            -        1          -            0-1
TEXT

# As many Ps as the library chooses; the environment as weft_run takes it.
WEFT_TOPOLOGY='node:2 core:2 pu:1' WEFT_MAXPROCS=3 run 0
out_counts 1 '4 CPUs; 3 Ps$'
WEFT_TOPOLOGY='node:2 core:2 pu:1' WEFT_MAXPROCS=3 run 0 --topology 'core:7 pu:1' --procs 5
out_counts 1 '7 CPUs; 5 Ps$'
WEFT_TOPOLOGY='' WEFT_MAXPROCS='' run 0
out_counts 1 '^Machine: .* Ps?$'
out_counts 1 '^P0  '
run 0 --topology 'node:8 core:64 pu:2' --procs 1024
out_counts 1024 '^P[0-9]+ '
out_counts 1 'PU L#1023 \(P#1023\) +P1023$'

# Another machine's topology from a file, with a CPU that may not be used.
cat >machine.xml <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
<object type="Machine" os_index="0" cpuset="0x7" complete_cpuset="0x7" allowed_cpuset="0x5" nodeset="0x1" complete_nodeset="0x1" allowed_nodeset="0x1">
<object type="NUMANode" os_index="0" cpuset="0x7" complete_cpuset="0x7" nodeset="0x1" complete_nodeset="0x1"/>
<object type="PU" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1"/>
<object type="PU" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x1" complete_nodeset="0x1"/>
<object type="PU" os_index="2" cpuset="0x4" complete_cpuset="0x4" nodeset="0x1" complete_nodeset="0x1"/>
</object>
</topology>
XML
run 0 --topology machine.xml --procs 2
out_counts 1 '2 CPUs'
out_counts 1 'PU L#1 \(P#2\) +P1$'

# --- the picture

run 0 --topology 'node:2 l3:2 core:2 pu:2' --svg picture.svg
[ ! -s out ] || fail 'text beside --svg FILE'
cp picture.svg out 2>/dev/null || fail 'no picture'
python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse("picture.svg")' 2>err || fail 'no XML'
out_counts 16 '<title>PU L#[0-9]+ \(P#[0-9]+\): P[0-9]+</title>'
out_counts 2 'NUMANode L#'
out_counts 4 '>L3 L#'
out_counts 8 '>Core L#'
# P's own place in each row is empty; every other cell has its tier's colour, and each has its legend.
out_counts $((16 * 1 + 1)) 'fill="#08306b"'
out_counts $((16 * 2 + 1)) 'fill="#2e7ebc"'
out_counts $((16 * 4 + 1)) 'fill="#94c4df"'
out_counts $((16 * 8 + 1)) 'fill="#deebf7"'
run 0 --topology 'node:2 core:2 pu:2' --procs 3 --svg -
out_counts 1 '^<svg '
out_counts 1 '^</svg>$'
out_counts 5 ': no P</title>'
run 0 --topology 'node:8 core:64 pu:2' --procs 1024 --svg large.svg
[ "$(wc -c <large.svg)" -lt 4000000 ] || fail 'a picture of 1024 Ps is too large'
run 0 --svg this.svg
grep -q '>This machine: ' this.svg || fail 'a picture of this machine'

# --- help

run 0 --help
out_counts 1 '^usage: weft-topo'
for option in --topology --procs --svg --help --version; do
    grep -q -- "^  $option" out || fail "--help lacks $option"
done
run 0 --version
out_counts 1 '^[0-9]+\.[0-9]+\.[0-9]+$'

# --- errors

for arguments in '--procs' '--procs 0' '--procs -1' '--procs 1025' '--procs 2x' '--procs x' \
    '--procs 99999999999999999999' '--svg' '--topology' '--nonsense' 'stray' '-x'; do
    # shellcheck disable=SC2086
    run 2 $arguments
    err_has 'usage: weft-topo'
    [ ! -s out ] || fail "$arguments: output"
done
run 1 --topology 'node:two'
err_has 'weft-topo: --topology: "node:two" is no hwloc synthetic description'
run 1 --topology ''
err_has 'weft-topo: --topology: "" is no hwloc synthetic description'
run 1 --topology missing.xml
err_has 'weft-topo: --topology: missing.xml: no such file'
echo 'no topology' >bad.xml
run 1 --topology bad.xml
err_has 'weft-topo: --topology: bad.xml is no hwloc XML file'
WEFT_TOPOLOGY=what run 1
err_has 'weft-topo: WEFT_TOPOLOGY: "what" is no hwloc'
WEFT_MAXPROCS=many run 1
err_has 'WEFT_MAXPROCS must be 1 to 1024'
run 1 --svg "$scratch/nowhere/picture.svg"
err_has 'nowhere/picture.svg: No such file or directory'
if [ -c /dev/full ]; then
    run 1 --svg /dev/full
    err_has "/dev/full: can't write"
    "$topo" >/dev/full 2>err && fail '/dev/full as stdout'
    err_has "stdout: can't write"
fi

[ $failures -eq 0 ]
