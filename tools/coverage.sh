#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# What the tests that ran in BUILD_DIR took of the branches of core/. gcov
# counts an edge of the flow graph as a branch: both sides of an `if`, of each
# operand of && and ||, of ?: and of loops, each label of a switch. We compile
# C without optimisation, so there are none that the compiler made up, and none
# is left out.
#
#   tools/coverage.sh BUILD_DIR [LIMIT]

set -eu
cd "$(dirname -- "$0")/.."
build=${1:?}
limit=${2:-95}
top=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Of the notes, not the counts: a file that no test ran has no counts.
find "$build/CMakeFiles/tenon_objects.dir" -name '*.gcno' | sort |
  xargs gcov -b -c -t >"$tmp/gcov" 2>"$tmp/errors"
if grep -v 'gcda:cannot open data file' "$tmp/errors" >&2; then
  printf 'coverage: gcov has something to say\n' >&2
fi
awk -v top="$top" -v allow=tests/coverage.allow -v limit="$limit" \
  -f tools/coverage.awk "$tmp/gcov"
