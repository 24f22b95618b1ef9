#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# clang-tidy over the product's sources, with the checks of .clang-tidy.
. "$(dirname -- "$0")/../lint-lib.sh"
tool clang-tidy
[ -f "$build/compile_commands.json" ] || bad "no compile commands in $build"

product | grep '\.c$' >"$tmp/all" || :
sed -n 's/^ *"file": "\(.*\)",*$/\1/p' "$build/compile_commands.json" |
  sed "s|^$PWD/||" | sort -u >"$tmp/built"
grep -Fxf "$tmp/built" "$tmp/all" >"$tmp/files" || :
input "$tmp/files" 'sources that are built'
xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$build" \
  <"$tmp/files" >"$tmp/out" 2>"$tmp/err" || :
grep -E ': (warning|error): ' "$tmp/out" | sed "s|^$PWD/||" |
  sort -u >"$tmp/found" || :
grep -E '^Error|error:' "$tmp/err" >>"$tmp/found" || :
left=$(($(count "$tmp/all") - $(count "$tmp/files")))
verdict "$tmp/found" "$(count "$tmp/files") sources ($left not built here)" \
  'findings'
