#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# valgrind.sh PROGRAM...: tests that valgrind has nothing to say of, each
# program in one process.
set -eu

command -v valgrind >/dev/null 2>&1 || {
  echo 'valgrind is not installed'
  exit 77
}
for program in "$@"; do
  CK_FORK=no timeout 120 valgrind -q --error-exitcode=9 \
    --child-silent-after-fork=yes "$program"
done
