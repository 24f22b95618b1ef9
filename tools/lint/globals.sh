#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# No mutable globals but those of globals.allow: every object in .data, .bss,
# .tdata or .tbss of our archives. Tables in .data.rel.ro are constant.
. "$(dirname -- "$0")/../lint-lib.sh"
tool objdump
allow=tools/lint/globals.allow

built 'libtenon*.a' 'static libraries'
while IFS= read -r lib; do
  # flags take columns 18-24; then: section, size, name
  objdump -t "$lib" | grep -E '^[0-9a-f]{16} ' | cut -c18- |
    awk -v lib="$lib" '
      { debug = substr($0, 6, 1) == "d"; $0 = substr($0, 8) }
      debug || $1 ~ /^\.data\.rel\.ro/ { next }
      $1 ~ /^\.(data|bss|tdata|tbss)($|\.)/ || $1 == "*COM*" {
        print ($1 ~ /^\.t/ ? "tls" : "global"), $NF, lib
      }' >>"$tmp/all"
done <"$tmp/files"
grep -v '^#' "$allow" | sed '/^$/d' >"$tmp/allow"
awk 'FNR == NR { ok[$1 " " $2]; next }
  !(($1 " " $2) in ok) { print $3 ": " $1 " " $2 }' \
  "$tmp/allow" "$tmp/all" >"$tmp/found"
verdict "$tmp/found" "$(count "$tmp/files") libraries, $(count "$tmp/allow") \
names allowed" "mutable globals that $allow does not name"
