#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# window.sh PROGRAM: a user clicks and types, a guest sees it; the guest's
# lines come in, under both kinds of modal dialogs, too; a download has its
# progress shown; the window closes, and so does everything.
. "$(dirname -- "$0")/screen.sh"

screen 640x480
host "$1"

# A guest, who writes by descriptor 3.
mkfifo "$dir/ben"
socat -t 0.2 - "TCP:${address#tcp:}" <"$dir/ben" >"$dir/ben.out" &
guest=$!
pids="$pids $guest"
exec 3>"$dir/ben"
hears() {
  until grep -qxF "$1" "$dir/ben.out"; do sleep 0.02; done
}
echo ben >&3
says 'line * ben is here'
echo 'hello anna' >&3
says 'line ben: hello anna'

# By mouse, and by keys.
click entry
xdotool type --delay 5 'hi ben'
click send
hears 'anna: hi ben'
says 'line anna: hi ben'
xdotool type --delay 5 'can you see this?'
xdotool key Return
hears 'anna: can you see this?'
echo 'yes; and what I write is wrapped where the window ends, however long' \
  'it may be, so that nobody has to scroll to the side' >&3
matches 'line ben: yes; .*'
sleep 0.1 # a frame or two, for the picture
picture window

# A modal dialog; the chat goes on behind it.
click invite
says 'dialog open Invite others'
dialog=$(window_of 'Invite others')
xdotool windowmove --sync "$dialog" 120 150
echo 'while you read that' >&3
says 'line ben: while you read that'
sleep 0.1
picture dialog
click send # it is modal: the window behind it takes no clicks
click close "$dialog"
says 'dialog closed Invite others'

# The end is shown, until somebody scrolls back.
i=0
while [ $i -lt 40 ]; do
  echo "line $i" >&3
  i=$((i + 1))
done
says 'line ben: line 39'
echo 'the last one' >&3
says 'line ben: the last one'
bottom=$(($(place entry | cut -d' ' -f2) - 25))
shown=9999
until [ "$shown" -lt $bottom ] && [ "$shown" -gt $((bottom - 40)) ]; do
  shown=$(place last | cut -d' ' -f2)
  sleep 0.02
done
if grep -q '^follow 0' "$dir/log"; then fail 'it does not show the end'; fi
at=$(place lines)
# shellcheck disable=SC2086
xdotool mousemove $at click 4
says 'follow 0'
# shellcheck disable=SC2086
xdotool mousemove $at click --repeat 40 --delay 10 5
says 'follow 1'

# A download that takes its time.
head -c 100000 /dev/urandom >"$dir/wanted"
cat >"$dir/serve" <<'SERVE'
IFS= read -r request
printf 'HTTP/1.0 200 OK\r\nContent-Length: 100000\r\n\r\n'
for part in 0 1 2 3 4 5 6 7 8 9; do
  dd if="$1/wanted" bs=10000 skip=$part count=1 2>/dev/null
  sleep 0.1
done
SERVE
socat -d -d "TCP-LISTEN:0,bind=127.0.0.1,fork" \
  "SYSTEM:sh $dir/serve $dir" 2>"$dir/server.log" &
pids="$pids $!"
until grep -q 'listening on' "$dir/server.log"; do sleep 0.02; done
port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$dir/server.log")
click url
xdotool type --delay 5 "http://127.0.0.1:$port/a/fetched.bin"
click fetch
matches 'progress 0\.[3-7].*'
picture fetch
says 'progress 1.000'
says "saved as $dir/fetched.bin"
cmp "$dir/wanted" "$dir/fetched.bin" || fail 'it is not what was sent'

# A download that fails: the dialog is a loop inside of a callback.
click url
xdotool key ctrl+a
xdotool type --delay 5 'http://127.0.0.1:1/nobody'
xdotool key Return
says 'dialog open Not fetched'
echo 'there goes your file' >&3
says 'line ben: there goes your file'
if grep -qx 'went on' "$dir/log"; then fail 'the dialog did not wait'; fi
dialog=$(window_of 'Not fetched')
xdotool windowmove --sync "$dialog" 120 150
sleep 0.1
picture failed
click close "$dialog"
says 'went on'

# A second window joins the first one's chat.
"$1" --join "$address" --name carla --log >"$dir/log2" 2>&1 &
second=$!
pids="$pids $second"
says 'line * carla is here'
echo 'welcome carla' >&3
until grep -qx 'line ben: welcome carla' "$dir/log2"; do sleep 0.02; done
kill "$second"
wait "$second" || :
says 'line * carla left'

# The last window closes: the guest is sent away, and the program ends.
xdotool windowfocus --sync "$(window_of '^Chat$')" key ctrl+w
wait "$window" || fail "it ended with $?"
wait "$guest" || :
if [ -s "$dir/err" ]; then fail 'it complained'; fi
