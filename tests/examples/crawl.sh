#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# crawl.sh CRAWL TREE... - the words of each TREE that is there are what coreutils count; odd files, failures, signs of life, memory,
# and an interrupt.
crawl=$(realpath "$1") || exit 1
shift
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
out=$scratch/out
err=$scratch/err
want=$scratch/want
export LC_ALL=C
failures=0

fail() {
    echo "FAILED: $*" >&2
    sed 's/^/    stderr: /' "$err" >&2
    failures=$((failures + 1))
}

# run STATUS ARGUMENT...: run crawl, expect that status.
run() {
    want_status=$1
    shift
    "$crawl" "$@" >"$out" 2>"$err"
    code=$?
    [ $code -eq "$want_status" ] || fail "crawl $*: status $code, not $want_status"
}

# count PATH...: what coreutils make of it, in $want.
count() {
    find "$@" -type f -exec sh -c 'for f; do tr -cs A-Za-z0-9_ "\n" <"$f"; echo; done' sh {} + |
        grep . | sort | uniq -c >"$want"
}

same() {
    cmp "$want" "$out" >&2 || fail "$1: other words than coreutils count"
}

for tree; do
    [ -d "$tree" ] || continue
    count "$tree"
    for maxprocs in 1 2 4; do
        for readers in 1 7 64; do
            export WEFT_MAXPROCS=$maxprocs
            run 0 -j $readers "$tree"
            same "WEFT_MAXPROCS=$maxprocs -j $readers $tree"
        done
    done
    unset WEFT_MAXPROCS
done

# --- words of all lengths, also across blocks of 64 KiB
mkdir "$scratch/t" "$scratch/t/d" && cd "$scratch/t" || exit 1
: >empty
printf 'one two\none' >d/no-line-end
printf '\000\377a\000b_1;C' >binary
head -c 65535 /dev/zero | tr '\000' x >long
printf 'y z' >>long
head -c 400000 /dev/zero | tr '\000' q >longer
ln -s long link
ln -s . loop
mkfifo fifo
count .
run 0 .
same "odd files"
run 0 . d # twice is twice
[ "$(grep -c . "$out")" = "$(grep -c . "$want")" ] || fail "a path given twice"
grep -q '^      4 one$' "$out" || fail "a path below another"
for watch in -w --watch; do
    run 0 $watch .
    grep -q 'crawl: beat' "$err" || fail "$watch shows no beat"
    same "watched"
done

# --- failures
run 1 empty missing d
grep -q 'crawl: missing: No such file' "$err" || fail "a missing path isn't told"
grep -q ' two$' "$out" || fail "the rest isn't done"
run 2
run 2 -j 0 .
run 2 -j x .
run 0 --help
if [ -w /dev/full ]; then
    "$crawl" . >/dev/full 2>"$err" && fail "a full disk isn't told"
    grep -q 'stdout' "$err" || fail "a full disk isn't named"
fi

# --- 512 files of 250 KB: what is in memory doesn't grow with them, and what is shown of them is no more than ten lines a second
mkdir few many
yes 'some words of a text' | head -c 250000 >few/1
for i in $(seq 512); do ln few/1 "many/$i"; done
# peak_kib PATH: the most that crawl has in memory.
peak_kib() {
    ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1" python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$crawl" -j 4 "$1"
}
few_kib=$(peak_kib few)
many_kib=$(peak_kib many)
# their blocks alone are 32 MiB; ASan keeps books on 512 files, which are some
[ "$many_kib" -lt $((few_kib + 16384)) ] || fail "512 files take $many_kib KiB, one takes $few_kib"

# shown WHAT FILE: as many as the limit allows since $begin.
shown() {
    n=$(tr '\r' '\n' <"$2" | grep -c "$1")
    most=$(($(date +%s) - begin + 1)) # seconds, rounded up
    [ "$n" -ge 1 ] || fail "no $1 is shown"
    [ "$n" -le $((10 * most + 1)) ] || fail "$1: shown $n times in $most s"
}
begin=$(date +%s)
run 0 --watch many
shown 'crawl: beat' "$err"
if command -v script >/dev/null; then
    begin=$(date +%s)
    script -qec "'$crawl' many" "$err" </dev/null >/dev/null || fail "status $? on a terminal"
    shown ' files, .* bytes' "$err"
fi

# --- an interrupt: zeros without end to read
truncate -s 1T zeros
timeout --preserve-status -s INT 0.5 "$crawl" zeros >"$out" 2>"$err"
code=$?
[ $code -eq 130 ] || fail "interrupted: status $code, not 130"
[ ! -s "$out" ] || fail "interrupted: there is output"

[ $failures -eq 0 ] || exit 1
