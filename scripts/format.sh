#!/usr/bin/env bash
# Lay out the C and C++ sources as .clang-format says.
#
# Usage: scripts/format.sh [--check]
#   --check  change nothing; exit 1 and list the lines that differ
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

check=no
case ${1-} in
    --check) check=yes ;;
    '') ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' scripts/format.sh >&2 && exit 2 ;;
esac

# Without git, as in an unpacked archive, every source outside build/ counts.
sources() {
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files -co --exclude-standard
    else
        find . -path './build*' -prune -o -type f -printf '%P\n'
    fi | grep -E '\.(c|h|cc|cpp|hpp)$' | while read -r file; do [ ! -e "$file" ] || echo "$file"; done
}

if [ "$check" = yes ]; then
    # Each finding is three lines, of which the first says where.
    sources | xargs -r clang-format-19 --style=file --dry-run -Werror 2>&1 | sed -n '/error:/s/ \[.*//p'
else
    sources | xargs -r clang-format-19 --style=file -i
fi
