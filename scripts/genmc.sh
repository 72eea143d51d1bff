#!/usr/bin/env bash
# Check the core algorithms with the model checker GenMC: every execution that C11's memory model (RC11)
# allows the drivers in tests/genmc/, which compile the very files that ship.
#
# Usage: scripts/genmc.sh [--list] [NAME...]
#   NAME    only these drivers (tests/genmc/NAME.c); the default is all of them
#   --list  print the drivers' names, run nothing
#
# Each driver is checked as it is, where no error may be found, and once with each of the bugs that its
# head comment plants, where GenMC must find one. A planted bug is a sed script for one source file:
#   bug: what it is | runtime/sched/deque.h | s/release/relaxed/
# It works on a copy, which comes before the original on the include path. "options:" in the head comment
# are further options for genmc; "edit: FILE | SED" and the file model/edits say what is shown to the
# checker otherwise than it ships, with bugs and without. What GenMC said of a driver that fails is
# printed. docs/verification.md tells what is checked, with which bounds, and how to install GenMC.
#
# Exit status: 0 all as it should be, 1 not so, 2 wrong usage, 77 there is no genmc (PATH, ~/.local/bin).
# Environment: WEFT_GENMC_SECONDS  limit for one check (default 300)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' scripts/genmc.sh
}

limit=${WEFT_GENMC_SECONDS-300}
PATH=$PATH:${HOME-}/.local/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# edit TREE FILE SED: the file, as edited before if it was, changed and put into $work/TREE. False when the
# script changes nothing.
edit() {
    local from=$2
    [ ! -e "$work/edited/$2" ] || from=$work/edited/$2
    mkdir -p "$work/$1/$(dirname "$2")"
    sed -e "$3" "$from" >"$work/changed"
    ! cmp -s "$from" "$work/changed" && mv "$work/changed" "$work/$1/$2"
}

# The sources as the checker is shown them: what tests/genmc/model/edits and the driver change.
make_edited() {
    local file script
    rm -rf "$work/edited"
    while IFS='|' read -r file script; do
        edit edited "${file// /}" "$script" || {
            printf 'FAILED %s: an edit no longer fits %s\n' "$1" "$file"
            return 1
        }
    done < <(grep -v '^#' tests/genmc/model/edits; head_lines "$1" edit)
}

# head_lines NAME KEY: the values of such lines in the driver's head comment.
head_lines() {
    sed -n "s/^ \* $2: //; T; s| *\*/\$||; p" "tests/genmc/$1.c"
}

# check NAME OUTPUT CFLAG...: GenMC's verdict on a driver, in OUTPUT.
check() {
    local name=$1 output=$2 status=0 options
    shift 2
    read -ra options <<<"$(head_lines "$name" options)"
    timeout "$limit" genmc --rc11 -disable-mm-detector -disable-estimation "${options[@]}" -- "$@" \
        -std=gnu17 -ffp-contract=off -D_GNU_SOURCE -I"$work/edited" -I"$work/edited/include" -Itests/genmc/model -I. -Iinclude "tests/genmc/$name.c" >"$output" 2>&1 || status=$?
    # GenMC leaves its intermediate file behind.
    grep -lsF "source_filename = \"tests/genmc/$name.c\"" /tmp/__genmc.ll.* | xargs -r rm -f || true
    return "$status"
}

# An error that is none of the compiler's, the time limit's or GenMC's own.
found() {
    sed -n 's/^Error: \(.*\)!$/\1/p' "$1" | head -n 1
}

# run_driver NAME: 0 when it is as it should be.
run_driver() {
    local name=$1 status=0 start=$SECONDS n=0 what file script output=$work/output
    make_edited "$name" || return 1
    if check "$name" "$output" && grep -q '^No errors were detected' "$output" &&
        grep -q '^Number of complete executions explored: [1-9]' "$output"; then
        printf '%s: no error in %s executions\n' "$name" \
            "$(sed -n 's/^Number of complete executions explored: //p' "$output")"
    else
        tail -n 100 "$output"
        printf 'FAILED %s: not checked without an error\n' "$name"
        status=1
    fi
    while IFS='|' read -r what file script; do
        n=$((n + 1)) what=${what% } file=${file// /} script=${script# }
        rm -rf "$work/planted"
        if ! edit planted "$file" "$script"; then
            printf 'FAILED %s: bug %d (%s) no longer fits %s\n' "$name" "$n" "$what" "$file"
            status=1
        elif check "$name" "$output" "-I$work/planted" "-I$work/planted/include" || [ -z "$(found "$output")" ]; then
            tail -n 20 "$output"
            printf 'FAILED %s: bug %d (%s) was not found\n' "$name" "$n" "$what"
            status=1
        else
            printf '%s: bug %d found (%s): %s\n' "$name" "$n" "$what" "$(found "$output")"
        fi
    done < <(head_lines "$name" bug)
    if [ "$n" -eq 0 ]; then
        printf 'FAILED %s: no bug is planted\n' "$name"
        status=1
    fi
    printf '%s: %d s\n' "$name" $((SECONDS - start))
    return "$status"
}

all=()
for file in tests/genmc/*.c; do
    name=${file##*/}
    all+=("${name%.c}")
done

names=()
while [ $# -gt 0 ]; do
    case $1 in
        --list) printf '%s\n' "${all[@]}" && exit 0 ;;
        -h | --help) usage && exit 0 ;;
        -*) usage >&2 && exit 2 ;;
        *)
            [ -e "tests/genmc/$1.c" ] || { echo "genmc: no tests/genmc/$1.c" >&2 && exit 2; }
            names+=("$1")
            ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

command -v genmc >/dev/null || {
    echo "genmc: not found on PATH or in ~/.local/bin; see docs/verification.md" >&2
    exit 77
}

status=0
for name in "${names[@]}"; do
    run_driver "$name" || status=1
done
exit "$status"
