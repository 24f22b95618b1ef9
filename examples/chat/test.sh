#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh CHAT: two guests hear each other, names are taken once, a line that
# is too long is told so, and one that leaves is missed.
set -eu

command -v socat >/dev/null 2>&1 || {
  echo "socat is not installed"
  exit 77
}
dir=$(mktemp -d)
pids=''
# shellcheck disable=SC2317 # the trap calls it
finish() {
  exec 3>&- 4>&-
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  wait
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "$*" >&2
  exit 1
}
# hears WHO LINE: waits for it; ctest has the limit.
hears() {
  until grep -qxF "$2" "$dir/$1.out"; do sleep 0.02; done
}

"$1" tcp:127.0.0.1:0 >"$dir/out" &
server=$!
pids=$server
until grep -q 'chat at tcp:' "$dir/out"; do
  kill -0 "$server" 2>/dev/null || fail 'the server ended at once'
  sleep 0.02
done
at=$(sed -n 's/^chat at tcp:\(.*\)/\1/p' "$dir/out")

mkfifo "$dir/anna" "$dir/ben"
socat -t 0.2 - "TCP:$at" <"$dir/anna" >"$dir/anna.out" &
pids="$pids $!"
exec 3>"$dir/anna"
socat -t 0.2 - "TCP:$at" <"$dir/ben" >"$dir/ben.out" &
ben=$!
pids="$pids $ben"
exec 4>"$dir/ben"

echo anna >&3
hears anna '* welcome'
echo anna >&4
hears ben '* somebody has that name'
echo ben >&4
hears ben '* welcome'
hears anna '* ben is here'
printf 'hel' >&3
printf 'lo\nthere\n' >&3
hears ben 'anna: hello'
hears ben 'anna: there'
head -c 5000 /dev/zero | tr '\0' x >&4
echo >&4
hears ben '* too long'
echo /who >&4
hears ben anna
hears ben ben
echo 'bye, anna' >&4
echo /quit >&4
wait "$ben"
hears anna 'ben: bye, anna'
hears anna '* ben left'
if grep -q xxx "$dir/anna.out"; then
  fail 'the long line was passed on'
fi
kill -TERM "$server"
wait "$server" || fail "the server ended with $?"
