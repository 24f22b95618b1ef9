#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# amalgam.sh SOURCE HOSTS: makes the core, and the core with each of the
# adapters, one file; that compiles alone, without a warning, and carries an
# echo. HOSTS are words.
set -eu

source=$1
hosts=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/include/tenon"
for host in native $hosts; do
  adapter=$host
  [ "$host" != native ] || adapter=''
  sh "$source/tools/amalgamate.sh" "$adapter" "$work" # 77 goes on
  # The test's program includes <tenon/tenon.h>, as those of a package do.
  for name in tenon "$host"; do
    echo '#include "../../tenon.h"' >"$work/include/tenon/$name.h"
  done
  needs=''
  [ -z "$adapter" ] || needs=$(sed -n 's/.*PKG "\([^"]*\)".*/\1/p' \
    "$source/adapters/$adapter/CMakeLists.txt" | sed 's/[<>=]=*/ & /')
  flags='-std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror'
  libs=''
  if [ -n "$needs" ]; then
    flags="$flags $(pkg-config --cflags "$needs")"
    libs=$(pkg-config --libs "$needs")
  fi
  up=$(echo "$host" | tr '[:lower:]' '[:upper:]')
  # shellcheck disable=SC2086
  {
    "${CC:-cc}" $flags -c "$work/tenon.c" -o "$work/tenon.o"
    "${CC:-cc}" $flags -I"$work/include" "-DHOST_$up" \
      "$source/tests/package/consumer/echo.c" "$work/tenon.o" $libs \
      -o "$work/echo"
  }
  timeout 30 "$work/echo"
done
