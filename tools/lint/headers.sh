#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Each public header compiles alone: as C11 with gcc and clang, as C++11.
. "$(dirname -- "$0")/../lint-lib.sh"
tool gcc
tool clang
tool g++

files 'include/tenon/*.h' '*/include/tenon/*.h' >"$tmp/files"
input "$tmp/files" 'public headers'

# Where a component's host has its headers, the compile commands know.
host_flags() {
  case $1 in
  adapters/* | protocols/* | shims/*) ;;
  *) return 0 ;;
  esac
  dir=$(printf '%s' "$1" | cut -d/ -f1,2)
  grep '"command":' "$build/compile_commands.json" | grep -F " $PWD/$dir/" |
    grep -oE -- '-(I|isystem ?)[^ ]+' | sort -u | tr '\n' ' '
}

skipped=0
while IFS= read -r header; do
  flags=$(host_flags "$header")
  case $header in
  adapters/* | shims/*)
    if [ -z "$flags" ]; then
      skipped=$((skipped + 1))
      continue
    fi
    flags="$flags -D_GNU_SOURCE" # the hosts' own headers want it
    ;;
  esac
  printf '#include <tenon/%s>\n' "${header#*include/tenon/}" >"$tmp/one.c"
  cp "$tmp/one.c" "$tmp/one.cc"
  common="-Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude
    -I${header%%include/tenon/*}include $flags"
  for compiler in 'gcc -std=c11' 'clang -std=c11' 'g++ -std=c++11'; do
    case $compiler in g++*) one=$tmp/one.cc ;; *) one=$tmp/one.c ;; esac
    # shellcheck disable=SC2086
    $compiler $common "$one" >"$tmp/out" 2>&1 ||
      printf '%s: %s: %s\n' "$header" "$compiler" \
        "$(grep -m1 'error' "$tmp/out")" >>"$tmp/found"
  done
done <"$tmp/files"
touch "$tmp/found"
verdict "$tmp/found" \
  "$(count "$tmp/files") headers, 3 compilers ($skipped not built here)" \
  'headers do not stand alone'
