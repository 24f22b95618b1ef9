#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# .clang-format is law, for every C file.
. "$(dirname -- "$0")/../lint-lib.sh"
tool clang-format

files '*.c' '*.h' >"$tmp/files"
input "$tmp/files" 'C files'
xargs clang-format --dry-run -Werror <"$tmp/files" >"$tmp/out" 2>&1 || :
grep -E 'error:' "$tmp/out" | cut -d: -f1 | sort | uniq -c |
  awk '{ print $2 ": " $1 " places differ (clang-format -i)" }' >"$tmp/found"
[ -s "$tmp/found" ] || [ ! -s "$tmp/out" ] || cp "$tmp/out" "$tmp/found"
verdict "$tmp/found" "$(count "$tmp/files") files" 'files not formatted'
