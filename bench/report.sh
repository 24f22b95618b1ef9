#!/bin/sh
# Copyright the Tenon authors.
# SPDX-License-Identifier: MIT
#
# bench/report.sh BUILD_DIR [--pairs N] [--seconds S] [--out DIR]
# Measures everything and writes docs/bench/figures.md and its charts (SVG, by
# gnuplot), with the machine, the versions, the command and the date on each.
set -eu

top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
usage='usage: bench/report.sh BUILD_DIR [--pairs N] [--seconds S] [--out DIR]'
[ $# -ge 1 ] || { echo "$usage" >&2; exit 2; }
build=$1
shift
pairs=11
seconds=0.5
out="$top/docs/bench"
while [ $# -gt 0 ]; do
  case "$1" in
  --pairs) pairs=$2 ;;
  --seconds) seconds=$2 ;;
  --out) out=$2 ;;
  *) echo "$usage" >&2; exit 2 ;;
  esac
  shift 2
done

bench=''
for program in "$build/bench/tenon-bench" "$build/tenon-bench"; do
  [ ! -x "$program" ] || bench=$program
done
[ -n "$bench" ] || { echo "report.sh: no tenon-bench in $build" >&2; exit 1; }
command -v gnuplot >/dev/null || { echo 'report.sh: no gnuplot' >&2; exit 1; }
mkdir -p "$out"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

version() { pkg-config --modversion "$1" 2>/dev/null || echo none; }
cpu=$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)
machine="$(nproc) CPUs ($cpu), $(. /etc/os-release && echo "$PRETTY_NAME"),"
machine="$machine Linux $(uname -r)"
versions="libuv $(version libuv), libevent $(version libevent),"
versions="$versions GLib $(version glib-2.0), $(gcc --version | head -n 1)"
tree=$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)
date=$(date -u +%Y-%m-%d)
load=$(cut -d' ' -f1 /proc/loadavg)

# field NAME < a line of JSON
fields() {
  awk -v want="$1" 'BEGIN { n = split(want, names, ",") } {
    line = ""
    for (i = 1; i <= n; i++) {
      value = $0
      if (!sub(".*\"" names[i] "\":", "", value)) { value = "-" }
      if (value ~ /^"/) { sub(/^"/, "", value); sub(/".*/, "", value) }
      else { sub(/[,}].*/, "", value) }
      line = line (i > 1 ? "\t" : "") value
    }
    print line
  }'
}

"$bench" pairs --pairs "$pairs" --seconds "$seconds" --json >"$tmp/pairs"
fields 'row,native_us,tenon_us,ratio,ratio_min,ratio_max,target,p99_ratio,throughput_ratio,void_pairs,verdict' \
  <"$tmp/pairs" >"$tmp/pairs.tsv"
for size in 65536 1048576; do
  "$bench" pairs --pairs "$pairs" --seconds "$seconds" --size "$size" \
    --json k=1 >"$tmp/size"
  fields 'row,native_us,tenon_us,ratio,ratio_min,ratio_max,throughput_ratio' \
    <"$tmp/size" | grep -v idle | sed "s/^/$size bytes, /" >>"$tmp/sizes.tsv"
done
"$bench" watches --json >"$tmp/watches"
fields 'side,create,create min,create max,invoke,invoke min,invoke max,destroy,destroy min,destroy max' \
  <"$tmp/watches" >"$tmp/watches.tsv"
"$bench" calls --json >"$tmp/calls"
"$bench" wake --json >>"$tmp/calls"
sed 's/"there and back/"each/g' "$tmp/calls" |
  fields 'side,each,each min,each max' >"$tmp/calls.tsv"
"$bench" switch --json |
  sed 's/"with one/"one/g; s/"with 1,000/"many/g' |
  fields 'side,one,one min,one max,many,many min,many max' >"$tmp/switch.tsv"
"$bench" tasks >"$tmp/tasks"
"$bench" timers >"$tmp/timers"

