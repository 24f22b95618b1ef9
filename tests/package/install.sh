#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# install.sh BUILD SOURCE LIBDIR HOSTS: installs BUILD to a temporary prefix,
# moves that elsewhere, and builds and runs users of it from a third place, by
# CMake and by pkg-config, in C and C++, shared and static. HOSTS are words.
set -eu

build=$1
source=$2
libdir=$3
hosts=$4

for tool in pkg-config c++; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "$tool is not installed (Debian: pkg-config, g++)"
    exit 77
  }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() {
  echo "package-install: $*" >&2
  exit 1
}
quietly() { # shows what a step said only when it fails
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail "failed: $*"
  }
}

quietly cmake --install "$build" --prefix "$work/first"
mkdir "$work/a place" # with a space, as people have
mv "$work/first" "$work/a place/second"
prefix="$work/a place/second"
if grep -rIl "$work/first\|$source\|$build" "$prefix" >"$work/names"; then
  fail "paths of the build are in $(cat "$work/names")"
fi

# ---- CMake
list=$(printf '%s' "$hosts" | tr ' ' ';')
quietly cmake -G Ninja -S "$source/tests/package/consumer" -B consumer \
  -DCMAKE_PREFIX_PATH="$prefix" -DHOSTS="$list"
quietly cmake --build consumer -j 2
quietly cmake --build consumer --target run
grep '^echo on' log
PKG_CONFIG_LIBDIR=$work/none quietly cmake -G Ninja \
  -S "$source/tests/package/consumer" -B missing -DHOSTS_MISSING=ON \
  -DCMAKE_PREFIX_PATH="$prefix" -DHOSTS="$list"

# ---- pkg-config. For static linking there is no shared library to be found.
export PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig"
export LD_LIBRARY_PATH="$prefix/$libdir"
by_pkgconfig() { # NAME HOST PKG_CONFIG_FLAGS...
  name=$1
  host=$2
  shift 2
  eval "set -- $(pkg-config "$@" --cflags --libs "$name" |
    sed 's/[$`"]/\\&/g')" # its quoting is the shell's
  # uv.h does not compile as strict C11
  quietly "${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror "-DHOST_$host" \
    "$source/tests/package/consumer/echo.c" -o "$name" "$@"
  quietly "./$name"
  cat log
}
ours=tenon:NATIVE
for host in $hosts; do
  ours="$ours tenon-$host:$(echo "$host" | tr '[:lower:]' '[:upper:]')"
done
for one in $ours; do
  by_pkgconfig "${one%:*}" "${one#*:}"
done
cp -R "$prefix" "$work/static"
rm -f "$work/static/$libdir"/*.so*
export PKG_CONFIG_PATH="$work/static/$libdir/pkgconfig"
unset LD_LIBRARY_PATH
for one in $ours; do
  by_pkgconfig "${one%:*}" "${one#*:}" --static
done

# ---- the suite, ours and a stranger's
if [ -x "$prefix/bin/tenon-conformance" ]; then
  quietly "$prefix/bin/tenon-conformance" --host native --only L01
  grep -q '^ok L01' log || fail 'the installed suite did not run L01'
  quietly cmake -G Ninja -S "$source/tests/package/stranger" -B stranger \
    -DCMAKE_PREFIX_PATH="$prefix"
  quietly cmake --build stranger -j 2
  quietly stranger/polloop-conformance --only L --only T --only I1
  tail -n 1 log && echo
  [ ! -f "$prefix/include/tenon/line.h" ] || grep -q '^ok I13' log ||
    fail 'the suite of a stranger has no lines'
  passed=$(sed -n 's/^\([0-9]*\) passed, 0 failed.*/\1/p' log)
  [ "${passed:-0}" -ge 30 ] || fail 'the suite passed too little'
fi
