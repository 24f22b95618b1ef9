# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# Prints the lines of an assembler file as strings; comments are left out,
# conditions of the preprocessor stay as they are.

{
  line = $0
  out = ""
  while (line != "") {
    if (comment) {
      if (!(i = index(line, "*/"))) break
      line = substr(line, i + 2)
      comment = 0
    } else if ((i = index(line, "/*"))) {
      out = out substr(line, 1, i - 1)
      line = substr(line, i + 2)
      comment = 1
    } else {
      out = out line
      line = ""
    }
  }
  sub(/[ \t]+$/, "", out)
}
carry || out ~ /^#/ {
  print out
  carry = out ~ /\\$/
  next
}
out != "" {
  gsub(/\\/, "\\\\", out)
  gsub(/"/, "\\\"", out)
  print "\"" out "\\n\""
}
