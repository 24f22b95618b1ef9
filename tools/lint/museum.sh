#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# The patches of the bug museum apply to the tree as it is.
. "$(dirname -- "$0")/../lint-lib.sh"

status=0
sh tests/museum/run.sh --check >"$tmp/found" 2>&1 || status=$?
case $status in
0) good "$(tail -n 1 "$tmp/found")" ;;
77) skip "$(tail -n 1 "$tmp/found")" ;;
*)
  cat "$tmp/found"
  bad 'the museum is out of order'
  ;;
esac
