#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# deb.sh BUILD SOURCE LIBDIR HOSTS: makes the Debian packages, looks into
# them, unpacks them into a scratch root, and builds and runs users of that.
# Nothing is installed on this machine.
set -eu

build=$1
source=$2
libdir=$3
hosts=$4

for tool in cpack dpkg-deb dpkg-shlibdeps file c++; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "$tool is not installed (Debian: cmake, dpkg-dev, file, g++)"
    exit 77
  }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() {
  echo "package-deb: $*" >&2
  exit 1
}
quietly() {
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail "failed: $*"
  }
}

quietly cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/debs"
deb_of() { echo "$work/debs/$1"_*.deb; }
field() { dpkg-deb --field "$(deb_of "$1")" "$2"; }
expect_depends() { # PACKAGE PATTERN...
  package=$1
  shift
  depends=$(field "$package" Depends)
  for pattern in "$@"; do
    printf '%s\n' "$depends" | grep -qE "(^|, )$pattern" ||
      fail "$package depends on \"$depends\", not on $pattern"
  done
}

wanted='libtenon0 libtenon-dev'
for host in $hosts; do wanted="$wanted libtenon-${host}0"; done
for package in $wanted; do
  [ -f "$(deb_of "$package")" ] || fail "there is no package $package"
  [ "$(field "$package" Package)" = "$package" ] || fail "$package: its name"
  dpkg-deb --contents "$(deb_of "$package")" >list
  awk '{ print $6 }' list | sed 's|^\./||' >"$package.names"
  grep -qx "usr/share/doc/$package/copyright" "$package.names" ||
    fail "$package has no copyright file"
  ! awk '$2 != "root/root"' list | grep . || fail "$package: not root's"
done

# Who brings what, and what it needs.
expect_depends libtenon0 'libc6 \(>= '
[ "$(field libtenon0 Depends | tr -cd ,)" = '' ] || fail 'libtenon0 needs more'
for host in $hosts; do
  expect_depends "libtenon-${host}0" 'libtenon0 \(= ' 'lib(uv|event|glib)'
  for other in $hosts; do
    [ "$other" = "$host" ] || ! grep -q "$other" "libtenon-${host}0.names" ||
      fail "libtenon-${host}0 has files of $other"
  done
  expect_depends libtenon-dev "libtenon-${host}0 \\(= "
done
for package in $wanted; do
  case $package in
  libtenon-dev)
    for name in include/tenon/tenon.h "$libdir/libtenon.so" \
      "$libdir/libtenon.a" "$libdir/pkgconfig/tenon.pc" \
      "$libdir/cmake/tenon/tenonConfig.cmake"; do
      grep -qx "usr/$name" "$package.names" || fail "$package lacks $name"
    done
    ! grep -E '\.so\.0' "$package.names" | grep . || fail 'dev has a .so.0'
    ;;
  *)
    ! grep -E 'include|\.a$|\.so$|cmake|pkgconfig' "$package.names" ||
      fail "$package has what belongs to dev"
    ;;
  esac
done

for deb in debs/*.deb; do
  quietly dpkg-deb -x "$deb" root
done
quietly cmake -G Ninja -S "$source/tests/package/consumer" -B consumer \
  -DCMAKE_PREFIX_PATH="$work/root/usr" \
  -DHOSTS="$(printf '%s' "$hosts" | tr ' ' ';')"
quietly cmake --build consumer -j 2
quietly cmake --build consumer --target run
grep '^echo on' log
if [ -x root/usr/bin/tenon-conformance ]; then
  quietly root/usr/bin/tenon-conformance --host native --only L01
fi
