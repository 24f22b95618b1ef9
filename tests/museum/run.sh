#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# The bug museum: each NN-name.patch puts a bug that others shipped into this
# tree, and the test that it names must fail. Only a copy of the file is
# patched; it is compiled as the build directory would, and linked with all
# else that is built already. So one exhibit costs one file and one link.
#
# A patch begins with lines `Word: text`, then a line `---`:
#   Rule  the rule that makes the bug impossible
#   Bug   whose it was
#   Test  a test of ctest and a case of it, which must be what fails:
#         `conformance-HOST ID`, or, of a program with Check, `TEST NAME`
#   Why   what to look at

set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

usage() {
  cat >&2 <<'HELP'
usage: run.sh --check            do all patches apply, are they well described?
       run.sh BUILD_DIR [N...]   run the exhibits of these numbers
       run.sh BUILD_DIR --sample COUNT [SEED]
       run.sh BUILD_DIR --all
HELP
  exit 2
}

fail() {
  printf 'museum: %s\n' "$*" >&2
  exit 1
}

command -v patch >/dev/null 2>&1 || {
  echo 'museum: skipped, there is no patch(1)'
  exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

field() { # PATCH WORD
  sed -n "/^---\$/q;s/^$2: *//p" "$1"
}

sources() { # PATCH: what it changes
  sed -n 's|^+++ b/||p' "$1"
}

# Leaves the patched files in $tmp/tree.
apply() { # PATCH
  rm -rf "$tmp/tree" "$tmp/made"
  mkdir -p "$tmp/tree" "$tmp/made"
  for source in $(sources "$1"); do
    mkdir -p "$tmp/tree/$(dirname "$source")"
    cp "$top/$source" "$tmp/tree/$source" 2>/dev/null || return 1
  done
  patch -s -p1 --no-backup-if-mismatch -d "$tmp/tree" <"$1" \
    >"$tmp/log" 2>&1
}

check_one() { # PATCH
  name=$(basename "$1" .patch)
  for word in Rule Bug Test Why; do
    [ -n "$(field "$1" "$word")" ] || echo "$name: has no line $word:"
  done
  case $(field "$1" Test) in
  *' '*) ;;
  *) echo "$name: Test: wants a test and a case" ;;
  esac
  [ -n "$(sources "$1")" ] || echo "$name: changes nothing"
  for source in $(sources "$1"); do
    case $source in
    *.c) ;;
    *) echo "$name: $source: only .c files can be replaced" ;;
    esac
  done
  apply "$1" || {
    echo "$name: no longer applies; make the bug again, in what the code is now:"
    sed 's/^/    /' "$tmp/log"
  }
}

check_all() {
  for patch in "$here"/[0-9]*.patch; do
    check_one "$patch"
  done >"$tmp/found"
  [ ! -s "$tmp/found" ] || {
    cat "$tmp/found"
    fail 'some patches are wrong'
  }
  set -- "$here"/[0-9]*.patch
  echo "$# exhibits, all apply"
}

# ---- building ----

rule() { # TARGET: the command that makes it
  ninja -C "$build" -t commands "$1" | tail -n 1
}

outputs() { # FILE: what is made of it
  ninja -C "$build" -t query "$1" 2>/dev/null |
    sed -n '/^  outputs:/,$s/^    //p'
}

in_build() { # COMMAND
  (cd "$build" && sh -c "$1") >"$tmp/log" 2>&1
}

# Compiles the patched file into $tmp/made, and links its libraries there.
make_file() { # SOURCE
  object=$(outputs "$top/$1" | grep '\.o$' | head -n 1)
  [ -n "$object" ] || fail "$build does not build $1"
  made="$tmp/made/$(basename "$object")"
  in_build "$(rule "$object" | sed "s| -o $object | -o $made |
    s| -MF [^ ]*| -MF $tmp/made/d|; s| -c $top/$1| -c $tmp/tree/$1|
    s|\$| -Wno-error -I$(dirname "$top/$1")|")" || return 1
  for library in $(outputs "$object" | grep '\.so\.'); do
    command=$(rule "$library")
    soname=$(printf '%s\n' "$command" | sed 's/.*-soname,\([^ ]*\) .*/\1/')
    in_build "$(printf '%s\n' "$command" | sed "s| $object | $made |
      s| -o $library | -o $tmp/made/$soname |")" || return 1
  done
}

# A program that links an archive takes the patched objects before it.
make_program() { # PROGRAM
  command=$(rule "$1")
  case $command in
  *' libtenon.a '*) ;;
  *) return 0 ;;
  esac
  objects=$(find "$tmp/made" -name '*.o' | tr '\n' ' ')
  in_build "$(printf '%s\n' "$command" | sed "s| -o $1 | $objects -o \
