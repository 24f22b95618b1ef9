#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Our shared libraries export tenon_* and nothing else, tenon__* never.
. "$(dirname -- "$0")/../lint-lib.sh"
tool nm

built 'libtenon*.so' 'shared libraries'
while IFS= read -r lib; do
  nm -D --defined-only "$lib" | awk '{ print $NF }' | sed 's/@.*//' |
    grep -vx 'TENON_[0-9.]*' >"$tmp/names" || :
  [ -s "$tmp/names" ] || echo "$lib: exports nothing" >>"$tmp/found"
  grep -E '^tenon__|^[^t]|^t[^e]|^te[^n]' "$tmp/names" |
    sed "s|^|$lib: exports |" >>"$tmp/found" || :
  grep -vE '^tenon_' "$tmp/names" | sed "s|^|$lib: exports |" >>"$tmp/found" ||
    :
done <"$tmp/files"
sort -u -o "$tmp/found" "$tmp/found"
verdict "$tmp/found" "$(count "$tmp/files") libraries" 'wrong exports'
