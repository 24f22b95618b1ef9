#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Functions of 70 lines at most; files as STYLE.md says.
. "$(dirname -- "$0")/../lint-lib.sh"
tool ctags

files '*.c' '*.h' >"$tmp/files"
input "$tmp/files" 'C files'
ctags --languages=C --langmap=C:.c.h --c-kinds=f --fields=+ne -o - \
  -L "$tmp/files" 2>/dev/null | awk -F '\t' '
  {
    first = last = 0
    for (i = 4; i <= NF; i++) {
      if ($i ~ /^line:/) first = substr($i, 6)
      if ($i ~ /^end:/) last = substr($i, 5)
    }
    if (last) print last - first + 1, $2, $1
  }' >"$tmp/functions"
input "$tmp/functions" 'functions'
awk '$1 > 70 { print $2 ": " $3 " has " $1 " lines (70)" }' \
  "$tmp/functions" >"$tmp/found"

xargs wc -l <"$tmp/files" | grep -v ' total$' | awk '
  { limit = 800 }
  $2 ~ /^adapters\/[^\/]*\/[^\/]*[.][ch]$/ { limit = 300 }
  $2 ~ /^shims\/[^\/]*\/[^\/]*[.][ch]$/ { limit = 400 }
  $2 ~ /include\/tenon\// { limit = 300 }
  $1 > limit { print $2 ": " $1 " lines (" limit ")" }' >>"$tmp/found"
long=$(xargs wc -l <"$tmp/files" |
  awk '$2 ~ /^(core|protocols)\// && $1 > 500 && $1 <= 800 { print $2 }' |
  tr '\n' ' ')
median=$(sort -n "$tmp/functions" | awk '{ a[NR] = $1 }
  END { print a[int((NR + 1) / 2)] }')
verdict "$tmp/found" "$(count "$tmp/functions") functions, median $median \
lines${long:+; over 500 lines, to think about: $long}" 'too long'
