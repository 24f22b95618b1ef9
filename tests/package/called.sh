#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# called.sh BUILD: every function that a library of ours exports is called by
# some test, ours or the conformance suite's. Read from the tests' objects, so
# that a name in a comment or in another library does not count.
set -eu

build=$1
command -v nm >/dev/null 2>&1 || {
  echo 'nm is not installed (Debian: binutils)'
  exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# NAME REASON: functions that no test can call.
cat >"$tmp/exceptions" <<'EXCEPTIONS'
EXCEPTIONS

find "$build" -name 'libtenon*.so' >"$tmp/libraries"
while IFS= read -r library; do
  nm -D --defined-only "$library" | sed -n 's/.* T \(tenon_[a-z0-9_]*\).*/\1/p'
done <"$tmp/libraries" | LC_ALL=C sort -u >"$tmp/exported"
find "$build" \( -path '*/test-*.dir/*.o' -o -path '*/tenon_fixture_*.dir/*.o' \
  -o -path '*/tenon-conformance-lib.dir/*.o' \) >"$tmp/objects"
if [ ! -s "$tmp/exported" ] || [ ! -s "$tmp/objects" ]; then
  echo "found no libraries, or no tests, in $build" >&2
  exit 1
fi
xargs nm -u <"$tmp/objects" | sed -n 's/.* U \(tenon_[a-z0-9_]*\).*/\1/p' |
  LC_ALL=C sort -u >"$tmp/called"
cut -d ' ' -f 1 "$tmp/exceptions" | LC_ALL=C sort >"$tmp/excepted"

status=0
LC_ALL=C comm -23 "$tmp/exported" "$tmp/called" |
  LC_ALL=C comm -23 - "$tmp/excepted" >"$tmp/found"
while IFS= read -r name; do
  echo "no test calls $name" >&2
  status=1
done <"$tmp/found"
LC_ALL=C comm -12 "$tmp/called" "$tmp/excepted" >"$tmp/stale"
while IFS= read -r name; do
  echo "an exception, but there is a test that calls it: $name" >&2
  status=1
done <"$tmp/stale"
[ "$status" -ne 0 ] ||
  echo "$(wc -l <"$tmp/exported") functions, each called by a test"
exit "$status"
