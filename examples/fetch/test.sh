#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh FETCH: two files come over at once, whole; one that is not there
# fails alone; an interrupt cancels a slow one, of which nothing is left.
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

# What answers one request: the file of its name, or for ever the same.
cat >"$dir/answer" <<'ANSWER'
read -r method path version
while read -r line && [ "${line%?}" ]; do :; done
file=$(dirname "$0")/www$path
if [ "$path" = /slow ]; then
  printf 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome'
  sleep 60
elif [ -f "$file" ]; then
  printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' "$(wc -c <"$file")"
  cat "$file"
else
  printf 'HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n'
fi
ANSWER
mkdir "$dir/www" "$dir/got"
head -c 1000000 /dev/urandom >"$dir/www/big"
echo hello >"$dir/www/small"

socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork "EXEC:sh $dir/answer" \
  2>"$dir/log" &
pids=$!
until grep -q 'listening on' "$dir/log"; do
  kill -0 "$pids" 2>/dev/null || fail 'there is no server'
  sleep 0.02
done
at=http://127.0.0.1:$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$dir/log")
cd "$dir/got"

"$1" "$at/big" "$at/small" 2>"$dir/err" || fail "failed: $(cat "$dir/err")"
cmp big "$dir/www/big"
cmp small "$dir/www/small"
grep -q '2 of 2, 976 KiB' "$dir/err" || fail 'no progress was shown'

rm -f small
if "$1" "$at/none" "$at/small" 2>"$dir/err"; then
  fail 'what is not there is no failure'
fi
grep -q 'none: curl: .*404' "$dir/err" || fail "no word: $(cat "$dir/err")"
cmp small "$dir/www/small"
[ ! -e none ] || fail 'a file is left of nothing'

"$1" "$at/slow" 2>"$dir/err" &
fetch=$!
until [ -e slow ] && grep -q '0 of 1' "$dir/err"; do sleep 0.02; done
kill -INT "$fetch"
if wait "$fetch"; then
  fail 'an interrupt is no failure'
fi
grep -q 'interrupted' "$dir/err" || fail "no word: $(cat "$dir/err")"
[ ! -e slow ] || fail 'half a file is left'
