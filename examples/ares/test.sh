#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh LOOKUP RESPONDER: the first question is lost, so c-ares' deadline must
# come; then the answer is there. The second time it comes at once.
set -eu
dir=$(mktemp -d)
server=''
# shellcheck disable=SC2317 # the trap calls it
finish() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || :
  rm -rf "$dir"
}
trap finish EXIT

"$2" >"$dir/port" &
server=$!
until [ -s "$dir/port" ]; do
  kill -0 "$server"
  sleep 0.02
done
export RES_OPTIONS=retrans:200 # milliseconds, not 5 s
for _ in 1 2; do
  said=$("$1" a.name.test "127.0.0.1:$(cat "$dir/port")")
  [ "$said" = 192.0.2.7 ] || {
    echo "another address: $said" >&2
    exit 1
  }
done
