#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# The binary interface of libtenon only grows: programs that were linked to
# what abi/ describes go on working.
. "$(dirname -- "$0")/../lint-lib.sh"
tool abidiff

built libtenon.so libtenon.so
input abi/libtenon.abi 'abi/libtenon.abi (tools/abi-renew.sh)'
input abi/constants 'abi/constants (tools/abi-renew.sh)'
! grep -n "='/" abi/libtenon.abi >"$tmp/paths" ||
  bad "absolute paths in abi/libtenon.abi: $(head -n 1 "$tmp/paths")"
sh tools/abi-renew.sh "$build" "$tmp" >"$tmp/log" 2>&1 ||
  bad "tools/abi-renew.sh failed: $(cat "$tmp/log")"

# 4: a change; 8: an incompatible one; 1, 2: abidiff itself failed
status=0
abidiff --suppressions abi/libtenon.suppr --no-added-syms \
  abi/libtenon.abi "$tmp/libtenon.abi" >"$tmp/found" 2>&1 || status=$?
[ "$status" -ne 0 ] || : >"$tmp/found"
[ "$status" -eq 0 ] || echo "abidiff: $status" >>"$tmp/found"
grep -vxFf "$tmp/constants" abi/constants |
  sed 's/^/was, and is no more: /' >>"$tmp/found" || :
new=$(grep -o "elf-symbol name='[^']*'" "$tmp/libtenon.abi" |
  while IFS= read -r symbol; do
    grep -qF "$symbol" abi/libtenon.abi || echo "$symbol"
  done | wc -l)
verdict "$tmp/found" "compatible, $new functions are new since abi/" \
  'lines of changes; if they are meant: tools/abi-renew.sh, and commit'
