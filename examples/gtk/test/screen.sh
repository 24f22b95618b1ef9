#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# Sourced by the tests, with the program as $1: a screen without a monitor, a
# home without settings, and hands and eyes for the window (xdotool, import).
# Pictures go to $TENON_PICTURES, if that is set.
set -eu

for tool in Xvfb xdotool import socat; do
  command -v $tool >/dev/null 2>&1 || {
    echo "$tool is not installed"
    exit 77
  }
done
dir=$(mktemp -d)
pids=''
# shellcheck disable=SC2317,SC2329 # the trap calls it
finish() {
  exec 3>&-
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  wait
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "$*" >&2
  echo '--- log' >&2
  grep -v '^frames' "$dir/log" | tail -n 20 >&2 || :
  cat "$dir/err" >&2
  exit 1
}

unset WAYLAND_DISPLAY
# GTK and fontconfig keep what they made; the shims' own tests look for leaks.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
export HOME="$dir" XDG_RUNTIME_DIR="$dir" XDG_DATA_HOME="$dir" \
  XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" GSETTINGS_BACKEND=memory \
  GTK_A11Y=none GDK_BACKEND=x11 GSK_RENDERER=cairo GTK_THEME=Adwaita \
  LC_ALL=C.UTF-8

# screen SIZE: its number comes from the server itself.
screen() {
  Xvfb -displayfd 5 -screen 0 "$1x24" -nolisten tcp \
    5>"$dir/display" >"$dir/xvfb.log" 2>&1 &
  pids="$pids $!"
  until [ -s "$dir/display" ]; do
    kill -0 $! 2>/dev/null || fail "no screen: $(cat "$dir/xvfb.log")"
    sleep 0.02
  done
  DISPLAY=:$(cat "$dir/display")
  export DISPLAY
}

# says LINE, matches REGEX: waits until the program has; ctest has the limit.
says() {
  until grep -qxF -- "$1" "$dir/log"; do
    kill -0 "$window" 2>/dev/null || fail "it ended before it said: $1"
    sleep 0.02
  done
}
matches() {
  until grep -qxE -- "$1" "$dir/log"; do
    kill -0 "$window" 2>/dev/null || fail "it ended before it said: $1"
    sleep 0.02
  done
}

# Where a widget is: the last place that was told, once it has been laid out.
place() {
  until grep -E "^place $1 " "$dir/log" | grep -qvE ' 5 (5|51)$'; do
    sleep 0.02
  done
  sed -n "s/^place $1 //p" "$dir/log" | tail -n 1
}
# click WIDGET [WINDOW]
click() {
  at=$(place "$1")
  # shellcheck disable=SC2086
  xdotool mousemove ${2:+--window "$2"} $at click 1
}
# Title -> id, once it is on the screen.
window_of() {
  until xdotool search --onlyvisible --name "$1" 2>/dev/null; do
    sleep 0.02
  done
}
picture() {
  [ -z "${TENON_PICTURES:-}" ] ||
    import -window root -depth 8 +dither -colors 64 "$TENON_PICTURES/$1.png"
}

# host PROGRAM: the window is there, and in its own chat, at $address.
# shellcheck disable=SC2034 # by those who source this
host() {
  : >"$dir/log"
  "$1" --host tcp:127.0.0.1:0 --name anna --folder "$dir" --log \
    >"$dir/log" 2>"$dir/err" &
  window=$!
  pids="$pids $window"
  says joined
  address=$(sed -n 's/^at //p' "$dir/log")
  place entry >/dev/null
}
