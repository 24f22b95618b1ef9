#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# aarch64.sh SOURCE: the tests of contexts and stacks on 64-bit ARM, emulated,
# with our own switch and with swapcontext. What is not the machine's
# (MADV_GUARD_INSTALL) the emulator may lack; the tests see to that.
set -eu

source=$1
cc=aarch64-linux-gnu-gcc
for tool in "$cc" qemu-aarch64 aarch64-linux-gnu-readelf; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "$tool is not installed"
    exit 77
  }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$source"

flags='-std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror
  -mbranch-protection=standard -static
  -Itests/cross -Itests/harness -Icore -Iinclude'
for name in context stack; do
  for kind in ASM UCONTEXT; do
    # shellcheck disable=SC2086
    "$cc" $flags "-DTENON_CONTEXT_$kind" "tests/core/test_$name.c" \
      tests/cross/cross.c tests/harness/heap.c tests/harness/descriptors.c \
      core/async/context*.c core/async/context_aarch64.S core/async/stack.c \
      core/base/memory.c -o "$work/$name-$kind" -lm -lpthread
    echo "== $name, $kind"
    timeout 100 qemu-aarch64 -cpu max "$work/$name-$kind"
  done
done

# Ready for branch targets, no claim on its stack.
"$cc" -c core/async/context_aarch64.S -o "$work/context.o"
aarch64-linux-gnu-readelf -nW "$work/context.o" | grep -q 'BTI' || {
  echo 'the object is not marked for BTI'
  exit 1
}
