# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# What Doxygen reads of a public header, line for line:
#   - the paragraph at its top is the file's description;
#   - members after "Private:" are not shown;
#   - macros whose names end with _ are not shown;
#   - `size` is what it is in every struct that begins with it.
# Of a page: links to its own headings, which Doxygen names otherwise, become
# their text.

FILENAME ~ /\.md$/ {
  while (match($0, /\[[^]]*\]\(#[^)]*\)/)) {
    link = substr($0, RSTART + 1, RLENGTH - 1)
    sub(/\].*/, "", link)
    $0 = substr($0, 1, RSTART - 1) link substr($0, RSTART + RLENGTH)
  }
  print
  next
}
/^\/\*$/ && !described { print "/** @file"; described = 1; next }
/^ *\/\* Private: \*\// { hidden = 1; print ""; next }
hidden && /^}/ { hidden = 0 }
hidden { print ""; next }
continued || /^#(define|undef) [A-Z0-9_]*_(\(| |$)/ {
  continued = /\\$/
  print ""
  next
}
/^    uint32_t size;$/ {
  print "    uint32_t size; /**< sizeof the struct, as its user was compiled */"
  next
}
{ print }
