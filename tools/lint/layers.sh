#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Includes point only downward, and no host's header is in the core.
. "$(dirname -- "$0")/../lint-lib.sh"

product >"$tmp/files"
input "$tmp/files" 'sources'
while IFS= read -r file; do
  uncomment "$file" | awk -v file="$file" '
    /^[ \t]*#[ \t]*include/ {
      if (match($0, /[<"][^>"]+[>"]/))
        print file, FNR, substr($0, RSTART, 1) substr($0, RSTART + 1, RLENGTH - 2)
    }'
done <"$tmp/files" >"$tmp/includes"
input "$tmp/includes" 'includes'

# Each line: FILE LINE <header or "header (the closing mark is dropped).
awk '
  BEGIN {
    may["base"] = "base"
    may["loop"] = "base loop"
    may["async"] = "base loop async"
    may["net"] = "base loop async net"
    may["sys"] = "base loop async net sys"
    host["libuv"] = "^<uv([.]h|/)"
    host["libevent"] = "^<(event2/|event[.]h|evutil|evdns|evhttp)"
    host["glib"] = "^<(glib|gio/|gobject/|gtk/|gdk/)"
    host["libev"] = "^<ev[.]h|^<ev[+][+][.]h"
  }
  function bad(why) { print $1 ":" $2 ": " substr($3, 2) ": " why }
  function of_host(header, but,   name) {
    for (name in host)
      if (name != but && header ~ host[name]) return name
    return ""
  }
  {
    split($1, part, "/")
    area = part[1]; folder = part[2]; header = $3
    quoted = header ~ /^"/
    if (header ~ /[.][.]\//) { bad("leaves its folder"); next }
  }
  area == "include" {
    if (quoted) bad("a public header includes <tenon/...>")
    if (of_host(header, "")) bad("a host in a public header of the core")
    next
  }
  area == "core" {
    if (of_host(header, "")) bad("a host in the core")
    if (header ~ /^<tenon\/tenon[.]h/) bad("the umbrella is for users")
    if (quoted && header ~ /\//) {
      split(substr(header, 2), to, "/")
      if (!((" " may[folder] " ") ~ (" " to[1] " ")))
        bad("core/" folder " may include: " may[folder])
    }
    next
  }
  quoted && header ~ /\// { bad("private to another folder") ; next }
  area == "adapters" {
    other = of_host(header, folder)
    if (other) bad("the header of " other)
    next
  }
  area == "protocols" && of_host(header, "") { bad("a protocol names no host") }
  (area == "protocols" || area == "shims") && header ~ /^<tenon\/sys\// {
    bad("tenon/sys/ is for hosts, not for " area)
  }
' "$tmp/includes" >"$tmp/found"
verdict "$tmp/found" "$(count "$tmp/includes") includes" 'wrong includes'
