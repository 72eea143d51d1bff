#!/usr/bin/env bash
# Does a shared library export what the headers declare, and nothing else?
#
# Usage: scripts/check-exports.sh LIB
# Every symbol that LIB exports must be named weft_* and be declared in include/weft/*.h or
# runtime/hooks.h; every function that these mark WEFT_API must be exported. Prints what differs.
set -euo pipefail
library=$(realpath "${1?"usage: check-exports.sh LIB"}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

# Fields: address, type, name. Type A is the version node itself.
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u)

# Without comments and directives, on one line.
headers=$(cat include/weft/*.h runtime/hooks.h | sed 's/^ *# *\(include\|if\|ifdef\|ifndef\|else\|elif\|endif\).*//' |
    "${CC:-cc}" -w -fpreprocessed -dD -E -P -x c - | grep -v '^ *#' | tr '\n' ' ')
declared=$(grep -oE 'WEFT_API [^;{(]*\bweft_[a-z0-9_]+ *(\(|;|\[)' <<<"$headers" |
    grep -oE 'weft_[a-z0-9_]+ *(\(|;|\[)$' | tr -d ' (;[' | sort -u)

status=0
while read -r symbol; do
    [ -n "$symbol" ] || continue
    case $symbol in
        weft_*) echo "exported, but not declared WEFT_API in a header: $symbol" ;;
        *) echo "exported, but not named weft_*: $symbol" ;;
    esac
    status=1
done < <(comm -23 <(echo "$exported") <(echo "$declared"))
while read -r symbol; do
    [ -n "$symbol" ] || continue
    echo "declared WEFT_API, but not exported: $symbol"
    status=1
done < <(comm -13 <(echo "$exported") <(echo "$declared"))
exit "$status"
