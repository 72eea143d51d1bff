#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# digest.sh DIGEST - what digest does with odd names, odd files, failures and interrupts.
# digest-tree.sh has the comparison over a large tree.
digest=$(realpath "$1") || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
out=$scratch/out
err=$scratch/err
cd "$scratch" && mkdir t || exit 1
failures=0

fail() {
    echo "FAILED: $*" >&2
    sed 's/^/    stderr: /' "$err" >&2
    failures=$((failures + 1))
}

# run STATUS ARGUMENT...: run digest, expect that status.
run() {
    want_status=$1
    shift
    "$digest" "$@" >"$out" 2>"$err"
    code=$?
    [ $code -eq "$want_status" ] || fail "digest $*: status $code, not $want_status"
}

# same WHAT PATH...: the latest output is what find and sha256sum make of the paths.
same() {
    what=$1
    shift
    find "$@" -type f -print0 2>/dev/null | LC_ALL=C sort -z |
        xargs -0 -r sha256sum -- >"$scratch/want" 2>/dev/null
    cmp "$scratch/want" "$out" >&2 || fail "$what: not sha256sum's output"
}

stderr_has() {
    grep -qF -- "$1" "$err" || fail "no \"$1\" on stderr"
}

stderr_empty() {
    [ ! -s "$err" ] || fail "unexpected stderr"
}

# --- names and kinds of file

cd t || exit 1
printf 'x' >'with space'
printf 'x' >"$(printf 'new\nline')"
printf 'x' >"$(printf 'carriage\rreturn')"
printf 'x' >'back\slash'
printf 'x' >-leading-dash
printf 'x' >"$(printf 'latin\351')"
printf 'x' >a-b
mkdir a
printf 'x' >a/b # sorts after a-b: '-' < '/'
: >empty
mkdir void "$(printf 'odd\\\ndirectory')"
printf 'x' >"$(printf 'odd\\\ndirectory')/file"
ln -s empty link-to-file
ln -s a link-to-directory
ln -s nowhere link-to-nothing
mkfifo pipe # opening it would hang
# Around the buffer's size of 256 KiB, where the last read is empty, full or short.
for size in 1 262143 262144 262145 1000000; do
    head -c $size /dev/urandom >"size-$size"
done
cd ..

for paths in t t/ t// ./t t/empty t/link-to-file t/link-to-directory t/link-to-directory/ \
    t/link-to-nothing t/pipe t/void 't t/a t' 't/size-1 t/a'; do
    # shellcheck disable=SC2086 # several paths where there is a space
    run 0 $paths
    stderr_empty
    # shellcheck disable=SC2086
    same "$paths" $paths
done
run 0 -- "$scratch/t/with space" "$scratch/t/a"
same 'absolute paths' "$scratch/t/with space" "$scratch/t/a"
(cd t && "$digest" -- -leading-dash >"$out" 2>"$err" && sha256sum -- -leading-dash | cmp - "$out") ||
    fail 'leading dash'

# A path longer than PATH_MAX: 6 times 300 levels of 11 bytes, each moved to the bottom of the next.
chain=$(printf 'd%.0s123456789/' $(seq 300))
mkdir deep
printf 'deep' >deep/file
for _ in 1 2 3 4 5 6; do
    mkdir -p "next/$chain" && mv deep "next/$chain" && mv next deep || fail 'cannot make a deep tree'
done
run 0 deep
stderr_empty
{ printf 'deep' | sha256sum | cut -c 1-66 | tr -d '\n'; find deep -type f; } | cmp - "$out" ||
    fail 'deep tree'

mkdir wide
(cd wide && seq 5000 | xargs mkdir && seq 5001 20000 | xargs touch)
run 0 -j 3 wide
stderr_empty
same 'wide directory' wide

# Few descriptors, many desks: EMFILE must not happen. Several buffers long, so that files are open
# together.
mkdir many
(cd many && seq 100 | xargs truncate -s 2M)
for descriptors in 20 64; do
    (ulimit -n $descriptors && exec "$digest" -j 1000 many >"$out" 2>"$err") ||
        fail "$descriptors descriptors"
    stderr_empty
    same "$descriptors descriptors" many
done

# --- failures: a message, status 1, the rest still done

run 1 t/missing t/a t/empty/
stderr_has 'digest: t/missing: No such file or directory'
stderr_has 'digest: t/empty/: Not a directory'
same 'beside a missing path' t/a

# Nothing is mapped at address 0, so this read fails for root, too.
run 1 t/a /proc/self/mem
stderr_has 'digest: /proc/self/mem: Input/output error'
same 'beside an unreadable file' t/a

mkdir -m 755 shut
printf 'x' >shut/readable
printf 'x' >shut/unreadable
mkdir shut/directory
printf 'x' >shut/directory/hidden
chmod 0 shut/unreadable shut/directory
chmod 755 "$scratch"
as_other=
if [ "$(id -u)" -eq 0 ]; then
    as_other='setpriv --reuid=65534 --regid=65534 --clear-groups'
fi
# As another user the program itself may be out of reach: then there is nothing to test.
if $as_other test -x "$digest" 2>/dev/null; then
    $as_other "$digest" shut >"$out" 2>"$err"
    code=$?
    [ $code -eq 1 ] || fail "shut: status $code, not 1"
    stderr_has 'digest: shut/unreadable: Permission denied'
    stderr_has 'digest: shut/directory: Permission denied'
    sha256sum shut/readable | cmp - "$out" || fail 'shut: output'
fi
chmod 755 shut/directory

if [ -c /dev/full ]; then
    for paths in t/a wide; do # noticed at the end, and on the way
        "$digest" $paths >/dev/full 2>"$err"
        code=$?
        [ $code -eq 1 ] || fail "/dev/full: status $code, not 1"
        stderr_has 'digest: stdout: No space left on device'
    done
fi

# --- usage

for arguments in '' '-j' '-j 0 t' '-j -1 t' '-j 4x t' '-j x t' '-j 99999999999 t' '-x t' '--no t'; do
    # shellcheck disable=SC2086
    run 2 $arguments
    stderr_has 'usage: digest'
    [ ! -s "$out" ] || fail "digest $arguments: output"
done
run 0 --help
grep -q 'usage: digest' "$out" || fail 'no help'

# --- interrupt: while it hashes a file that would take a minute

mkdir long
printf 'x' >long/small
truncate -s 64G long/huge || exit 77
# A shell without job control starts background commands with SIGINT ignored; env puts it back.
env --default-signal=INT "$digest" -j 2 long t >"$out" 2>"$err" &
pid=$!
until find "/proc/$pid/fd" -lname '*/long/huge' 2>/dev/null | grep -q .; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.02
done
kill -INT $pid
wait $pid
code=$?
[ $code -eq 130 ] || fail "interrupt: status $code, not 130"
stderr_empty
# What it printed are whole lines of the full answer, in order.
find long/small t -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -- >"$scratch/want"
LC_ALL=C diff "$scratch/want" "$out" | grep '^>' && fail 'interrupt: a line that is not complete'

[ $failures -eq 0 ] && exit 0
echo "$failures failures" >&2
exit 1
