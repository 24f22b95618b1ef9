#!/bin/sh
# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
# Calls the product does not make: those that leak a descriptor over exec,
# end the process, overrun a buffer or grow the stack.
. "$(dirname -- "$0")/../lint-lib.sh"

product >"$tmp/files"
input "$tmp/files" 'sources'
while IFS= read -r file; do
  # A call is its name at a word's start, not a member, to the next `;`.
  uncomment "$file" | awk -v file="$file" '
    function call(name) {
      return match($0, "(^|[^A-Za-z0-9_.>])" name "[ \t]*[(]")
    }
    function bad(why) { print file ":" FNR ": " why }
    function never(names, why,   list, n, i) {
      n = split(names, list, " ")
      for (i = 1; i <= n; i++) if (call(list[i])) bad(list[i] "(): " why)
    }
    function wants(name, flag) {
      if (call(name)) { open_call = name; open_flag = flag; open_line = FNR; text = "" }
      if (open_call != name) return
      text = text $0
      if ($0 ~ /;/ || FNR - open_line > 8) {
        if (text !~ open_flag) print file ":" open_line ": " name "() without " open_flag
        open_call = ""
      }
    }
    {
      never("accept", "accept4 with SOCK_CLOEXEC")
      never("epoll_create", "epoll_create1")
      never("pipe", "pipe2 with O_CLOEXEC")
      never("dup dup2", "F_DUPFD_CLOEXEC or dup3")
      never("abort exit _exit", "a library does not end the process")
      never("sprintf vsprintf strcpy strcat gets strtok", "no bound")
      never("rand srand random", "getrandom")
      never("alloca setjmp longjmp sigsetjmp siglongjmp", "not here")
      never("gethostbyname inet_ntoa inet_addr", "getaddrinfo, inet_ntop")
      never("signal", "sigaction")
      wants("socket", "SOCK_CLOEXEC")
      wants("socketpair", "SOCK_CLOEXEC")
      wants("accept4", "SOCK_CLOEXEC")
      wants("epoll_create1", "EPOLL_CLOEXEC")
      wants("eventfd", "EFD_CLOEXEC")
      wants("timerfd_create", "TFD_CLOEXEC")
      wants("signalfd", "SFD_CLOEXEC")
      wants("open", "O_CLOEXEC")
      wants("openat", "O_CLOEXEC")
      wants("pipe2", "O_CLOEXEC")
    }
    /^[ \t]*#[ \t]*define[ \t]+_GNU_SOURCE/ { bad("the build defines _GNU_SOURCE") }'
done <"$tmp/files" >"$tmp/found"
# A child that exec fails in has no other way out: `lint: child` says so.
touch "$tmp/kept"
while IFS=: read -r file line why; do
  sed -n "${line}p" "$file" | grep -q 'lint: child' ||
    printf '%s:%s:%s\n' "$file" "$line" "$why" >>"$tmp/kept"
done <"$tmp/found"
verdict "$tmp/kept" "$(count "$tmp/files") files" 'banned calls'
