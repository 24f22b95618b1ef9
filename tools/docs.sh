#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# The reference: build/docs/html/index.html. Fails, with the places, when a
# public symbol is not documented or a reference leads nowhere.
set -eu
cd "$(dirname -- "$0")/.."

out=${1:-build/docs}
rm -rf "$out"
mkdir -p "$out"
version=$(sed -n 's/^  VERSION \([0-9.]*\)$/\1/p' CMakeLists.txt)
status=0
{
  cat docs/Doxyfile
  printf 'PROJECT_NUMBER = %s\nOUTPUT_DIRECTORY = %s\n' "$version" "$out"
  printf 'WARN_LOGFILE = %s/warnings\nINPUT = ' "$out"
  for dir in include/tenon adapters/*/include protocols/*/include \
    shims/*/include tests/conformance/include docs; do
    [ ! -d "$dir" ] || printf '%s ' "$dir"
  done
  printf 'README.md INTEROP.md CHANGELOG.md CONTRIBUTING.md STYLE.md \
SECURITY.md\n'
} | doxygen - >"$out/log" 2>&1 || status=$?
sed "s|^$PWD/||" "$out/warnings" | sort -u
[ "$status" -eq 0 ] || [ -s "$out/warnings" ] || cat "$out/log"
exit "$status"
