#!/usr/bin/env bash
# Do weft's operations still take as many instructions as bench/instructions.json says?
#
# Usage: scripts/instructions.sh [--update] BUILD
#   --update  write what was measured to bench/instructions.json
#   BUILD     a release build with weft-bench
#
# Callgrind counts a row twice, for few and for many iterations, on one processor; the difference by the
# additional iterations is an operation's cost, what happens once cancels. Sysmon's thread is left out: it
# works by the clock. The file has a column a compiler; with another one, or without Valgrind, there is
# nothing to compare, and the script says so.
# Exit status: 0 as before within 3 %; 1 a row differs or failed; 2 wrong usage; 77 nothing to compare.
set -euo pipefail

update=no
[ "${1-}" != --update ] || { update=yes && shift; }
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
build=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
recorded=bench/instructions.json

# row | operations an iteration | few | many
rows='
yield           1     2000 12000
spawn_join      1     12000 22000
spawn_many      10000 10   20
threadring_park 1     5030 50300
pingpong_unbuf  1     2000 12000
chan_same_task  1     2000 12000
prodcons_cap100 1     2000 22000
select_default4 1     2000 12000
select2_sync    1     2000 12000
fork_blocking   1     2000 12000
mutex_uncontended 1   2000 12000
rwmutex_rlock   1     2000 12000
once_done       1     2000 12000
ctx_value_10    1     2000 12000
ctx_cancel_1000 1000  10   110
cond_pingpong   1     2000 12000
pool_get_put    1     2000 12000
pipeline_4      1     2000 12000
'

nothing_to_compare() {
    echo "instructions: skipped: $1"
    exit 77
}
command -v valgrind >/dev/null || nothing_to_compare "there is no valgrind"
[ -x "$build/bench/weft-bench" ] || nothing_to_compare "$build has no weft-bench"

# The compiler and the processor, for instance "gcc 12 x86_64".
compiler=$(python3 -c '
import json, shlex, sys
commands = (shlex.split(entry["command"]) for entry in json.load(open(sys.argv[1])) if entry["file"].endswith(".c"))
print(next(word for word in next(commands) if "ccache" not in word))' "$build/compile_commands.json")
case $("$compiler" --version | head -n 1) in
    *clang*) key=clang ;;
    *) key=gcc ;;
esac
key+=" $("$compiler" -dumpversion | cut -d. -f1) $(uname -m)"
if [ "$update" = no ] && ! grep -qF "\"$key\"" "$recorded"; then
    nothing_to_compare "$recorded has no figures for $key"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Instructions of all threads but the first, which is the program's and then sysmon's.
count() {
    local row=$1 iterations=$2 out=$scratch/$1.$2
    WEFT_BENCH_ITERATIONS=$iterations WEFT_MAXPROCS=1 valgrind -q --tool=callgrind --separate-threads=yes \
        --callgrind-out-file="$out" "$build/bench/weft-bench" "--benchmark_filter=^$row\$" >"$out.log" 2>&1 ||
        { cat "$out.log" >&2 && return 1; }
    rm -f "$out-01"
    awk '/^totals:/ {sum += $2} END {printf "%d\n", sum}' "$out"-*
}

measured=
while read -r row ops few many; do
    [ -n "$row" ] || continue
    low=$(count "$row" "$few") && high=$(count "$row" "$many") ||
        { echo "instructions: $row failed" && exit 1; }
    measured+="$row $(((high - low) * 10 / ((many - few) * ops)))"$'\n'
done <<<"$rows"

python3 - "$recorded" "$key" "$update" "$measured" <<'END'
import json
import pathlib
import sys

TOLERANCE = 0.03
LEAST = 1  # instruction: what happens once in a run, and not in each, shows in short rows

path, key, update, text = sys.argv[1:]
path = pathlib.Path(path)
recorded = json.loads(path.read_text()) if path.exists() else {}
measured = {row: int(tenths) / 10 for row, tenths in (line.split() for line in text.splitlines())}
expected = recorded.get(key, {})
failed = update == "no" and expected.keys() != measured.keys()
if failed:
    print("the rows in", path, "are others:", *sorted(expected.keys() ^ measured.keys()))
for row, now in measured.items():
    before = expected.get(row)
    differs = before is not None and abs(now - before) > max(TOLERANCE * before, LEAST)
    failed |= differs and update == "no"
    was = "" if before is None else f"{before:10.1f} recorded"
    print(f"{row:<18}{now:10.1f}{was}{'  DIFFERS' if differs else ''}")
if update == "yes":
    recorded[key] = measured
    path.write_text(json.dumps(recorded, indent=2) + "\n")
elif failed:
    print("instructions: when that is wanted: scripts/instructions.sh --update BUILD")
sys.exit(failed)
END
