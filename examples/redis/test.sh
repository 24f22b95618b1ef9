#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh PROGRAM...: against a redis-server of its own each program prints the
# word that it set, and against none a reason; and their sources are the same
# but for the few lines that name the loop.
set -eu
here=$(dirname -- "$0")

command -v redis-server >/dev/null 2>&1 || {
  echo "redis-server is not installed"
  exit 77
}
dir=$(mktemp -d)
server=''
# shellcheck disable=SC2317 # the trap calls it
finish() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || :
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "$*" >&2
  exit 1
}

for program in "$@"; do
  if "$program" "$dir/socket" >"$dir/out"; then
    fail "$program: connected to nothing"
  fi
  grep -q 'No such file' "$dir/out" || fail "unclear: $(cat "$dir/out")"
done

redis-server --port 0 --unixsocket "$dir/socket" --dir "$dir" --save '' \
  --daemonize no >/dev/null &
server=$!
until redis-cli -s "$dir/socket" ping 2>/dev/null | grep -q PONG; do
  kill -0 "$server" 2>/dev/null || fail 'redis-server ended at once'
  sleep 0.02
done
for program in "$@"; do
  [ "$("$program" "$dir/socket")" = tenon ] || fail "$program: another word"
done

for other in event glib; do
  lines=$(diff "$here/uv_redis.c" "$here/${other}_redis.c" | grep -c '^>')
  [ "$lines" -le 8 ] || fail "${other}_redis.c differs in $lines lines"
done
