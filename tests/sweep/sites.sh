#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# sites.sh PROGRAM TOP: one line for each place where PROGRAM's copy of the
# library calls the system, "ADDRESS FILE:LINE FUNCTION CALL[#N]", where
# ADDRESS is the one that the call returns to and #N tells several such calls
# of one function apart. Needs the program's debugging information.

set -eu

program=$1
top=$2

# The instruction after a call says where it returns to.
objdump -d --no-show-raw-insn "$program" |
  awk '
    wanted { sub(":", "", $1); print $1, wanted; wanted = "" }
    /call.*<sweep_[a-z_0-9]+>$/ {
      wanted = $NF
      gsub(/^<sweep_|>$/, "", wanted)
      at = $1; sub(":", "", at); printf "%s ", at
    }' |
  grep -v ' realloc$' |
  while read -r call back name; do
    # The line is that of the call itself.
    addr2line -f -e "$program" "0x$call" | tr '\n' ' '
    printf '%s %s\n' "$back" "$name"
  done |
  sed "s|$top/||; s| (discriminator [0-9]*)||" |
  awk '$2 ~ /^core\// { print $3, $2, $1, $4 }' |
  sort -t ' ' -k 3,3 -k 4,4 -k 2,2V |
  awk '{
    key = $3 " " $4
    if (key != last_key) { number = 0; last_line = "" }
    if ($2 != last_line) { number++ }
    last_key = key
    last_line = $2
    print $1, $2, $3, (number > 1 ? $4 "#" number : $4)
  }'
