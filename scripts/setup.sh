#!/usr/bin/env bash
# Install the Debian packages that weft needs, exactly those that are missing.
#
# Usage: scripts/setup.sh [--for build|bench|test|all] [--peers]
#   --for build   the compiler, meson and the libraries; enough for scripts/test.sh --quick
#   --for bench   build, and what scripts/bench.sh needs
#   --for test    build, and what scripts/test.sh needs
#   --for all     everything (the default)
#   --peers       also the rival runtimes that Debian has (golang only where no go is on PATH)
#
# Needs root or sudo only when something is missing. With WEFT_NO_SETUP=1 it does nothing: for other
# systems, where the equivalents of these packages are installed by hand.
# Exit status: 0 all is there, 1 it could not be installed, 2 wrong usage.
set -euo pipefail

# libc6-dev and libc6-dbg are named because gcc and valgrind only recommend them.
build=(gcc g++ libc6-dev meson ninja-build pkg-config python3
       libhwloc-dev liburcu-dev libjemalloc-dev libdw-dev)
bench=(libbenchmark-dev python3-matplotlib)
test=(clang-19 libclang-rt-19-dev llvm-19 clang-format-19 clang-tidy-19
      valgrind gdb libc6-dbg libbenchmark-dev libssl-dev libjansson-dev
      gcc-aarch64-linux-gnu qemu-user) # scripts/sysroot.sh gets the libraries
peers=(libtbb-dev libboost-fiber-dev libboost-context-dev)

die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

export LC_ALL=C

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

profile=all
with_peers=no
while [ $# -gt 0 ]; do
    case $1 in
        --for) profile=${2-} && shift $(($# > 1)) ;;
        --peers) with_peers=yes ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
done

case $profile in
    build) packages=("${build[@]}") ;;
    bench) packages=("${build[@]}" "${bench[@]}") ;;
    test) packages=("${build[@]}" "${test[@]}") ;;
    all) packages=("${build[@]}" "${bench[@]}" "${test[@]}") ;;
    *) usage >&2 && exit 2 ;;
esac
if [ "$with_peers" = yes ]; then
    packages+=("${peers[@]}")
    command -v go >/dev/null || packages+=(golang)
fi

if [ -n "${WEFT_NO_SETUP-}" ]; then
    echo "setup: skipped (WEFT_NO_SETUP is set)"
    exit 0
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    die "no apt-get here. Install the equivalents of: ${packages[*]}; then set WEFT_NO_SETUP=1."
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^.i  *//p' || true)
mapfile -t missing < <(comm -23 <(printf '%s\n' "${packages[@]}" | sort -u) <(sort -u <<<"$installed"))
if [ ${#missing[@]} -eq 0 ]; then
    echo "setup: all packages are there"
    exit 0
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        die "needs root to install: ${missing[*]}. Neither root nor sudo is available."
    root=(sudo)
fi

echo "setup: installing ${missing[*]}"
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A failed update is not the end: the lists at hand may do.
updated=yes
"${apt[@]}" -o APT::Update::Error-Mode=any update >"$log" 2>&1 || updated=no
if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    [ "$updated" = yes ] || die "apt-get update and install failed (above). Is there a network?"
    die "apt-get could not install: ${missing[*]} (above)."
fi
echo "setup: installed ${#missing[@]} packages"
