#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# cppcheck over the product's sources.
. "$(dirname -- "$0")/../lint-lib.sh"
tool cppcheck

product | grep '\.c$' >"$tmp/files" || :
input "$tmp/files" 'sources'
for dir in adapters/*/include protocols/*/include shims/*/include; do
  [ ! -d "$dir" ] || set -- "$@" -I "$dir"
done
[ $# -eq 0 ] || shift # the build directory
cppcheck --quiet --std=c11 --language=c --platform=unix64 \
  --enable=warning,performance,portability --inline-suppr \
  --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
  --suppress=preprocessorErrorDirective -D__x86_64__ -D__linux__ -D__GNUC__ \
  -D_GNU_SOURCE -DTENON_BUILDING -I include -I core "$@" \
  -j "$(nproc)" --template='{file}:{line}: {id}: {message}' \
  --file-list="$tmp/files" >"$tmp/found" 2>&1 || :
verdict "$tmp/found" "$(count "$tmp/files") sources" 'findings'
