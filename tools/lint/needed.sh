#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# libtenon needs libc alone; no library of ours needs a thing it did not name.
. "$(dirname -- "$0")/../lint-lib.sh"
tool readelf

built libtenon.so 'libtenon.so'
lib=$(cat "$tmp/files")
readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$tmp/needed"
input "$tmp/needed" 'needed libraries'
grep -vE '^(libc\.so\.|ld-linux)' "$tmp/needed" |
  sed "s|^|$lib: needs |" >"$tmp/found" || :
verdict "$tmp/found" "libtenon needs $(tr '\n' ' ' <"$tmp/needed")" \
  'libraries besides libc'
