#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# abi-renew.sh [BUILD] [DIR]: writes the binary interface of every library of
# BUILD (build/dev, as lint builds it) to abi/, with which `./dev lint abi`
# compares: functions and their types (NAME.abi), and the values of constants,
# which are not in any function's type (NAME.constants). Run it when an
# interface has changed on purpose, and commit the files with the change. No
# path of this machine is in them. A component that was not built keeps its own.
set -eu
cd "$(dirname -- "$0")/.."

build=${1:-build/dev}
dir=${2:-abi}
for tool in abidw ctags pkg-config; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "$tool is not installed" \
      "(Debian: abigail-tools, universal-ctags, pkg-config)" >&2
    exit 1
  }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# functions LIBRARY INCLUDES...: to NAME.abi
functions() {
  library=$1
  shift
  for include in "$@"; do
    set -- "$@" --headers-dir "$include"
    shift
  done
  abidw "$@" --drop-private-types --drop-undefined-syms --no-corpus-path \
    --no-comp-dir-path --no-show-locs --no-parameter-names \
    --type-id-style hash "$library" |
    sed "s|path='$PWD/|path='|" >"$dir/$(basename "$library" .so).abi"
}

# constants NAME INCLUDE FLAGS...: of the headers in INCLUDE, if there are any
constants() {
  name=$1
  include=$2
  shift 2
  find "$include" -name '*.h' | LC_ALL=C sort |
    sed "s|^$include/\(.*\)|#include <\1>|" >"$tmp/all.c"
  # gnu11: uv.h does not compile as strict C11
  "${CC:-cc}" -std=gnu11 "$@" -E "$tmp/all.c" -o "$tmp/plain.c"
  # Only what these headers say themselves, not what they include.
  awk -v "include=$include" '
    /^# [0-9]+ "/ { ours = index($3, "\"" include "/") == 1; next }
    ours' "$tmp/plain.c" >"$tmp/ours.c"
  ctags --c-kinds=e -o - "$tmp/ours.c" | cut -f1 | grep '^TENON_' |
    LC_ALL=C sort -u >"$tmp/names" || :
  [ -s "$tmp/names" ] || return 0
  {
    cat "$tmp/all.c"
    echo '#include <stdio.h>'
    echo 'int main(void) {'
    sed 's/.*/printf("& %lld\\n", (long long)&);/' "$tmp/names"
    echo '}'
  } >"$tmp/print.c"
  "${CC:-cc}" -std=gnu11 "$@" "$tmp/print.c" -o "$tmp/print"
  "$tmp/print" >"$dir/$name.constants"
}

functions "$build/libtenon.so" include
constants libtenon include -Iinclude
for library in "$build"/*/*/libtenon-*.so; do
  [ -e "$library" ] || continue
  component=$(dirname "${library#"$build"/}")
  name=$(basename "$library" .so)
  functions "$library" include "$component/include"
  flags=$(PKG_CONFIG_PATH="$build/pkgconfig" pkg-config --cflags "${name#lib}")
  # What it depends on among ours has its headers in the tree, too.
  for other in adapters/*/include protocols/*/include shims/*/include; do
    [ ! -d "$other" ] || flags="$flags -I$other"
  done
  # shellcheck disable=SC2086
  constants "$name" "$component/include" "-I$component/include" -Iinclude $flags
done
