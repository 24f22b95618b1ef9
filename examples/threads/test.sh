#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh BLOCKING TALKING: what the two programs print.
set -eu

expect() { # PROGRAM, and its text on standard input
  wanted=$(cat)
  said=$("$1")
  [ "$said" = "$wanted" ] || {
    printf '%s printed:\n%s\nand not:\n%s\n' "$1" "$said" "$wanted" >&2
    exit 1
  }
}

expect "$1" <<'TEXT'
25%
50%
75%
100%
sum 250
the loop ran meanwhile
TEXT
expect "$2" <<'TEXT'
the loop answered 42
the loop did not answer: TENON_TIMED_OUT
3000 from 3 threads, without a lock
TEXT
