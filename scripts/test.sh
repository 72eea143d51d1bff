#!/usr/bin/env bash
# Build and test weft in every configuration, and run the static checks and the model checker.
#
# Usage: scripts/test.sh [--quick] [-k PATTERN] [--only NAME[,NAME]] [--list]
#   --quick       the inner loop, under a minute: release build, suite "quick", the cheap checks
#   -k PATTERN    only the tests and checks whose name contains PATTERN (a shell pattern)
#   --only NAMES  only these configurations (and no static checks, no model checker)
#   --list        print the configurations, checks and the model checker's drivers, run nothing
#
# Ends with a line "N passed, N failed", counted over all configurations; a build that fails counts
# as one failed test. Exit status: 0 all passed, 1 something failed, 2 wrong usage.
#
# Build directories are build/NAME; a failed test can be run again there by hand, for instance
#   meson test -C build/tsan NAME --print-errorlogs
# Environment: WEFT_TEST_SECONDS  how long a stress test runs (default 1)
#              WEFT_NO_SETUP=1    install nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# name | compiler | suite (- is all) | timeout factor | meson options
configurations='
release  | gcc   | -        | 1  | -Dbuildtype=release -Dwerror=true
debug    | clang | -        | 2  | -Dbuildtype=debugoptimized -Dtest_build=true
asan     | clang | -        | 4  | -Dbuildtype=debugoptimized -Dtest_build=true -Dbench=disabled -Db_sanitize=address,undefined -Db_lundef=false
tsan     | clang | tsan     | 8  | -Dbuildtype=debugoptimized -Dtest_build=true -Dbench=disabled -Db_sanitize=thread -Db_lundef=false
valgrind | gcc   | valgrind | 20 | -Dbuildtype=debugoptimized -Dtest_build=true -Dbench=disabled -Dvalgrind=true
lto      | gcc   | quick    | 1  | -Dbuildtype=release -Dwerror=true -Db_lto=true
aarch64  | cross | emulated | 4  | -Dbuildtype=release -Dwerror=true -Dbench=disabled
'

# name | when | command
checks='
includes | always | scripts/check-includes.py
tags     | always | scripts/check-tags.py
exports  | always | scripts/check-exports.sh build/release/libweft.so
conformance | always | scripts/conformance.py --check
format   | full   | scripts/format.sh --check
tidy     | full   | scripts/tidy.sh build/debug
instructions | full | scripts/instructions.sh build/release
'

valgrind="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --fair-sched=try --child-silent-after-fork=yes --num-callers=30 --suppressions=$PWD/scripts/valgrind.supp"

export WEFT_TEST_SECONDS=${WEFT_TEST_SECONDS-1}
# UBSan only prints unless told to stop.
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/scripts/tsan.supp
[ -e scripts/tsan.supp ] || TSAN_OPTIONS=${TSAN_OPTIONS%:suppressions=*}
symbolizer=/usr/lib/llvm-19/bin/llvm-symbolizer
export ASAN_SYMBOLIZER_PATH=$symbolizer TSAN_SYMBOLIZER_PATH=$symbolizer UBSAN_SYMBOLIZER_PATH=$symbolizer

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' scripts/test.sh
}

# The fields of one table line, blanks trimmed, into the array "fields".
split() {
    local IFS='|' i
    read -ra fields <<<"$1"
    for i in "${!fields[@]}"; do
        fields[i]=${fields[i]#"${fields[i]%%[! ]*}"}
        fields[i]=${fields[i]%"${fields[i]##*[! ]}"}
    done
}

# What went wrong is told at the end, where it is found.
passed=0 failed=0 skipped=0
failures=() details=()
add_failure() {
    failed=$((failed + 1))
    failures+=("$1")
    details+=("$2")
    echo "FAILED $1"
}

# configure_and_build NAME COMPILER OPTION...
# A directory whose options have changed, or whose setup failed, is made anew. Compiler "cross": NAME is the
# processor, whose programs qemu runs.
configure_and_build() {
    local name=$1 compiler=$2 dir=build/$1 cc=gcc cxx=g++
    shift 2
    case $compiler in
        clang) cc=clang-19 cxx=clang++-19 ;;
        cross)
            scripts/sysroot.sh arm64 build/sysroot-arm64 >"build/$name.log" 2>&1 || return 1
            set -- --cross-file build/sysroot-arm64.ini --cross-file "scripts/cross/$name.ini" "$@"
            ;;
    esac
    if [ "$(cat "$dir/configured" 2>/dev/null)" != "$cc $*" ]; then
        rm -rf "$dir"
        CC=$cc CXX=$cxx meson setup "$dir" "$@" >"build/$name.log" 2>&1 || return 1
        echo "$cc $*" >"$dir/configured"
    fi
    ninja -C "$dir" >"build/$name.log" 2>&1
}

# The names of the tests that match the pattern, one a line.
matching_tests() {
    meson introspect --tests "$1" | python3 -c '
import fnmatch, json, sys
names = {test["name"] for test in json.load(sys.stdin)}
print("\n".join(sorted(n for n in names if fnmatch.fnmatch(n, "*" + sys.argv[1] + "*"))))' "$pattern"
}

