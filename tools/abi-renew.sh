#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# abi-renew.sh [BUILD] [DIR]: writes the binary interface of BUILD's libtenon
# (build/dev, as lint builds it) to abi/, with which `./dev lint abi` compares:
# functions and their types, and the values of constants, which are not in any
# function's type. Run it when the interface has changed on purpose, and
# commit the files with the change. No path of this machine is in them.
set -eu
cd "$(dirname -- "$0")/.."

build=${1:-build/dev}
dir=${2:-abi}
for tool in abidw ctags; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "$tool is not installed (Debian: abigail-tools, universal-ctags)" >&2
    exit 1
  }
done
abidw --headers-dir include --drop-private-types --drop-undefined-syms \
  --no-corpus-path --no-comp-dir-path --no-show-locs --no-parameter-names \
  --type-id-style hash "$build/libtenon.so" |
  sed "s|path='$PWD/|path='|" >"$dir/libtenon.abi"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
find include -name '*.h' | sed 's|^include/\(.*\)|#include <\1>|' \
  >"$tmp/all.c"
"${CC:-cc}" -std=c11 -Iinclude -E -P "$tmp/all.c" -o "$tmp/plain.c"
ctags --c-kinds=e -o - "$tmp/plain.c" | cut -f1 | grep '^TENON_' |
  LC_ALL=C sort -u >"$tmp/names"
{
  cat "$tmp/all.c"
  echo '#include <stdio.h>'
  echo 'int main(void) {'
  sed 's/.*/printf("& %lld\\n", (long long)&);/' "$tmp/names"
  echo '}'
} >"$tmp/print.c"
"${CC:-cc}" -std=c11 -Iinclude "$tmp/print.c" -o "$tmp/print"
"$tmp/print" >"$dir/constants"
