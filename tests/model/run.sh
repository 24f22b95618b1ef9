#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# Checks tests/model/wake.pml with spin: the protocol as it is holds in every
# interleaving, and each variant with one step taken out does not.

set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
for tool in spin cc; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "model: skipped, there is no $tool"
    exit 77
  }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

fail() {
  printf 'model: %s\n' "$*" >&2
  cat check.log >&2
  exit 1
}

# check [-DVARIANT]: the whole search, or up to the first error.
check() {
  {
    spin -a "$@" "$here/wake.pml" &&
      cc -O0 -w -DSAFETY -o pan pan.c &&
      ./pan -m100000
  } >check.log 2>&1 || fail "wake $* could not be checked"
  ! grep -q 'max search depth too small\|out of memory' check.log ||
    fail "wake $*: the search was cut short"
}

check
grep -q 'errors: 0' check.log || fail 'the wake protocol has a fault'
states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' check.log)
echo "ok wake: $states states"
for variant in FENCE_OUT CLEAR_FIRST NO_LOOK WAKE_FIRST; do
  grep -q "ifdef $variant" "$here/wake.pml" || fail "no variant $variant"
  check "-D$variant"
  grep -q 'errors: 1' check.log || fail "$variant is not noticed"
  echo "ok wake without it: $variant fails"
done
