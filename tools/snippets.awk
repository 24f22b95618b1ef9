# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# Writes each ```c and ```sh block of the pages it reads to DIR/N, and a line
# "N FILE LINE LANGUAGE MARKER" to DIR/list. The marker is the HTML comment
# directly above the block: <!-- snippet: MARKER -->.

FNR == 1 { marker = ""; inside = 0 }
!inside && /^<!-- snippet: .* -->$/ {
  marker = $0
  sub(/^<!-- snippet: /, "", marker)
  sub(/ -->$/, "", marker)
  next
}
!inside && /^```./ {
  language = substr($0, 4)
  inside = 1
  wanted = language == "c" || language == "sh"
  if (wanted) {
    out = dir "/" (++n)
    printf "" >out
    print n, FILENAME, FNR, language, marker >(dir "/list")
  }
  marker = ""
  next
}
!inside && /^```$/ { inside = 1; wanted = 0; next } # of no language
inside && /^```/ {
  inside = 0
  if (wanted) close(out)
  next
}
inside && wanted { print >out }
!inside && /[^ ]/ { marker = "" }
