#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh N PROGRAM: does step N what the tutorial says?
set -eu

command -v socat >/dev/null 2>&1 || {
  echo 'socat is not installed'
  exit 77
}
step=$1
program=$2
dir=$(mktemp -d)
pids=''
finish() {
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || :
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "step $step: $*" >&2
  tail -n 5 "$dir"/*.out >&2 || :
  exit 1
}
# until_says FILE LINE: ctest has the time limit.
until_says() {
  until grep -qxF "$2" "$dir/$1.out" 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || fail "the server ended before: $2"
    sleep 0.02
  done
}
# join NAME DESCRIPTOR: a client that says what is written to the descriptor.
join() {
  mkfifo "$dir/$1.in"
  socat -t 5 - "UNIX:$dir/socket" <"$dir/$1.in" >"$dir/$1.out" 2>&1 3>&- 4>&- &
  pids="$pids $!"
  eval "exec $2>\"\$dir/\$1.in\""
}

idle=60000
[ "$step" != 4 ] || idle=1500
"$program" "unix:$dir/socket" "$idle" >"$dir/server.out" 2>&1 &
server=$!
pids=$server
until [ -S "$dir/socket" ]; do
  kill -0 "$server" 2>/dev/null || fail "$(cat "$dir/server.out")"
  sleep 0.02
done

once() { # what one client hears of two lines, until it hangs up
  printf 'one\ntwo\n' | socat -t 5 - "UNIX:$dir/socket"
}
case $step in
1) [ "$(once)" = "$(printf 'one\ntwo')" ] || fail 'no echo' ;;
2)
  [ "$(once)" = "$(printf 'welcome\n1: one\n2: two')" ] || fail 'not numbered'
  [ "$(once)" = "$(printf 'welcome\n1: one\n2: two')" ] || fail 'state is shared'
  head -c 1000 /dev/zero | tr '\0' x | socat -t 5 - "UNIX:$dir/socket" \
    >"$dir/long.out" 2>&1 || :
  [ "$(once | wc -l)" = 3 ] || fail 'a long line ended more than its sender'
  ;;
*)
  join anna 3
  until_says anna welcome
  join bob 4
  until_says bob welcome
  until_says anna 'guest 2 is here'
  echo 'hello, anna' >&4
  until_says anna 'guest 2: hello, anna'
  echo 'hello, bob' >&3
  until_says bob 'guest 1: hello, bob'
  ! grep -q 'guest 1: ' "$dir/anna.out" || fail 'anna hears herself'
  exec 4>&-
  until_says anna 'guest 2 is gone'
  ;;
esac
case $step in
4)
  until_says anna goodbye # she has been silent
  join carl 4
  until_says carl welcome
  ;;
5)
  until_says server '2 so far' # the application's own timer
  ;;
esac
case $step in
[45])
  kill -TERM "$server"
  result=0
  wait "$server" || result=$?
  [ "$result" -eq 0 ] || fail "the server ended with $result"
  [ ! -e "$dir/socket" ] || fail 'the socket is still there'
  ;;
*) kill -KILL "$server" ;;
esac
