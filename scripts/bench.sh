#!/usr/bin/env bash
# Measure weft against the peers that are installed, and print the table.
#
# Usage: scripts/bench.sh [flags]
#   --all              every row of weft-bench, not only the headline rows
#   --only NAME[,...]  only these rows
#   --procs N[,...]    processors to run on (default 1,2)
#   --runs N           runs a side (default 5; 3 of the rows that take seconds)
#   --json FILE        write weft's results as Google Benchmark's JSON
#   --plot FILE        draw the ratios, .svg or .png
#   --readme           rewrite the table in README.md and draw docs/bench.svg
#   --no-machine       don't measure what the machine's operations cost
#
# Installs what is missing (scripts/setup.sh --for bench), builds weft-bench in release mode in
# build/bench and the peers in build/peers. Runs are interleaved: weft, peer, weft, peer. The headline rows
# take under 3 minutes. Peers: Go where a go is on PATH (scripts/setup.sh --peers installs one); Tokio and other
# crates of Rust where a cargo is on PATH that has them or can fetch them; Boost.Fiber where its headers are; the C library's
# locks and threads. A peer has a column when one of its rows is shown.
# Exit status: 0 all rows ran, 1 a row failed or something did not build, 2 wrong usage.
set -euo pipefail
export WEFT_BENCH_CWD=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case " $* " in
    *" --help "* | *" -h "*) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' scripts/bench.sh && exit 0 ;;
esac

# matplotlib is a package of the system's Python, whatever python3 comes first on PATH.
python3=/usr/bin/python3
[ -x "$python3" ] || python3=python3

log=$PWD/build/bench.log
mkdir -p build
quietly() {
    "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; printf 'bench: failed: %s\n' "$*" >&2; exit 1; }
}

scripts/setup.sh --for bench >&2
"$python3" scripts/bench-report.py --check-flags "$@"

options=(--buildtype=release -Dbench=enabled -Dtests=false -Dexamples=disabled)
if [ -e build/bench/build.ninja ]; then
    quietly meson configure build/bench "${options[@]}"
else
    quietly meson setup build/bench "${options[@]}"
fi
quietly ninja -C build/bench

# As a user of that Go builds: defaults follow the Go version that go.mod names, so name the one in use.
peers=()
if command -v go >/dev/null; then
    version=$(go env GOVERSION | sed 's/^go//; s/ .*//')
    release=$(printf '%s' "$version" | sed -E 's/^([0-9]+\.[0-9]+).*/\1/')
    out=$PWD/build/peers/go
    mkdir -p "$out"
    sed "s/^go .*/go $release/" bench/peers/go/go.mod >"$out/go.mod"
    (
        cd bench/peers/go
        export GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off
        [ -n "${HOME-}" ] || export GOCACHE=$out/cache
        # The rows with cgo are left out where there is no C compiler that go can use.
        go build -modfile "$out/go.mod" ./foreign >/dev/null 2>&1 || export CGO_ENABLED=0
        quietly go build -modfile "$out/go.mod" -o "$out/peer" .
        quietly go build -modfile "$out/go.mod" -o "$out/hello" ./hello
    )
    peers+=(--peer "Go $version=$out")
fi

# Without a network, or with a cargo too old for the crates, there is no such peer; sources that don't compile are an error.
# Built from a copy: Cargo writes beside the sources which versions it took.
if command -v cargo >/dev/null; then
    out=$PWD/build/peers/rust
    mkdir -p "$out/package"
    cp -R bench/peers/rust/. "$out/package"
    if CARGO_NET_RETRY=1 cargo fetch --manifest-path "$out/package/Cargo.toml" >"$log" 2>&1; then
        quietly cargo build --release --offline --manifest-path "$out/package/Cargo.toml" --target-dir "$out"
        version=$(sed -n '/^name = "tokio"$/{n;s/^version = "\(.*\)"$/\1/p}' "$out/package/Cargo.lock")
        peers+=(--peer "Tokio $version=$out/release")
    else
        printf 'bench: no Rust peer: %s\n' "$(grep -m 1 '^error' "$log" || echo 'cargo fetch failed')" >&2
    fi
fi

# Fibers of C++, where Boost.Fiber's headers are found (scripts/setup.sh --peers installs them).
if boost=$(printf '#include <boost/fiber/all.hpp>\n#include <boost/version.hpp>\nversion BOOST_LIB_VERSION\n' |
    "${CXX:-c++}" -std=c++17 -E -P -x c++ - 2>/dev/null | sed -n 's/^version "\(.*\)"$/\1/p') && [ -n "$boost" ]; then
    out=$PWD/build/peers/boost
    mkdir -p "$out"
    quietly "${CXX:-c++}" -std=c++17 -O3 -DNDEBUG -pthread -o "$out/peer" bench/peers/boost/peer.cc -lboost_fiber -lboost_context
    peers+=(--peer "Boost.Fiber ${boost//_/.}=$out")
fi

# The C library's locks, for threads.
out=$PWD/build/peers/pthread
mkdir -p "$out"
quietly "${CC:-cc}" -O2 -pthread -o "$out/peer" bench/peers/pthread/peer.c
peers+=(--peer "pthread=$out")

exec "$python3" scripts/bench-report.py --bench build/bench/bench "${peers[@]}" "$@"
