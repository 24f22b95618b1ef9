#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# complete.sh BUILD SOURCE: every function that a library exports, and every
# type of callback and slot of a table in the public headers, has a row in the
# re-entrancy matrix or is left out with a reason. Nothing else has.
set -eu

build=$1
cd "$2"
command -v nm >/dev/null 2>&1 || {
  echo 'nm is not installed (Debian: binutils)'
  exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
LC_ALL=C
export LC_ALL

find "$build" -name 'libtenon*.so' >"$tmp/libraries"
while IFS= read -r library; do
  nm -D --defined-only "$library" | sed -n 's/.* T \(tenon_[a-z0-9_]*\).*/\1/p'
done <"$tmp/libraries" >"$tmp/functions"

# Function types are declared as typedef RESULT name_fn(...); slots as
# RESULT (*name)(...) within typedef struct tenon_x_ops.
find include adapters protocols shims -path '*include/tenon/*' -name '*.h' \
  2>/dev/null >"$tmp/headers" || :
xargs cat <"$tmp/headers" >"$tmp/text"
grep -oE '\btenon_[a-z0-9_]+_fn\(' "$tmp/text" | tr -d '(' >"$tmp/callbacks" ||
  :
awk '
  /^typedef struct tenon_[a-z0-9_]*_ops \{/ { table = $3 }
  /^\}/ { table = "" }
  table != "" && match($0, /\(\*[a-z0-9_]+\)\(/) {
    print table "." substr($0, RSTART + 2, RLENGTH - 4)
  }' "$tmp/text" >>"$tmp/callbacks"
for list in functions callbacks; do
  sort -u -o "$tmp/$list" "$tmp/$list"
  [ -s "$tmp/$list" ] || {
    echo "found no $list" >&2
    exit 1
  }
done
cat "$tmp/functions" "$tmp/callbacks" >"$tmp/wanted"

"$build/tenon-matrix" --names >"$tmp/names"
sed -n 's/^call //p; s/^callback //p' "$tmp/names" | grep '^tenon_' |
  sort -u >"$tmp/rows"
sed -n 's/^excluded //p' "$tmp/names" >"$tmp/excluded"
# A star stands for any end.
sed 's/\./\\./g; s/\*/.*/g; s/^/^/; s/$/$/' "$tmp/excluded" >"$tmp/patterns"

{
  grep -vxFf "$tmp/rows" "$tmp/wanted" | grep -vf "$tmp/patterns" |
    sed 's/^/has no row and no reason: /' || :
  grep -vxFf "$tmp/wanted" "$tmp/rows" |
    sed 's/^/has a row, but does not exist: /' || :
  while IFS= read -r pattern; do
    grep -q "$pattern" "$tmp/wanted" ||
      echo "leaves out what does not exist: $pattern"
  done <"$tmp/patterns"
} >"$tmp/found"
if [ -s "$tmp/found" ]; then
  cat "$tmp/found" >&2
  exit 1
fi
echo "$(wc -l <"$tmp/functions") functions and" \
  "$(wc -l <"$tmp/callbacks") callbacks are in the matrix, or left out by rule"
