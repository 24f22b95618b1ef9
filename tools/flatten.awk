# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# Prints the headers that it is told of (variables `first`, names as in an
# include, and `path`, folders to look in) and, each once and in its place,
# those of ours that they include. Headers in `known` are taken as printed.

function find(name,   i, line) {
  for (i = 1; i <= folders; i++)
    if ((getline line <(folder[i] "/" name)) > 0) {
      close(folder[i] "/" name)
      return folder[i] "/" name
    }
  return ""
}
function flatten(name,   file, line, other) {
  if (name in seen) return
  seen[name] = 1
  file = find(name)
  if (file == "") { print "no header " name >"/dev/stderr"; exit 1 }
  while ((getline line <file) > 0) {
    if (line ~ /^[ \t]*#[ \t]*include[ \t]+("|<tenon\/)/) {
      other = line
      sub(/^[^"<]*["<]/, "", other)
      sub(/[">].*/, "", other)
      flatten(other)
    } else
      print line
  }
  close(file)
}
BEGIN {
  folders = split(path, folder, " ")
  n = split(known, name, " ")
  for (i = 1; i <= n; i++) seen[name[i]] = 1
  n = split(first, name, " ")
  for (i = 1; i <= n; i++) flatten(name[i])
}
