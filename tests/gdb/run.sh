#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# usage: run.sh PROGRAM SCRIPT: gdb lists the tasks of PROGRAM, walks the stack
# of one that waits, and lets it go on unharmed.

set -eu
program=$1
script=$2
out=$(mktemp)
trap 'rm -f "$out"' EXIT

gdb -nx -q -batch \
  -ex 'set debuginfod enabled off' -ex 'set breakpoint pending on' \
  -ex 'set print frame-arguments none' \
  -ex "source $script" -ex 'break stop_here' -ex run -ex 'bt 3' \
  -ex 'tenon tasks' -ex 'tenon task 1' -ex 'tenon task 3 bt 1' \
  -ex 'bt 3' -ex continue "$program" > "$out" 2>&1 || {
  cat "$out"
  exit 1
}

failed=0
want() {
  if ! grep -Eq -- "$1" "$out"; then
    echo "missing: $1"
    failed=1
  fi
}
want '^task #1 deep waiting for future at .*program\.c:[0-9]+ made at'
want '^task #2 joiner waiting for future at .* -> #1 deep made at'
want '^task #3 look running made at'
want '^3 tasks$'
# The stack of the first, from the wait to the function it began with.
want '^#[0-9]+ .* in deepest '
want '^#[0-9]+ .* in deeper '
want '^#[0-9]+ .* in wait_deep '
want '^#0 .*stop_here '
want 'exited normally'
want '^closed$'
if grep -Eq 'corrupt stack|previous frame inner|Error|Traceback' "$out"; then
  echo "gdb complained"
  failed=1
fi
[ "$failed" = 0 ] || cat "$out"
exit "$failed"
