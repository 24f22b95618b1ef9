#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# run.sh TENON_DEMO: a short run on every host ends with 0 and the sentence.
set -eu

output=$("$1" --clients 3 --lines 20) || {
  printf '%s\n' "$output"
  echo "tenon-demo failed" >&2
  exit 1
}
printf '%s\n' "$output"
last=$(printf '%s\n' "$output" | tail -n 1)
[ "$last" = 'every client saw every line in one order: yes' ]

# One host alone; and options that are none are refused.
"$1" --hosts native --clients 1 --lines 1 >/dev/null
for bad in '--hosts nowhere' '--lines 0' '--clients'; do
  result=0
  # shellcheck disable=SC2086 # two words
  "$1" $bad >/dev/null 2>&1 || result=$?
  [ "$result" -eq 2 ]
done
