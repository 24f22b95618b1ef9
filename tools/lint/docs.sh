#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Each public symbol is documented, and no reference leads nowhere.
. "$(dirname -- "$0")/../lint-lib.sh"
tool doxygen

sh tools/docs.sh "$tmp/docs" >"$tmp/found" 2>&1 || [ -s "$tmp/found" ] ||
  echo 'doxygen failed' >"$tmp/found"
find "$tmp/docs/html" -name '*_8h.html' >"$tmp/pages"
input "$tmp/pages" 'headers in the reference'
verdict "$tmp/found" "$(count "$tmp/pages") headers" \
  'undocumented symbols or bad references'