# run_configuration NAME COMPILER SUITE TIMEOUT-FACTOR OPTION...
run_configuration() {
    local name=$1 suite=$3 dir=build/$1 start=$SECONDS log counts p f s
    local args=(--no-rebuild --timeout-multiplier "$4") names test
    printf '== %s: build\n' "$name"
    if ! configure_and_build "$name" "$2" "${@:5}"; then
        add_failure "$name: build" "$(tail -n 60 "build/$name.log")"
        return
    fi

    [ "$suite" = - ] || args+=(--suite "$suite")
    [ "$name" != valgrind ] || args+=(--wrapper "$valgrind")
    case $name in valgrind | aarch64) export WEFT_TEST_QUICK=1 ;; esac
    if [ -n "$pattern" ]; then
        mapfile -t names < <(matching_tests "$dir")
        [ -n "${names[*]}" ] || return 0
        args+=("${names[@]}")
    fi

    printf '== %s: test\n' "$name"
    log=$dir/meson-logs/testlog.json
    [ "$name" != valgrind ] || log=$dir/meson-logs/testlog-valgrind.json
    rm -f "$log"
    meson test -C "$dir" "${args[@]}" >"build/$name.log" 2>&1 || true
    unset WEFT_TEST_QUICK
    if [ ! -s "$log" ]; then
        # Nothing ran: fine if nothing was to run, as when a pattern matches outside the suite.
        grep -q 'No suitable tests defined' "build/$name.log" && return
        add_failure "$name: meson test" "$(tail -n 20 "build/$name.log")"
        return
    fi
    rm -rf "$dir/failed" && mkdir "$dir/failed"
    counts=$(scripts/test-results.py "$name" "$log" "$dir/failed")
    read -r p f s <<<"${counts##*$'\n'}"
    [ "$counts" = "${counts##*$'\n'}" ] || printf '%s\n' "${counts%$'\n'*}"
    for test in "$dir"/failed/*; do
        [ ! -e "$test" ] || add_failure "$name: ${test##*/}" "$(cat "$test")"
    done
    passed=$((passed + p)) skipped=$((skipped + s))
    printf '== %s: %d passed, %d failed, %d skipped (%d s)\n' \
        "$name" "$p" "$f" "$s" $((SECONDS - start))
}

# run_check NAME COMMAND...
run_check() {
    local name=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        echo "== check $name: passed"
    elif [ "$status" -eq 77 ]; then
        skipped=$((skipped + 1))
        echo "== check $name: $output"
    else
        add_failure "check $name" "$(tail -n 100 <<<"$output")"
    fi
}

# Each driver of the model checker counts as a test; all are skipped where there is no genmc.
run_genmc() {
    local name output status
    for name in $(scripts/genmc.sh --list); do
        # shellcheck disable=SC2053 # the right-hand side is a pattern
        [ -z "$pattern" ] || [[ "genmc $name" == *$pattern* ]] || continue
        status=0
        output=$(scripts/genmc.sh "$name" 2>&1) || status=$?
        case $status in
            0)
                passed=$((passed + 1))
                echo "== genmc $name: passed"
                ;;
            77)
                skipped=$((skipped + 1))
                echo "== genmc $name: skipped ($output)"
                ;;
            *)
                add_failure "genmc $name" "$(tail -n 100 <<<"$output")"
                ;;
        esac
    done
}

quick=no pattern='' only=''
while [ $# -gt 0 ]; do
    case $1 in
        --quick) quick=yes ;;
        -k | --only)
            [ $# -ge 2 ] || { usage >&2 && exit 2; }
            [ "$1" = -k ] && pattern=$2 || only=,$2,
            shift
            ;;
        --list)
            awk -F'|' 'NF > 2 {print $1}' <<<"$configurations"
            awk -F'|' 'NF > 2 {print "check " $1}' <<<"$checks"
            scripts/genmc.sh --list | sed 's/^/genmc /'
            exit 0
            ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
done

profile="test"
[ "$quick" = no ] || profile=build
scripts/setup.sh --for "$profile"
mkdir -p build

while IFS= read -r line <&3; do
    split "$line"
    [ ${#fields[@]} -gt 0 ] || continue
    name=${fields[0]}
    [ -z "$only" ] || [[ $only == *,$name,* ]] || continue
    if [ "$quick" = yes ]; then
        [ "$name" = release ] || continue
        fields[2]=quick
    fi
    read -ra options <<<"${fields[4]}"
    run_configuration "${fields[@]:0:4}" "${options[@]}"
done 3<<<"$configurations"

while IFS= read -r line <&3; do
    split "$line"
    [ ${#fields[@]} -gt 0 ] || continue
    [ -z "$only" ] || continue
    [ "$quick" = no ] || [ "${fields[1]}" = always ] || continue
    # shellcheck disable=SC2053 # the right-hand side is a pattern
    [ -z "$pattern" ] || [[ ${fields[0]} == *$pattern* ]] || continue
    read -ra command <<<"${fields[2]}"
    run_check "${fields[0]}" "${command[@]}"
done 3<<<"$checks"

[ "$quick" = yes ] || [ -n "$only" ] || run_genmc

[ "$skipped" -eq 0 ] || echo "$skipped skipped"
for i in "${!failures[@]}"; do
    printf 'failed: %s\n%s\n' "${failures[i]}" "${details[i]}"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
