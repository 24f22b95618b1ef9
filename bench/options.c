/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The command line. Counts are plain numbers; what is out of range is said
 * and refused, not corrected. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPT_HOST = 256,
    OPT_IMPL,
    OPT_CONNS,
    OPT_IDLE,
    OPT_BATCH,
    OPT_SIZE,
    OPT_SECONDS,
    OPT_CPUS,
    OPT_JSON,
    OPT_PAIRS,
    OPT_QUICK,
    OPT_ALL,
    OPT_NULL,
    OPT_CHECK
};

static const struct option table[] = {
    {"host", required_argument, NULL, OPT_HOST},
    {"impl", required_argument, NULL, OPT_IMPL},
    {"conns", required_argument, NULL, OPT_CONNS},
    {"idle", required_argument, NULL, OPT_IDLE},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"size", required_argument, NULL, OPT_SIZE},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"json", no_argument, NULL, OPT_JSON},
    {"pairs", required_argument, NULL, OPT_PAIRS},
    {"quick", no_argument, NULL, OPT_QUICK},
    {"all", no_argument, NULL, OPT_ALL},
    {"null", no_argument, NULL, OPT_NULL},
    {"check", no_argument, NULL, OPT_CHECK},
    {0},
};

static const char help[] =
    "usage: tenon-bench NAME [options]\n"
    "  --host H      native, libuv, libevent, glib (native)\n"
    "  --impl I      tenon, native, native-fd, raw (tenon): see below\n"
    "  --conns N     connections that speak (--batch, or 50)\n"
    "  --idle N      connections that never do (0)\n"
    "  --batch K     echoes under way at a time (--conns)\n"
    "  --size N      bytes of a message (64)\n"
    "  --seconds S   the window (1)\n"
    "  --cpus C      shared: client and server take turns on one CPU;\n"
    "                split: one each (shared)\n"
    "  --json        one line\n"
    "pairs [ROW] compares interleaved runs; ROW is part of a row's name\n"
    "  --pairs N     pairs a row (11)\n"
    "  --quick       3 pairs of 0.3 seconds\n"
    "  --all         more rows: the raw loop against every host, and the\n"
    "                hosts' one-watch-per-descriptor servers\n"
    "  --null        each baseline against itself: the machine's own noise\n"
    "hold [HOST] holds 19,000 connections, or --conns, on each host\n"
    "fair measures 2,000 connections, then 5,000, or --conns, for --seconds\n"
    "  --check       fails where no noise of the machine explains it\n";

void bench_usage(void)
{
    (void)fputs(help, stdout);
}

static int refuse(const char *what, const char *value)
{
    fprintf(stderr, "tenon-bench: %s: %s\n", what, value);
    return -1;
}

static int number(size_t *out, const char *text, size_t least)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' ||
        n < least || n > 1UL << 30) {
        return refuse("not a number in range", text);
    }
    *out = n;
    return 0;
}

static int seconds(double *out, const char *text)
{
    char *end;
    double s = strtod(text, &end);
    if (end == text || *end != '\0' || !(s > 0 && s <= 600)) {
        return refuse("not between 0 and 600 seconds", text);
    }
    *out = s;
    return 0;
}

static int cpus(bench_cpus *out, const char *text)
{
    if (strcmp(text, "shared") != 0 && strcmp(text, "split") != 0) {
        return refuse("neither shared nor split", text);
    }
    *out = strcmp(text, "split") == 0 ? BENCH_SPLIT : BENCH_SHARED;
    return 0;
}

static void quick(bench_options *self)
{
    self->pairs = 3;
    self->seconds = 0.3;
}

static int one(bench_options *self, int id, const char *value)
{
    switch (id) {
    case OPT_HOST:
        self->host = value;
        return 0;
    case OPT_IMPL:
        self->impl = value;
        return 0;
    case OPT_CONNS:
        self->conns_given = true;
        return number(&self->conns, value, 1);
    case OPT_IDLE:
        return number(&self->idle, value, 0);
    case OPT_BATCH:
        return number(&self->batch, value, 1);
    case OPT_SIZE:
        return number(&self->size, value, 1);
    case OPT_SECONDS:
        return seconds(&self->seconds, value);
    case OPT_CPUS:
        return cpus(&self->cpus, value);
    case OPT_JSON:
        self->json = true;
        return 0;
    case OPT_PAIRS:
        return number(&self->pairs, value, 1);
    case OPT_QUICK:
        quick(self);
        return 0;
    case OPT_ALL:
        self->all = true;
        return 0;
    case OPT_NULL:
        self->null_test = true;
        return 0;
    case OPT_CHECK:
        self->check = true;
        return 0;
    default:
        return -1;
    }
}

/* Given one of conns and batch, the other is the same. */
static int complete(bench_options *self)
{
    if (self->conns == 0) {
        self->conns = self->batch == 0 ? 50 : self->batch;
    }
    if (self->batch == 0) {
        self->batch = self->conns;
    }
    return self->batch <= self->conns
               ? 0
               : refuse("more echoes under way than connections", "--batch");
}

int bench_options_parse(bench_options *self, int argc, char **argv)
{
    *self = (bench_options){.host = "native",
                            .impl = "tenon",
                            .size = 64,
                            .seconds = 1,
                            .pairs = 11};
    for (int id; (id = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (one(self, id, optarg) != 0) {
            return -1;
        }
    }
    if (optind == argc) {
        return refuse("which bench?", "NAME");
    }
    self->name = argv[optind++];
    self->filter = optind < argc ? argv[optind++] : "";
    return optind < argc ? refuse("one word too many", argv[optind])
                         : complete(self);
}
