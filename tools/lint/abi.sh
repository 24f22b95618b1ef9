#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# The binary interface of our libraries only grows: programs that were linked
# to what abi/ describes go on working. Every library that was built is in it.
. "$(dirname -- "$0")/../lint-lib.sh"
tool abidiff

find "$build" -path '*/CMakeFiles' -prune -o -name 'libtenon*.so' -print |
  sort >"$tmp/files"
[ ! -e "$build/stale" ] || bad 'the libraries did not build'
input "$tmp/files" 'shared libraries'
mkdir "$tmp/now"
sh tools/abi-renew.sh "$build" "$tmp/now" >"$tmp/log" 2>&1 ||
  bad "tools/abi-renew.sh failed: $(cat "$tmp/log")"

! grep -n "='/" abi/*.abi >"$tmp/paths" ||
  bad "absolute paths: $(head -n 1 "$tmp/paths")"
while IFS= read -r library; do
  name=$(basename "$library" .so)
  [ -f "$tmp/now/$name.abi" ] || bad "abi-renew.sh left out $name"
  if [ ! -f "abi/$name.abi" ]; then
    echo "$name: is not in abi/" >>"$tmp/found"
    continue
  fi
  # 4: a change; 8: an incompatible one; 1, 2: abidiff itself failed
  status=0
  abidiff --suppressions abi/libtenon.suppr --no-added-syms \
    "abi/$name.abi" "$tmp/now/$name.abi" >"$tmp/diff" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    sed "s/^/$name: /" "$tmp/diff" >>"$tmp/found"
    echo "$name: abidiff: $status" >>"$tmp/found"
  fi
  if [ -f "abi/$name.constants" ]; then
    touch "$tmp/now/$name.constants"
    grep -vxFf "$tmp/now/$name.constants" "abi/$name.constants" |
      sed "s/^/$name: was, and is no more: /" >>"$tmp/found" || :
  fi
  grep -o "elf-symbol name='[^']*'" "$tmp/now/$name.abi" |
    while IFS= read -r symbol; do
      grep -qF "$symbol" "abi/$name.abi" || echo "$symbol"
    done >>"$tmp/new"
done <"$tmp/files"

# What abi/ describes and this build has not: its folder must still be there.
for old in abi/libtenon-*.abi; do
  name=$(basename "$old" .abi)
  component=${name#libtenon-}
  folder=$(find adapters protocols shims -maxdepth 1 -name "$component" \
    2>/dev/null || :)
  [ -n "$folder" ] || echo "$name: was, and is no more" >>"$tmp/found"
done
touch "$tmp/found"
verdict "$tmp/found" \
  "$(count "$tmp/files") libraries, $(count "$tmp/new") functions are new" \
  'lines of changes; if they are meant: tools/abi-renew.sh, and commit'
