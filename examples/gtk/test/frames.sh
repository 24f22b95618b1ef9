#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# frames.sh PROGRAM CROWD: the window is painted as often while 2,000
# connections are busy as it is without them. Half as often will do, on a
# machine that has other things to do; a window that starves has a few per cent
# of its frames.
. "$(dirname -- "$0")/screen.sh"

# shellcheck disable=SC3045 # dash and bash have it
ulimit -n 4096 2>/dev/null || {
  echo 'not so many descriptors'
  exit 77
}
screen 640x480
host "$1"

# frames SECONDS: how many were painted in as many reports from now on.
frames() {
  from=$(grep -c '^frames' "$dir/log" || :)
  until [ "$(grep -c '^frames' "$dir/log")" -ge $((from + $1)) ]; do
    sleep 0.1
  done
  grep '^frames' "$dir/log" | tail -n +$((from + 1)) | head -n "$1" |
    awk '{ n += $2; us[NR] = $3 } END { print n, us[int((NR + 1) / 2)] }'
}

frames 1 >/dev/null # it has just been opened
idle=$(frames 4)
"$2" "$address" 2000 >"$dir/crowd" &
pids="$pids $!"
until grep -qx 'crowd 2000' "$dir/crowd"; do sleep 0.1; done

# Others may take the machine for some seconds, but not each time.
for attempt in 1 2 3; do
  before=$(sed -n 's/^served //p' "$dir/crowd" | tail -n 1)
  busy=$(frames 4)
  after=$(sed -n 's/^served //p' "$dir/crowd" | tail -n 1)
  served=$((${after:-0} - ${before:-0}))
  echo "idle: ${idle% *} frames in 4 s, every ${idle#* } us"
  echo "busy: ${busy% *} frames in 4 s, every ${busy#* } us; $served lines"
  [ "$served" -ge 4000 ] || fail 'the connections starve'
  [ $((2 * ${busy% *})) -lt "${idle% *}" ] || exit 0
done
fail "the window starves, $attempt times"
