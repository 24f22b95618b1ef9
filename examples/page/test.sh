#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh PROGRAM...: each of them gets the page that is there, as it is, and
# fails with a word where nobody listens.
set -eu

command -v socat >/dev/null 2>&1 || {
  echo "socat is not installed"
  exit 77
}
dir=$(mktemp -d)
server=''
# shellcheck disable=SC2317 # the trap calls it
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || :
  wait
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "$*" >&2
  exit 1
}

cat >"$dir/answer" <<'ANSWER'
read -r method path version
while read -r line && [ "${line%?}" ]; do :; done
printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n'
cat "$(dirname "$0")/www$path"
ANSWER
mkdir "$dir/www"
seq 5000 >"$dir/www/numbers"
socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork "EXEC:sh $dir/answer" \
  2>"$dir/log" &
server=$!
until grep -q 'listening on' "$dir/log"; do
  kill -0 "$server" 2>/dev/null || fail 'there is no server'
  sleep 0.02
done
port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$dir/log")

for program in "$@"; do
  "$program" "tcp:127.0.0.1:$port" /numbers >"$dir/got" ||
    fail "$program failed"
  cmp "$dir/got" "$dir/www/numbers" || fail "$program: another page"
  if "$program" tcp:127.0.0.1:1 /numbers >"$dir/got" 2>"$dir/err"; then
    fail "$program: a page of nobody"
  fi
  [ -s "$dir/err" ] || fail "$program: no word"
done
