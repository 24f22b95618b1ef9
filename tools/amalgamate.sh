#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# amalgamate.sh [ADAPTER [OUT]]: the core, and one adapter if it is named, as
# two files to copy into a project: OUT/tenon.h and OUT/tenon.c (OUT is
# build/amalgam). Compile with -std=gnu11 and define _GNU_SOURCE.
set -eu
cd "$(dirname -- "$0")/.."

adapter=${1:-}
out=${2:-build/amalgam}
[ -z "$adapter" ] || [ -f "adapters/$adapter/CMakeLists.txt" ] || {
  echo "there is no adapter $adapter" >&2
  exit 1
}
command -v ctags >/dev/null 2>&1 || {
  echo 'ctags is not installed (Debian: universal-ctags)' >&2
  exit 77
}
mkdir -p "$out"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

path='include core'
public="tenon/tenon.h $(cd include && echo tenon/sys/*.h)"
sources=$(find core -name '*.c' | LC_ALL=C sort)
if [ -n "$adapter" ]; then
  path="$path adapters/$adapter/include"
  public="$public $(cd "adapters/$adapter/include" && echo tenon/*.h)"
  sources="$sources $(find "adapters/$adapter" -maxdepth 1 -name '*.c' \
    ! -name fixture.c)"
fi
all=$(cd include && find tenon -name '*.h' | tr '\n' ' ')
private=$(cd core && find . -name '*.h' | sed 's|^\./||' | LC_ALL=C sort |
  tr '\n' ' ')

awk -v path="$path" -v first="$public" -f tools/flatten.awk >"$out/tenon.h"

# Names that more than one file has for itself: ctags, one line for each.
# shellcheck disable=SC2086
ctags --c-kinds=fvesgtu --language-force=C -o - $sources \
  2>/dev/null | awk -F '\t' '$1 !~ /^tenon_/ && $1 !~ /^__anon/ {
    print $2 "\t" $1 }' | LC_ALL=C sort -u >"$tmp/names"
awk -F '\t' 'FNR == NR { count[$2]++; next } count[$2] > 1 { print $1, $2 }' \
  "$tmp/names" "$tmp/names" >"$tmp/twice"
{
  echo '/* Tenon, all in one file: made by tools/amalgamate.sh. */'
  echo '/* Copyright the Tenon authors. SPDX-License-Identifier: MIT */'
  # One object makes one claim. Our switch does not keep a shadow stack, and
  # is left out of one that says it does: -fcf-protection=branch has it.
  echo '#if defined(__CET__) && (__CET__ & 2)'
  echo '#define TENON_CONTEXT_UCONTEXT 1'
  echo '#endif'
  echo '#include "tenon.h"'
  awk -v path="$path" -v first="$private" -v known="$all $public" \
    -f tools/flatten.awk
  # shellcheck disable=SC2086
  awk -f tools/amalgamate.awk "$tmp/twice" $sources
  # Assembler as a string for the compiler's; its conditions stay conditions.
  for file in $(find core -name '*.S' | LC_ALL=C sort); do
    printf '\n/* ==== %s ==== */\n\n__asm__(".pushsection .text\\n"\n' \
      "$file"
    awk -f tools/quote.awk "$file"
    printf '".popsection\\n");\n'
  done
} >"$out/tenon.c"
wc -l "$out/tenon.h" "$out/tenon.c"
