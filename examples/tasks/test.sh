#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# test.sh DIR: what the programs print, and that two guests hear each other.
set -eu

command -v socat >/dev/null 2>&1 || {
  echo "socat is not installed"
  exit 77
}
bin=$1
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

expect() { # TEXT PROGRAM ARGUMENTS...
  wanted=$1
  shift
  said=$("$@")
  [ "$said" = "$wanted" ] || {
    printf '%s printed:\n%s\nand not:\n%s\n' "$1" "$said" "$wanted" >&2
    exit 1
  }
}

expect 'tea begins
tea is done
toast begins
toast is done
breakfast' "$bin/tasks-serial"
expect 'all three are under way
tea begins
toast begins
egg begins
toast is done
tea is done
egg is done
breakfast' "$bin/tasks-simultaneous"
expect 'tea begins
toast begins
toast is done
tea is done
breakfast
tea begins
toast begins
toast is done
no breakfast: No such file or directory' "$bin/tasks-both"
expect 'hedgehog after 40 ms
hare after 100 ms
tortoise after 160 ms' "$bin/tasks-finishing"
printf 'h.llo\n^world\n(\n' >"$dir/patterns"
wanted='h.llo: matches
^world: does not
(: no pattern'
expect "$wanted" "$bin/tasks-regex" 'hello world' <"$dir/patterns"
mkfifo "$dir/pipe"
cat "$dir/patterns" >"$dir/pipe" &
expect "$wanted" "$bin/tasks-regex" 'hello world' <"$dir/pipe"

# hears WHO LINE: waits for it; ctest has the limit.
hears() {
  until grep -qxF "$2" "$dir/$1.out"; do sleep 0.02; done
}
"$bin/tasks-chat" >"$dir/out" &
pids=$!
until grep -q 'chat at' "$dir/out"; do
  kill -0 "$pids" || exit 1
  sleep 0.02
done
at=$(sed -n 's/^chat at \(tcp:\)*//p' "$dir/out")
mkfifo "$dir/anna" "$dir/ben"
socat -t 0.2 - "TCP:$at" <"$dir/anna" >"$dir/anna.out" &
pids="$pids $!"
exec 3>"$dir/anna"
socat -t 0.2 - "TCP:$at" <"$dir/ben" >"$dir/ben.out" &
pids="$pids $!"
exec 4>"$dir/ben"
echo anna >&3
hears anna 'anna: is here'
echo ben >&4
hears anna 'ben: is here'
printf 'hel' >&3
echo lo >&3
hears ben 'anna: hello'
exec 4>&-
hears anna 'ben: left'
