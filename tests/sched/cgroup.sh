#!/usr/bin/env bash
# Run programs in a cgroup with half a CPU.
#
# Usage: cgroup.sh PROGRAM...
# Exit status: 0 all passed, 1 one failed, 77 no cgroup can be made here (needs root, and the cpu
# controller of version 2 or 1).
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: cgroup.sh PROGRAM..." >&2 && exit 2; }
root=/sys/fs/cgroup
name=weft-test-$$

if grep -qw cpu "$root/cgroup.subtree_control" 2>/dev/null; then
    group=$root/$name
    limit() { echo '50000 100000' >"$group/cpu.max"; }
elif [ -e "$root/cpu/cgroup.procs" ]; then
    group=$root/cpu/$name
    limit() { echo 100000 >"$group/cpu.cfs_period_us" && echo 50000 >"$group/cpu.cfs_quota_us"; }
else
    echo "no cpu controller"
    exit 77
fi
mkdir "$group" 2>/dev/null || { echo "can't make $group" && exit 77; }
trap 'rmdir "$group"' EXIT
limit 2>/dev/null || { echo "can't set a limit" && exit 77; }

status=0
for program in "$@"; do
    (echo "$BASHPID" >"$group/cgroup.procs" && exec "$program") || status=1
done
exit "$status"
