#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# stay.sh TENON_DEMO: it serves until SIGTERM, tells who is still there, and
# ends with 0.
set -eu

dir=$(mktemp -d)
demo=''
client=''
# shellcheck disable=SC2317 # the trap calls it
finish() {
  exec 3>&- || :
  [ -z "$client" ] || kill "$client" 2>/dev/null || :
  [ -z "$demo" ] || kill -KILL "$demo" 2>/dev/null || :
  rm -rf "$dir"
}
trap finish EXIT

# wait_for FILE PATTERN: until a line of the file matches; ctest has the limit.
wait_for() {
  until grep -q "$2" "$1" 2>/dev/null; do
    kill -0 "$demo" 2>/dev/null || { echo "ended early" >&2; exit 1; }
    sleep 0.02
  done
}

"$1" --stay >"$dir/out" &
demo=$!
wait_for "$dir/out" 'Ctrl-C'
if ! command -v socat >/dev/null 2>&1; then
  echo "socat is not installed: only the end is tested"
else
  address=$(sed -n 's/.*socat - \(TCP:[0-9.:]*\).*/\1/p' "$dir/out" | tail -n 1)
  mkfifo "$dir/in"
  socat -t 5 - "$address" <"$dir/in" >"$dir/seen" &
  client=$!
  exec 3>"$dir/in"
  printf 'ann\nhello all\n' >&3
  wait_for "$dir/seen" '^ann: hello all$'
fi

kill -TERM "$demo"
result=0
wait "$demo" || result=$?
demo=''
if [ -n "$client" ]; then
  exec 3>&-
  wait "$client"
  client=''
  grep -q '^the server ends$' "$dir/seen"
fi
cat "$dir/out"
exit "$result"
