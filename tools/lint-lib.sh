# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Shared by tools/lint/*.sh. A check runs as `sh tools/lint/x.sh BUILD_DIR`,
# prints what it found, then one line that says the result, and exits with
# 0 (ok), 1 (failed) or 77 (skipped). No input is a failure, never an ok.

set -eu
cd "$(dirname -- "$0")/../.."
# shellcheck disable=SC2034
build=${1:-build/dev}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# files PATTERN...: our files, new ones included, those removed left out.
files() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -co --exclude-standard -- "$@"
  else
    for pattern in "$@"; do
      find . -path ./build -prune -o -path "./$pattern" -type f -print
    done | sed 's|^\./||'
  fi | sort -u | while IFS= read -r file; do
    [ ! -f "$file" ] || printf '%s\n' "$file"
  done
}

# The C sources of the product: what a user's process will hold.
product() {
  files 'core/*.c' 'core/*.h' 'include/*.h' 'adapters/*.c' 'adapters/*.h' \
    'protocols/*.c' 'protocols/*.h' 'shims/*.c' 'shims/*.h' |
    grep -vE '/tests/|/fixture\.c$' || :
}

tool() {
  command -v "$1" >/dev/null 2>&1 || bad "$1 is not installed"
}

# built PATTERN WHAT: puts our libraries of that name into $tmp/files.
built() {
  [ ! -e "$build/stale" ] || bad 'the libraries did not build'
  [ -d "$build" ] || bad "there is no $build"
  find "$build" -name "$1" | grep -vE '/libtenon(-conformance|_harness)\.a$' |
    sort >"$tmp/files" || :
  input "$tmp/files" "$2"
}

# input FILE WHAT: fail when the list is empty.
input() {
  [ -s "$1" ] || bad "found no $2 to check"
}

good() {
  printf '%s\n' "$*"
  exit 0
}

bad() {
  printf '%s\n' "$*"
  exit 1
}

skip() {
  printf '%s\n' "$*"
  exit 77
}

count() {
  wc -l <"$1" | tr -d ' '
}

# verdict FINDINGS GOOD_TEXT BAD_TEXT: findings are shown, one line each.
verdict() {
  [ -s "$1" ] || good "$2"
  cat "$1"
  bad "$(count "$1") $3"
}

# uncomment FILE: the text with comments and string contents blanked, line
# for line, so that a check does not read prose. Includes keep their names.
uncomment() {
  awk '
    /^[ \t]*#[ \t]*include/ && !inside { print; next }
    {
      out = ""
      n = length($0)
      for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        two = substr($0, i, 2)
        if (inside) {
          if (two == "*/") { inside = 0; i++ }
        } else if (quote != "") {
          if (c == "\\") i++
          else if (c == quote) { quote = ""; out = out c }
        } else if (two == "/*") { inside = 1; i++; out = out " " }
        else if (two == "//") break
        else {
          if (c == "\"" || c == "\047") quote = c
          out = out c
        }
      }
      quote = ""
      print out
    }' "$1"
}
