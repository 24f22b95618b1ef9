#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Each source file says its licence in its first lines.
. "$(dirname -- "$0")/../lint-lib.sh"

files '*.c' '*.h' '*.S' '*.sh' '*.py' '*.cmake' '*CMakeLists.txt' '*.cc' \
  dev .ci/run cmake/tenon.map >"$tmp/files"
input "$tmp/files" 'sources'
[ -f LICENSES/MIT.txt ] || bad 'LICENSES/MIT.txt is missing'
tag='SPDX-License-Identifier:'
while IFS= read -r file; do
  head -n 5 "$file" | grep -q "$tag MIT" ||
    echo "$file: no $tag MIT in its first 5 lines"
done <"$tmp/files" >"$tmp/found"
verdict "$tmp/found" "$(count "$tmp/files") files" 'files without a licence'
