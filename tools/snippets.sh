#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# snippets.sh BUILD [PAGE...]: the code in the documentation is code. Each
# ```c and ```sh block of the pages is tried, as the comment directly above it
# says, <!-- snippet: ... -->:
#
#   c    nothing                compiles as a translation unit
#        unit NAME...           the same, behind the headers of components
#        fragment NAME...       compiles as the body of a function, behind
#                               tenon.h and the headers of these components
#        program, program run   compiles and links; runs, and ends with 0
#        file PATH              is in that file, line for line
#   sh   nothing                parses
#        run [port=N] [expect=WORD]   runs, and ends with 0; `build/release` is
#                               BUILD, port N a free one; prints WORD
#
# A block for a host that is not here is left out, in one line.
set -eu
cd "$(dirname -- "$0")/.."

build=$1
shift
# shellcheck disable=SC2046 # names of pages hold no spaces
[ $# -gt 0 ] || set -- README.md INTEROP.md CONTRIBUTING.md STYLE.md \
  SECURITY.md $(find docs adapters protocols shims -name '*.md' 2>/dev/null |
    LC_ALL=C sort)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# What compiles and links with each component that is here.
cflags="-std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused
  -Wno-unused-result -Iinclude -Idocs"
libs="-L$build -ltenon"
missing=''
for dir in adapters/* protocols/* shims/*; do
  [ -f "$dir/CMakeLists.txt" ] || continue
  name=${dir##*/}
  needs=$(sed -n 's/.*PKG "\([^"]*\)".*/\1/p' "$dir/CMakeLists.txt" |
    sed 's/[<>=]=*/ & /')
  if [ -e "$build/$dir/libtenon-$name.so" ]; then
    cflags="$cflags -I$dir/include"
    libs="$libs -L$build/$dir -ltenon-$name"
    if [ -n "$needs" ]; then
      cflags="$cflags $(pkg-config --cflags "$needs")"
      libs="$libs $(pkg-config --libs "$needs")"
    fi
  else
    missing="$missing $name"
  fi
done
LD_LIBRARY_PATH=$(printf '%s\n' "$libs" | tr ' ' '\n' | sed -n 's/^-L//p' |
  tr '\n' ':')
export LD_LIBRARY_PATH

compile() { # SOURCE ARGUMENTS...
  source=$1
  shift
  # shellcheck disable=SC2086
  "${CC:-cc}" $cflags -x c "$source" -x none "$@"
}

# What a fragment finds around it: one of everything that pages speak of.
around() {
  echo '#include <tenon/tenon.h>'
  for name in "$@"; do echo "#include <tenon/$name.h>"; done
  echo 'extern tenon_reactor *reactor; extern tenon_transport *transport;'
  echo 'extern tenon_timer timer; extern tenon_watch watch;'
  echo 'extern tenon_inbox *inbox; extern int fd; extern void *user;'
  echo 'extern tenon_factory factory; extern const tenon_error *error;'
  case " $* " in
  *' glib '*) echo 'extern GMainLoop *loop;' ;;
  *' libevent '*) echo 'extern struct event_base *base;' ;;
  esac
}

# Whether file $2 holds the lines of $1 in one piece.
is_in() {
  awk 'FNR == NR { want[++n] = $0; next }
    { have[++m] = $0 }
    END {
      for (i = 0; n && i + n <= m; i++) {
        for (j = 1; j <= n && have[i + j] == want[j]; j++) { }
        if (j > n) exit 0
      }
      exit 1
    }' "$1" "$2"
}

port_that_is_free() {
  port=20000
  while ss -Hltn 2>/dev/null | grep -q ":$port "; do port=$((port + 1)); done
  echo "$port"
}

# Runs a block in a session of its own, which ends with it.
run_sh() { # BLOCK MARKER
  cp "$1" "$tmp/script"
  sed -i "s|build/release|$build|g; s|^\\./dev build\$|:|" "$tmp/script"
  case $2 in
  *port=*)
    port=${2##*port=}
    port=${port%% *}
    sed -i "s/\\b$port\\b/$(port_that_is_free)/g" "$tmp/script"
    ;;
  esac
  setsid timeout -k 1 60 sh -eu "$tmp/script" >"$tmp/said" 2>&1 </dev/null &
  session=$!
  result=0
  wait "$session" || result=$?
  kill -s TERM -- "-$session" 2>/dev/null || :
  cat "$tmp/said"
  case $2 in
  *expect=*)
    word=${2##*expect=}
    grep -qxF "${word%% *}" "$tmp/said" || result=1
    ;;
  esac
  return "$result"
}

# shellcheck disable=SC2086
try() { # BLOCK LANGUAGE MARKER...
  block=$1
  language=$2
  marker=$3
  shift 3
  case $language-$marker in
  sh-) sh -n "$block" ;;
  sh-run) run_sh "$block" "$*" ;;
  c-) compile "$block" -c -o /dev/null ;;
  c-unit)
    { around "$@" && cat "$block"; } >"$tmp/unit"
    compile "$tmp/unit" -c -o /dev/null
    ;;
  c-fragment)
    {
      around "$@"
      echo 'void fragment(void); void fragment(void) {'
      cat "$block"
      echo '}'
    } >"$tmp/unit"
    compile "$tmp/unit" -c -o /dev/null
    ;;
  c-program)
    compile "$block" -o "$tmp/program" $libs
    [ "${1:-}" != run ] || timeout 60 "$tmp/program" </dev/null
    ;;
  c-file) [ -f "$1" ] && is_in "$block" "$1" ;;
  *) echo "unknown marker: $marker" && return 1 ;;
  esac
}

awk -v dir="$tmp" -f tools/snippets.awk "$@"
[ -s "$tmp/list" ] || { echo 'no code in the pages' && exit 1; }
failed=0
left=0
while read -r n file line language marker rest; do
  out=''
  for name in $missing; do
    if grep -q "<tenon/$name\\.h>" "$tmp/$n" || case " $rest " in
      *" $name "*) true ;; *) false ;; esac then
      out=$name
    fi
  done
  if [ -n "$out" ]; then
    echo "skip   $file:$line ($out is not built)"
    left=$((left + 1))
    continue
  fi
  # shellcheck disable=SC2086
  if try "$tmp/$n" "$language" "$marker" $rest >"$tmp/log" 2>&1; then
    echo "ok     $file:$line $language $marker $rest"
  else
    echo "not ok $file:$line $language $marker $rest"
    sed 's/^/    /' "$tmp/log"
    failed=$((failed + 1))
  fi
done <"$tmp/list"
echo "$(wc -l <"$tmp/list") blocks, $failed failed, $left skipped"
[ "$failed" -eq 0 ]
