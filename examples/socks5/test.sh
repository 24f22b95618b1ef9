#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh SOCKS5: a request and the bytes behind it, in one piece and byte by
# byte, get to their target and back; what is not granted is answered so.
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

"$1" tcp:127.0.0.1:0 >"$dir/out" &
pids=$!
until grep -q 'socks5 at tcp:' "$dir/out"; do # ctest has the limit
  kill -0 $! 2>/dev/null || fail 'the proxy ended at once'
  sleep 0.02
done
at=$(sed -n 's/^socks5 at tcp:\(.*\)/\1/p' "$dir/out")
port=${at#*:}
high=$(printf '%03o' $((port / 256)))
low=$(printf '%03o' $((port % 256)))

# ask BYTES: what the proxy answers, as hexadecimal digits.
ask() {
  # shellcheck disable=SC2059 # the bytes are the format
  printf "$1" | socat -t 5 - "TCP:$at" | od -An -v -tx1 | tr -d ' \n'
}
# same WHAT GOT WANTED
same() {
  [ "$2" = "$3" ] || fail "$1: $2, not $3"
}
hello='\005\001\000'

# The target is the proxy itself, which answers a greeting like ours.
to_self="\\005\\001\\000\\001\\177\\000\\000\\001\\$high\\$low"
same 'one piece' "$(ask "$hello$to_self$hello")" \
  050005000001000000000000"0500"
# And through two of it, byte by byte.
# shellcheck disable=SC2059
printf "$hello$to_self$hello$to_self$hello" >"$dir/bytes"
slowly() {
  len=$(wc -c <"$dir/bytes")
  i=0
  while [ "$i" -lt "$len" ]; do
    dd if="$dir/bytes" bs=1 skip="$i" count=1 2>/dev/null
    i=$((i + 1))
  done
}
same 'byte by byte' "$(slowly | socat -t 5 - "TCP:$at,nodelay" |
  od -An -v -tx1 | tr -d ' \n')" \
  05000500000100000000000005000500000100000000000"00500"

same 'nobody is there' \
  "$(ask "$hello\\005\\001\\000\\001\\177\\000\\000\\001\\000\\001")" \
  050005050001000000000000
same 'BIND' "$(ask "$hello\\005\\002\\000\\001\\177\\000\\000\\001\\000\\001")" \
  050005070001000000000000
same 'a kind of address that is none' \
  "$(ask "$hello\\005\\001\\000\\011\\177\\000\\000\\001\\000\\001")" \
  050005080001000000000000
same 'a name that is none' \
  "$(ask "$hello\\005\\001\\000\\003\\003a:b\\000\\001")" \
  050005080001000000000000
same 'no method of ours' "$(ask '\005\001\002')" 05ff
same 'another protocol' "$(ask 'GET / HTTP/1.0\r\n\r\n')" ''
kill -0 "$pids" || fail 'the proxy ended'