$tmp/made/program |")"
}

# ---- running ----

program_of() { # TEST
  case $1 in
  conformance-*) echo tenon-conformance ;;
  *) ninja -C "$build" -t targets all | sed -n "s|^\(.*/\)\{0,1\}test-$1: .*|\
\1test-$1|p" | grep -v 'CMakeFiles\|order_depends' | sort -u |
    while IFS= read -r found; do
      [ ! -f "$build/$found" ] || echo "$found"
    done ;;
  esac
}

# Runs one case: 0 it passed, 1 it failed, 2 something else happened.
run_case() { # PROGRAM TEST CASE
  status=0
  set -- "$@" ''
  case $2 in
  conformance-*)
    set -- "$1" "$2" "$3" --host "${2#conformance-}" --only "$3"
    good="^ok $3 "
    wrong="^not ok $3 "
    ;;
  *)
    set -- "$1" "$2" "$3"
    good='^100%: '
    wrong=":[EF]:[^:]*:$3:"
    ;;
  esac
  shift 3
  LD_LIBRARY_PATH="$tmp/made" timeout -k 5 "$limit" "$program" "$@" \
    >"$tmp/out" 2>&1 </dev/null || status=$?
  if [ "$status" -eq 0 ] && grep -q "$good" "$tmp/out"; then
    return 0
  elif [ "$status" -ne 0 ] && grep -q "$wrong" "$tmp/out"; then
    return 1
  fi
  return 2
}

show_log() { # FILE
  tail -n 15 "$1" | sed 's/^/    /'
}

# The test as it is passes: asked once for each test.
passes_unpatched() { # PROGRAM TEST CASE
  grep -qxF "$2 $3" "$tmp/passed" && return 0
  program="$build/$1"
  rm -rf "$tmp/made"
  run_case "$@" || return 1
  echo "$2 $3" >>"$tmp/passed"
}

show_one() { # PATCH
  name=$(basename "$1" .patch)
  test=$(field "$1" Test)
  case=${test#* }
  test=${test%% *}
  exe=$(program_of "$test")
  if [ -z "$exe" ] || [ ! -f "$build/$exe" ]; then
    echo "not ok $name: $build has no test $test"
    return 1
  fi
  passes_unpatched "$exe" "$test" "$case" || {
    echo "not ok $name: $test $case does not pass without the patch"
    show_log "$tmp/out"
    return 1
  }
  apply "$1" || {
    echo "not ok $name: the patch no longer applies"
    show_log "$tmp/log"
    return 1
  }
  for source in $(sources "$1"); do
    make_file "$source" || {
      echo "not ok $name: $source does not build"
      show_log "$tmp/log"
      return 1
    }
  done
  make_program "$exe" || {
    echo "not ok $name: $exe does not link"
    show_log "$tmp/log"
    return 1
  }
  program="$build/$exe"
  [ ! -f "$tmp/made/program" ] || program="$tmp/made/program"
  result=0
  run_case "$exe" "$test" "$case" || result=$?
  case $result in
  1) echo "ok $name: $test $case fails" ;;
  0) echo "not ok $name: the bug survives $test $case" && return 1 ;;
  *)
    echo "not ok $name: $test failed, but not in $case"
    show_log "$tmp/out"
    return 1
    ;;
  esac
}

# sample COUNT SEED: that many of the patches.
sample() {
  for patch in "$here"/[0-9]*.patch; do
    echo "$patch"
  done | awk -v seed="$2" 'BEGIN { srand(seed) } { print rand(), $0 }' |
    sort | head -n "$1" | cut -d ' ' -f 2 | sort
}

[ $# -ge 1 ] || usage
if [ "$1" = --check ]; then
  check_all
  exit 0
fi
build=$(cd "$1" 2>/dev/null && pwd) || fail "there is no directory $1"
shift
[ -f "$build/build.ninja" ] || {
  echo 'museum: skipped, the build is not by Ninja'
  exit 77
}
limit=${TENON_MUSEUM_LIMIT:-60}
[ "${TENON_EXHAUSTIVE:-}" != 1 ] || set -- --all
case ${1:---all} in
--all) list=$(sample 1000 0) ;;
--sample)
  seed=${3:-$(date +%j)}
  echo "seed $seed"
  list=$(sample "${2:-3}" "$seed")
  ;;
*)
  list=''
  for number in "$@"; do
    list="$list $(echo "$here/$number"-*.patch)"
  done
  ;;
esac
touch "$tmp/passed"
failed=0
for patch in $list; do
  [ -f "$patch" ] || fail "there is no $patch"
  show_one "$patch" || failed=$((failed + 1))
done
[ "$failed" -eq 0 ] || fail "$failed exhibit(s) went wrong"
