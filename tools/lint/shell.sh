#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Our shell scripts parse, and shellcheck has nothing to say.
. "$(dirname -- "$0")/../lint-lib.sh"
tool shellcheck

{
  files '*.sh' dev .ci/run
} | sort -u >"$tmp/files"
input "$tmp/files" 'scripts'
xargs shellcheck --format=gcc --exclude=SC1091,SC2154 <"$tmp/files" \
  >"$tmp/found" 2>&1 || :
verdict "$tmp/found" "$(count "$tmp/files") scripts" 'findings'
