#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Each test that INTEROP.md gives for a lifetime clause exists, and so does
# each function, option and constant of ours that a page names.
. "$(dirname -- "$0")/../lint-lib.sh"

files 'tests/*.c' 'adapters/*/tests/*.c' 'protocols/*/tests/*.c' \
  'shims/*/tests/*.c' >"$tmp/files"
input "$tmp/files" 'tests'
xargs grep -hoE '\{ *"[A-Z][0-9]+[a-z]?"|START_TEST\([A-Za-z0-9_]+' \
  <"$tmp/files" | sed 's/"$//; s/.*[("]//' | sort -u >"$tmp/tests"

# The last cell of the rows that are numbered.
sed -n '/^## Lifetime clauses/,/^## Limits/p' INTEROP.md |
  awk -F '|' '/^\| *[0-9]+ *\|/ { print $(NF - 1) }' |
  tr '\140' '\n' | grep -E '^[A-Za-z0-9_]+$' | sort -u >"$tmp/named"
input "$tmp/named" 'tests in the table of clauses'
comm -23 "$tmp/named" "$tmp/tests" |
  sed 's/^/INTEROP.md: there is no test /' >"$tmp/found"

files 'include/*.h' 'adapters/*.h' 'protocols/*.h' 'shims/*.h' \
  'tests/conformance/include/*.h' >"$tmp/headers"
xargs grep -hoE '\b(tenon|TENON)_[A-Za-z0-9_]+' <"$tmp/headers" >"$tmp/all"
# What X-macros make: TENON_OK from X(OK, 0, ...).
sed -n 's/^ *X(\([A-Z_]*\),.*/TENON_\1/p' include/tenon/status.h >>"$tmp/all"
sort -u "$tmp/all" >"$tmp/words"
files README.md INTEROP.md 'docs/*.md' 'adapters/*/README.md' \
  'shims/*/README.md' |
  grep -v '^docs/adr/' >"$tmp/pages" # those speak of what might be, too
xargs cat <"$tmp/pages" | grep -oE '\b(tenon|TENON)_[A-Za-z0-9_]+' |
  grep -v '_$' | sort -u | comm -23 - "$tmp/words" |
  sed 's/^/a page names what no header has: /' >>"$tmp/found"
verdict "$tmp/found" "$(count "$tmp/named") tests named" 'names of nothing'
