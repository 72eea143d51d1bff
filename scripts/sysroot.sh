#!/usr/bin/env bash
# Unpack Debian's libraries of another architecture into a folder, for cross builds; DIR.ini tells meson where.
#
# Usage: scripts/sysroot.sh ARCHITECTURE DIR        for instance: arm64 build/sysroot-arm64
#
# Downloads the packages below by apt from this machine's Debian sources, checked as always, with lists of
# their own: dpkg's architectures and what is installed don't change, and -dev packages that can't be
# installed beside those of this machine do no harm. Needs no root. Does nothing when DIR is up to date
# with this script. With WEFT_NO_SETUP=1 DIR and DIR.ini are made by hand, as the packages of setup.sh are.
# Exit status: 0 DIR is ready, 1 not, 2 wrong usage.
set -euo pipefail

# Named one by one: the whole closure of libhwloc-dev and libc6-dev has Perl and Kerberos in it.
packages=(libc6 libc6-dev linux-libc-dev libcrypt1 libcrypt-dev libgcc-s1 libstdc++6
          libhwloc15 libhwloc-dev libudev1 liburcu8 liburcu-dev libjemalloc2 libjemalloc-dev)

[ $# -eq 2 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2; }
architecture=$1 dir=$2
stamp="$(cksum <"$0") $(realpath -m "$dir")"
if [ "$(cat "$dir/.made-by" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
if [ -n "${WEFT_NO_SETUP-}" ]; then
    [ -e "$dir.ini" ] && exit 0
    echo "sysroot: no $dir.ini, and WEFT_NO_SETUP is set" >&2
    exit 1
fi

die() {
    printf 'sysroot: %s\n' "$*" >&2
    exit 1
}

echo "sysroot: making $dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user reads in it
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
: >"$work/status"
apt=(apt-get -q -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
     -o "Dir::State=$work" -o "Dir::State::lists=$work/lists" -o "Dir::State::status=$work/status"
     -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
     -o Acquire::Retries=3 -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
if ! "${apt[@]}" update >"$work/log" 2>&1 ||
    ! (cd "$work/debs" && "${apt[@]}" download "${packages[@]}") >>"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    die "apt-get could not download $architecture packages (above). Is there a network?"
fi

# /lib and /usr/lib are one folder, as on a system that is installed.
rm -rf "$dir"
mkdir -p "$dir/usr/lib"
ln -s usr/lib "$dir/lib"
for deb in "$work"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$dir" || die "could not unpack ${deb##*/}"
done
printf "[constants]\nsysroot = '%s'\n" "$(realpath "$dir")" >"$dir.ini"
echo "$stamp" >"$dir/.made-by"
