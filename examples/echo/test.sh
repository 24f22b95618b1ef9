#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh ECHO: the server says where it is, echoes what socat sends it, large
# and small, and ends with 0 at SIGTERM, while a client is still connected.
# Without a port, or with one that is taken, it says so and fails.
set -eu

command -v socat >/dev/null 2>&1 || {
  echo "socat is not installed"
  exit 77
}
dir=$(mktemp -d)
server=''
idle=''
# shellcheck disable=SC2317 # the trap calls it
finish() {
  [ -z "$idle" ] || kill "$idle" 2>/dev/null || :
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || :
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "$*" >&2
  exit 1
}

"$1" 0 >"$dir/out" &
server=$!
until grep -q 'echo at tcp:127.0.0.1:[0-9]' "$dir/out"; do # ctest has the limit
  kill -0 "$server" 2>/dev/null || fail 'the server ended at once'
  sleep 0.02
done
port=$(sed -n 's/.*tcp:127.0.0.1:\([0-9]*\)$/\1/p' "$dir/out")

[ "$(echo hello | socat -t 5 - "TCP:127.0.0.1:$port")" = hello ] ||
  fail 'hello did not come back'
head -c 3000000 /dev/urandom >"$dir/sent"
socat -t 5 - "TCP:127.0.0.1:$port" <"$dir/sent" >"$dir/back"
cmp "$dir/sent" "$dir/back" || fail 'other bytes came back'

if "$1" "$port" >/dev/null 2>"$dir/error"; then
  fail 'a port that is taken was taken again'
fi
grep -q EADDRINUSE "$dir/error" || fail "unclear: $(cat "$dir/error")"
for bad in '' nonsense 70000; do
  if "$1" "$bad" >/dev/null 2>"$dir/error"; then
    fail "\"$bad\" was a port"
  fi
  grep -q TENON_BAD_ADDRESS "$dir/error" || fail "unclear: $(cat "$dir/error")"
done
if "$1" 2>"$dir/error"; then
  fail 'no port was enough'
fi
grep -q usage "$dir/error" || fail "unclear: $(cat "$dir/error")"

mkfifo "$dir/in"
socat -t 5 - "TCP:127.0.0.1:$port" <"$dir/in" >"$dir/idle" 2>/dev/null &
idle=$!
exec 3>"$dir/in"
echo there >&3
until grep -q there "$dir/idle"; do
  kill -0 "$server" 2>/dev/null || fail 'the server ended too early'
  sleep 0.02
done
kill -TERM "$server"
result=0
wait "$server" || result=$?
server=''
exec 3>&-
exit "$result"
