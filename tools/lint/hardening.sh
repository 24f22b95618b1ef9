#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Our libraries: relocations read-only and bound at once, no executable stack,
# no writable and executable segment, no text relocations.
. "$(dirname -- "$0")/../lint-lib.sh"
tool readelf

built 'libtenon*.so' 'shared libraries'
while IFS= read -r lib; do
  readelf -lW "$lib" >"$tmp/segments"
  readelf -dW "$lib" >"$tmp/dynamic"
  grep -q GNU_RELRO "$tmp/segments" || echo "$lib: no RELRO"
  grep -qE 'BIND_NOW|FLAGS_1.*NOW' "$tmp/dynamic" || echo "$lib: binds lazily"
  grep -E 'GNU_STACK' "$tmp/segments" | grep -q 'RWE' &&
    echo "$lib: executable stack"
  grep -E '^ *LOAD' "$tmp/segments" | grep -q 'RWE' &&
    echo "$lib: writable and executable segment"
  grep -q TEXTREL "$tmp/dynamic" && echo "$lib: text relocations"
done <"$tmp/files" >"$tmp/found" || :
verdict "$tmp/found" "$(count "$tmp/files") libraries" 'weak spots'
