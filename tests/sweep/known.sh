#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# known.sh LIBRARY: fails on what LIBRARY wants of libc that calls.txt does
# not name, and on what that names in vain.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

# Not ours: what compilers, sanitizers and start files ask for.
wanted=$(nm -D --undefined-only "$1" | awk '{ print $NF }' |
  sed 's/@.*//' |
  grep -vE '^(_ITM_|__gmon_start__|__cxa_|__asan_|__lsan_|__ubsan_|__sanitizer_|__gcov|__stack_chk|__.*_chk$)' |
  sort -u)
known=$(awk '!/^#/ && NF { print $1 }' "$here/calls.txt" | sort -u)

status=0
for name in $wanted; do
  if ! printf '%s\n' "$known" | grep -qx "$name"; then
    echo "not ok $name is called, and tests/sweep/calls.txt has no line for it"
    status=1
  fi
done
# What is no call of the system may be inlined, as optimization goes.
calls=$(awk '!/^#/ && NF && !/is no call of the system/ { print $1 }' \
  "$here/calls.txt")
for name in $calls; do
  if ! printf '%s\n' "$wanted" | grep -qx "$name"; then
    echo "not ok $name is in tests/sweep/calls.txt, and nobody calls it"
    status=1
  fi
done
echo "$(printf '%s\n' "$wanted" | wc -l) names wanted of libc"
exit $status
