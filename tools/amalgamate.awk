# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# Prints C files as one. First come lines "FILE<tab>NAME" (file `twice`): names
# of that file alone that other files have, too. There NAME becomes
# NAME__of_FILE. Members of structs keep their names: those after . and ->, and
# those declared in a struct, and the second word of offsetof. Our own includes
# are left out, macros of a file end with it.

function suffix(file) {
  sub(/.*\/core\/|^core\/|.*adapters\//, "", file)
  sub(/\.c$/, "", file)
  gsub(/[^A-Za-z0-9]/, "_", file)
  return file
}
function leave(   name) {
  for (name in macros) print "#undef " name
  split("", macros)
}
# Renames in one stretch of code; `before` and the struct's depth carry on.
function rename(code,   out, word, after) {
  out = ""
  while (match(code, /[A-Za-z_][A-Za-z0-9_]*|[^A-Za-z_]/)) {
    word = substr(code, RSTART, RLENGTH)
    code = substr(code, RSTART + RLENGTH)
    if (word ~ /^[A-Za-z_]/) {
      after = code
      sub(/^[ \t]*/, "", after)
      if (word == "offsetof") member = 1
      if ((now, word) in mine && before !~ /(\.|->)$/ && member != 2 &&
          !(inside && depth == inside && after ~ /^[;,\[:)]/))
        out = out word "__of_" suffix(now)
      else
        out = out word
      if (word == "struct" || word == "union") aggregate = 1
      else if (aggregate && after !~ /^\{/) aggregate = 0
      before = word
      continue
    }
    out = out word
    if (word == "," && member == 1) member = 2
    else if (word == ")") member = 0
    if (word == "{") {
      depth++
      if (aggregate && !inside) inside = depth
      aggregate = 0
    } else if (word == "}") {
      if (inside == depth) inside = 0
      depth--
    }
    if (word !~ /[ \t]/) before = (before word)
    if (length(before) > 2 && word !~ /[ \t]/)
      before = substr(before, length(before) - 1)
  }
  return out
}
FILENAME ~ /twice$/ { mine[$1, $2] = 1; next }
FNR == 1 {
  leave()
  now = FILENAME
  depth = inside = aggregate = comment = 0
  before = ""
  printf "\n/* ==== %s ==== */\n\n", now
}
/^[ \t]*#[ \t]*include[ \t]+("|<tenon\/)/ { next }
/^[ \t]*#[ \t]*define/ && now ~ /\.c$/ {
  name = $0
  sub(/^[ \t]*#[ \t]*define[ \t]+/, "", name)
  sub(/[^A-Za-z0-9_].*/, "", name)
  macros[name] = 1
}
/^[ \t]*#[ \t]*undef/ { delete macros[$2] }
{
  line = $0
  out = ""
  while (line != "") {
    if (comment) {
      if (!(i = index(line, "*/"))) { out = out line; break }
      out = out substr(line, 1, i + 1)
      line = substr(line, i + 2)
      comment = 0
    } else if (match(line, /\/\*|"|'/)) {
      start = RSTART
      out = out rename(substr(line, 1, start - 1))
      mark = substr(line, start, 1)
      line = substr(line, start)
      if (mark == "/") { comment = 1; continue }
      pattern = mark == "\"" ? "^\"([^\"\\\\]|\\\\.)*\"" : "^'([^'\\\\]|\\\\.)*'"
      if (!match(line, pattern)) { out = out line; break }
      out = out substr(line, 1, RLENGTH)
      line = substr(line, RLENGTH + 1)
      before = mark
    } else {
      out = out rename(line)
      line = ""
    }
  }
  print out
}
END { leave() }