# chart FILE TITLE YLABEL DATA COLUMN1 NAME1 COLUMN2 NAME2
chart() {
  gnuplot <<PLOT
set terminal svg size 1000,480 font 'sans,12' background 'white'
set output '$out/$1'
set title "$2\n{/*0.75 $machine; $versions; $tree, $date}" noenhanced
set ylabel '$3'
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set logscale y
set grid ytics
set xtics rotate by -35 noenhanced
set datafile separator "\t"
plot '$4' using $5:xtic(1) title '$6' lc rgb '#888888', \
  '' using $7 title '$8' lc rgb '#2b6cb0'
PLOT
}

chart echo.svg 'Server CPU per 64-byte echo, lock-step load' \
  'microseconds' "$tmp/pairs.tsv" 2 'native idiom' 3 'Tenon'
chart watches.svg '16,000 watches: create and invoke' 'nanoseconds each' \
  "$tmp/watches.tsv" 2 'create' 5 'invoke'

{
  cat <<TEXT
# Figures, as measured

Written by \`./dev bench report\`; how it is measured and what it says is in
[README.md](README.md).

- $date, tree $tree
- $machine
- $versions
- \`./dev bench report --pairs $pairs --seconds $seconds\`, load average at the
  start $load

## Echo, microseconds of server CPU

Ratio is native / Tenon, the median of $pairs interleaved pairs. "void" counts
the pairs with p99 above 1.1 or throughput below 0.98 of the native's.

| row | native | Tenon | ratio [min .. max] | target | p99 | throughput | void | |
|---|---|---|---|---|---|---|---|---|
TEXT
  awk -F'\t' -v pairs="$pairs" '{
    printf "| %s | %.2f | %.2f | %.2f [%.2f .. %.2f] | %s | %.2f | %.2f | %s/%s | %s |\n",
      $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, pairs, $11 }' "$tmp/pairs.tsv"
  cat <<'TEXT'

![Server CPU per echo](echo.svg)

## Big messages, one connection

| row | native us | Tenon us | ratio [min .. max] | throughput, Tenon / native |
|---|---|---|---|---|
TEXT
  awk -F'\t' '{ printf "| %s | %.1f | %.1f | %.2f [%.2f .. %.2f] | %.2f |\n",
    $1, $2, $3, $4, $5, $6, $7 }' "$tmp/sizes.tsv"
  cat <<'TEXT'

## Watches, nanoseconds each

16,000 descriptors that are readable; medians of 7 rounds by turns.

| | create [min .. max] | invoke [min .. max] | destroy [min .. max] |
|---|---|---|---|
TEXT
  awk -F'\t' '{ printf "| %s | %.0f [%.0f .. %.0f] | %.0f [%.0f .. %.0f] | %.0f [%.0f .. %.0f] |\n",
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 }' "$tmp/watches.tsv"
  cat <<'TEXT'

![Watches](watches.svg)

## Calls, futures, posts, wake-ups, nanoseconds each

| | median [min .. max] |
|---|---|
TEXT
  awk -F'\t' '{ printf "| %s | %.1f [%.1f .. %.1f] |\n", $1, $2, $3, $4 }' \
    "$tmp/calls.tsv"
  cat <<'TEXT'

## Switches of stacks, nanoseconds each

To one and back, and to each of a thousand and back.

| | one [min .. max] | a thousand [min .. max] |
|---|---|---|
TEXT
  awk -F'\t' '{ printf "| %s | %.1f [%.1f .. %.1f] | %.1f [%.1f .. %.1f] |\n",
    $1, $2, $3, $4, $5, $6, $7 }' "$tmp/switch.tsv"
  cat <<'TEXT'

## Tasks

Nanoseconds each: to wait for what is there already, to be woken among a
thousand that are ready, to hand on to one another, to be made and waited for
(amortised over a thousand). The row "callbacks" of the first table is an echo
by tasks over streams against the one by callbacks.

```
TEXT
  cat "$tmp/tasks"
  cat <<'TEXT'
```

## Timers

```
TEXT
  cat "$tmp/timers"
  printf '```\n'
} >"$out/figures.md"
echo "report.sh: wrote $out/figures.md, echo.svg, watches.svg"
