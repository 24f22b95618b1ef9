#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh FORWARD: bytes get through a forwarder in front of another forwarder
# in front of socat, both ways and with a half-close between; a target that
# refuses ends the client.
set -eu

command -v socat >/dev/null 2>&1 || {
  echo "socat is not installed"
  exit 77
}
dir=$(mktemp -d)
pids=''
# shellcheck disable=SC2317 # the trap calls it
finish() {
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  wait
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "$*" >&2
  exit 1
}
# forward NAME TARGET: starts one; sets $at.
forward() {
  "$program" tcp:127.0.0.1:0 "$2" >"$dir/$1" 2>>"$dir/errors" &
  pids="$pids $!"
  until grep -q 'forwards tcp:' "$dir/$1"; do # ctest has the limit
    kill -0 $! 2>/dev/null || fail 'the forwarder ended at once'
    sleep 0.02
  done
  at=$(sed -n 's/^forwards \([^ ]*\) .*/\1/p' "$dir/$1")
}
program=$1

# The last one answers with what it got, after its end, turned around.
socat "UNIX-LISTEN:$dir/last,fork" 'SYSTEM:tac' &
pids="$pids $!"
until [ -S "$dir/last" ]; do sleep 0.02; done
forward one "unix:$dir/last"
forward two "$at"
seq 1 300000 >"$dir/sent"
socat -t 10 - "TCP:${at#tcp:}" <"$dir/sent" >"$dir/back"
tac "$dir/sent" | cmp - "$dir/back" || fail 'other bytes came back'

forward refused "unix:$dir/nobody"
[ -z "$(echo hello | socat -t 5 - "TCP:${at#tcp:}" 2>/dev/null)" ] ||
  fail 'something answered'
grep -q ENOENT "$dir/errors" || fail "unclear: $(cat "$dir/errors")"
if "$program" nonsense tcp:127.0.0.1:1 2>"$dir/errors"; then
  fail 'nonsense was an address'
fi
grep -q TENON_BAD_ADDRESS "$dir/errors" || fail "unclear"
