#!/usr/bin/env bash
# Prove that the repository sets itself up: run a command in it on a bare Debian 12.
#
# Usage: sudo scripts/fresh.sh [--dirty] [--keep] [COMMAND...]
#   --dirty  copy the working tree (all but ignored files) instead of HEAD
#   --keep   leave the system behind, and say where
#   COMMAND  run by bash in the copy, as root (default: scripts/test.sh --quick)
#
# Makes a minimal bookworm with mmdebstrap (installed when missing) below $TMPDIR, with the package
# sources and the apt network settings of this machine. Exit status: the command's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suite=bookworm

die() {
    printf 'fresh: %s\n' "$*" >&2
    exit 1
}

dirty=no keep=no
while [ $# -gt 0 ]; do
    case $1 in
        --dirty) dirty=yes ;;
        --keep) keep=yes ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' scripts/fresh.sh && exit 0 ;;
        -*) die "unknown option $1" ;;
        *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || set -- scripts/test.sh --quick

[ "$(id -u)" -eq 0 ] || die "must be run as root"
if ! command -v mmdebstrap >/dev/null; then
    echo "fresh: installing mmdebstrap"
    apt-get -q update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends mmdebstrap >/dev/null
fi

work=$(mktemp -d)
system=$work/system
# The mounts below live in a namespace of their own and are gone by now, so this deletes only copies.
clean() {
    if [ "$keep" = yes ]; then
        echo "fresh: the system is in $system"
    else
        rm -rf --one-file-system "$work"
    fi
}
trap clean EXIT

# This machine's Debian sources for the suite. mmdebstrap reads both formats from files.
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if grep -qsE "^(deb .* ${suite}[^ ]* |Suites:.*\b$suite\b)" "$file" && grep -qsw main "$file"; then
        sources+=("$file")
    fi
done
[ ${#sources[@]} -gt 0 ] || echo "fresh: no $suite sources on this machine; using mmdebstrap's own"

# Proxies, time-outs and the like; certificates, where the sources need a private authority.
apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|Check-)' >"$work/apt.conf" || true
certificates=/usr/local/share/ca-certificates
include=()
grep -qs 'https://' "${sources[@]}" /dev/null && include=(--include=ca-certificates)

echo "fresh: making a minimal $suite"
mmdebstrap --quiet --variant=minbase --aptopt="$work/apt.conf" "${include[@]}" \
    --setup-hook="mkdir -p \"\$1$certificates\"; cp -r $certificates/. \"\$1$certificates\" || true" \
    "$suite" "$system" "${sources[@]}" || die "mmdebstrap failed"
# Not left to mmdebstrap, which copies it only for its own run.
cp -L /etc/resolv.conf "$system/etc/resolv.conf"

mkdir "$system/weft"
if [ "$dirty" = yes ]; then
    git ls-files -coz --exclude-standard |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        tar -c --null -T - | tar -x --no-same-owner -C "$system/weft"
else
    git archive HEAD | tar -x -C "$system/weft"
fi

echo "fresh: running $*"
# shellcheck disable=SC2016 # expanded by the inner shell
unshare --mount --propagation private bash -euc '
    system=$1
    shift
    mount -t proc proc "$system/proc"
    mount --rbind /sys "$system/sys"
    mount --rbind /dev "$system/dev"
    exec env -i HOME=/root TERM="${TERM-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$system" /bin/bash -c "cd /weft && exec \"\$@\"" bash "$@"
' bash "$system" "$@"
