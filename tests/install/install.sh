#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install.sh - what `meson install` leaves behind can be compiled against, as users do it.
#
# Goal: headers, weft.pc, shared and static library work from an installation, alone.
# Method: install into a temporary DESTDIR; compile a program by pkg-config, dynamically and statically,
# in C and C++; run both.
# Usage: install.sh MESON BUILD-DIRECTORY PREFIX
set -euo pipefail
meson=$1 build=$2 prefix=$3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cd "$root"
command -v pkg-config >/dev/null || { echo "no pkg-config"; exit 77; }

DESTDIR=$root/root "$meson" install -C "$build" --no-rebuild --quiet >/dev/null

pc=$(find root -name weft.pc -print -quit)
[ -n "$pc" ] || { echo "FAILED: no weft.pc was installed"; exit 1; }
libdir=$root/$(dirname "$(dirname "$pc")")
# The system's own .pc files stay visible, but only weft's paths must get the sysroot: so it is
# prepended by hand, and pkg-config relocates weft.pc by --define-variable.
export PKG_CONFIG_PATH=$root/$(dirname "$pc")
pkg() { pkg-config --define-variable=prefix="$root/root$prefix" "$@" weft; }

for header in base defer go local pool sync time weft; do
    [ -f "root$prefix/include/weft/$header.h" ] || { echo "FAILED: no $header.h"; exit 1; }
done
if find "root$prefix/include" -name 'hooks.h' | grep -q .; then
    echo "FAILED: hooks.h is not for users"
    exit 1
fi
script=$(find root -name 'libweft.so.*-gdb.py' -print -quit)
[ -n "$script" ] || { echo "FAILED: no script for gdb"; exit 1; }
object=/${script#*/gdb/auto-load/}
[ -f "root${object%-gdb.py}" ] || { echo "FAILED: gdb looks for $script beside no library"; exit 1; }
[ "$(pkg --modversion)" = "$(sed -n 's/^#define WEFT_VERSION "\(.*\)"/\1/p' "root$prefix/include/weft/base.h")" ] ||
    { echo "FAILED: weft.pc's version"; exit 1; }

LD_LIBRARY_PATH=$libdir "root$prefix/bin/weft-topo" --topology 'core:2 pu:2' | grep -q '^P3 ' ||
    { echo "FAILED: no weft-topo that runs"; exit 1; }

cat >program.c <<'C'
#include <stdio.h>
#include <weft/weft.h>
static void work(void *arg) { weft_yield(); weft_waitgroup_done((weft_waitgroup *)arg); }
static void begin(void *arg)
{
    weft_waitgroup wg = {0};
    for (int i = 0; i < 100; i++) {
        weft_waitgroup_add(&wg, 1);
        if (weft_go(work, &wg)) return;
    }
    weft_waitgroup_wait(&wg);
    *(int *)arg = 1;
}
int main(void)
{
    int done = 0, result = weft_run(begin, &done, NULL);
    printf("%d %d %s\n", result, done, weft_version());
    return result == 0 && done ? 0 : 1;
}
C
cp program.c program.cc

tried=0
for cc in gcc clang-19; do
    command -v $cc >/dev/null || continue
    # shellcheck disable=SC2046 # words are meant
    $cc -std=gnu17 -Wall -Wextra -Werror $(pkg --cflags) program.c -o shared-$cc $(pkg --libs)
    LD_LIBRARY_PATH=$libdir ./shared-$cc
    tried=$((tried + 1))
done
[ $tried -gt 0 ] || { echo "no compiler"; exit 77; }
if command -v g++ >/dev/null; then
    sed -i 's/weft_waitgroup wg = {0}/weft_waitgroup wg = {}/' program.cc
    # shellcheck disable=SC2046
    g++ -std=c++17 -Wall -Wextra -Werror $(pkg --cflags) program.cc -o shared-cxx $(pkg --libs)
    LD_LIBRARY_PATH=$libdir ./shared-cxx
fi
readelf -d shared-gcc 2>/dev/null | grep -q 'libweft\.so\.0' || { echo "FAILED: no soname libweft.so.0"; exit 1; }

# Static: weft from its archive, the rest as pkg-config --static names it, libc dynamic as always.
[ -f "$libdir/libweft.a" ] || { echo "FAILED: no libweft.a"; exit 1; }
# shellcheck disable=SC2046
gcc -std=gnu17 $(pkg --static --cflags) program.c -o static \
    $(pkg --static --libs | sed "s#-lweft#$libdir/libweft.a#")
if readelf -d static | grep -q 'libweft\.so'; then
    echo "FAILED: the static program needs libweft.so"
    exit 1
fi
./static
