#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh FILTER: what sort makes of some numbers comes back, and so does the
# code of a program that fails; one that is not there is an error.
set -eu

fail() {
  echo "$*" >&2
  exit 1
}
program=$1

[ "$(seq 1 20000 | "$program" sort -nr | head -n 1)" = 20000 ] ||
  fail 'not sorted'
[ "$(seq 1 20000 | "$program" tac | "$program" tac | cksum)" = \
  "$(seq 1 20000 | cksum)" ] || fail 'not the same'
code=0
"$program" sh -c 'echo broken >&2; exit 42' </dev/null 2>/dev/null || code=$?
[ "$code" -eq 42 ] || fail "ended with $code"
said=$("$program" no-such-program </dev/null 2>&1) && fail 'it was there'
case $said in
*ENOENT*) ;;
*) fail "unclear: $said" ;;
esac
