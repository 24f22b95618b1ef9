#!/bin/sh
# Copyright the Tenon authors.
# SPDX-License-Identifier: MIT
#
# bench/run.sh BUILD_DIR report [...]: see report.sh, else:
# bench/run.sh BUILD_DIR [redis|curl] [--quick] [--pairs N] [--all] [--json] [ROW]
# The table of ratios, native against tenon. ROW is part of a row's name, as
# "gio" or "k=1". The work is done by `tenon-bench pairs`, or, with that word in
# front, `tenon-bench redis`, `curl`, `fair` or `hold`; this finds it.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: bench/run.sh BUILD_DIR [redis|curl] [--quick] [--pairs N] [ROW]" >&2
    exit 2
fi
build=$1
shift
if [ "${1-}" = report ]; then
    shift
    exec "$(dirname -- "$0")/report.sh" "$build" "$@"
fi
bench=pairs
case ${1:-} in redis | curl | fair | hold)
    bench=$1
    shift
    ;;
esac
for program in "$build/bench/tenon-bench" "$build/bin/tenon-bench" \
    "$build/tenon-bench"; do
    if [ -x "$program" ]; then
        exec "$program" "$bench" "$@"
    fi
done
echo "bench/run.sh: no tenon-bench in $build" >&2
exit 1
