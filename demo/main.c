/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * tenon-demo: one chat room on every host loop at once, each in a thread of
 * its own, and the same protocol code on all of them. Scripted clients talk,
 * and tell whether everyone saw every line in one order.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "place.h"

#define CLIENTS_MAX 64
#define LINES_MAX   1000
#define TIMEOUT_MS  8000

typedef struct demo_options {
    bool stay;
    unsigned clients;
    unsigned lines;
    const char *hosts; /* NULL: all */
} demo_options;

/* Every host there is an adapter for; NULL where it was not built. */
static const struct {
    const char *name;
    const demo_host *host;
} known_hosts[] = {
    {"native", &demo_native},
#ifdef TENON_HAVE_LIBUV
    {"libuv", &demo_libuv},
#else
    {"libuv", NULL},
#endif
#ifdef TENON_HAVE_LIBEVENT
    {"libevent", &demo_libevent},
#else
    {"libevent", NULL},
#endif
#ifdef TENON_HAVE_GLIB
    {"glib", &demo_glib},
#else
    {"glib", NULL},
#endif
};

#define HOST_COUNT (sizeof known_hosts / sizeof known_hosts[0])

typedef struct demo {
    demo_options options;
    demo_hall hall;
    demo_place places[HOST_COUNT];
    unsigned count;
} demo;

/* ---- the command line ---- */

static int usage(FILE *out, int code)
{
    (void)fputs(
        "usage: tenon-demo [--stay] [--clients N] [--lines N] [--hosts A,B]\n\n"
        "  --stay       serve until SIGINT or SIGTERM, without clients\n"
        "  --clients N  scripted clients per host (8; at most 64)\n"
        "  --lines N    lines that each of them says (50; at most 1000)\n"
        "  --hosts A,B  of native, libuv, libevent, glib (all)\n",
        out);
    return code;
}

static bool read_number(const char *text, unsigned max, unsigned *out)
{
    char *end = NULL;
    unsigned long value = text != NULL ? strtoul(text, &end, 10) : 0;
    if (value < 1 || value > max || *end != '\0') {
        return false;
    }
    *out = (unsigned)value;
    return true;
}

/* Whether the comma-separated list holds the name; NULL holds all. */
static bool list_has(const char *list, const char *name, size_t len)
{
    while (list != NULL && *list != '\0') {
        size_t item = strcspn(list, ",");
        if (item == len && memcmp(list, name, len) == 0) {
            return true;
        }
        list += item + (list[item] == ',' ? 1 : 0);
    }
    return list == NULL;
}

/* The first name of the list that is no host, or NULL. */
static const char *unknown_host(const char *list)
{
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        bool known = false;
        for (size_t i = 0; i < HOST_COUNT; i++) {
            const char *name = known_hosts[i].name;
            known |= strlen(name) == len && memcmp(name, list, len) == 0;
        }
        if (!known) {
            return list;
        }
        list += len + (list[len] == ',' ? 1 : 0);
    }
    return NULL;
}

static bool read_options(demo_options *options, int argc, char **argv)
{
    *options = (demo_options){.clients = 8, .lines = 50};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool good = false;
        if (strcmp(argv[i], "--stay") == 0) {
            options->stay = true;
            continue;
        }
        if (strcmp(argv[i], "--clients") == 0) {
            good = read_number(value, CLIENTS_MAX, &options->clients);
        } else if (strcmp(argv[i], "--lines") == 0) {
            good = read_number(value, LINES_MAX, &options->lines);
        } else if (strcmp(argv[i], "--hosts") == 0) {
            options->hosts = value;
            good = value != NULL && unknown_host(value) == NULL;
        }
        if (!good) {
            (void)fprintf(stderr, "tenon-demo: what is \"%s%s%s\"?\n", argv[i],
                          value != NULL ? " " : "", value != NULL ? value : "");
            return false;
        }
        i++;
    }
    return true;
}

/* ---- the places ---- */

static void choose_hosts(demo *self)
{
    for (size_t i = 0; i < HOST_COUNT; i++) {
        const char *name = known_hosts[i].name;
        if (!list_has(self->options.hosts, name, strlen(name))) {
            continue;
        }
        if (known_hosts[i].host == NULL) {
            printf("%s: left out, its adapter was not built\n", name);
            continue;
        }
        self->places[self->count++].host = known_hosts[i].host;
    }
}

static bool start_places(demo *self)
{
    for (unsigned i = 0; i < self->count; i++) {
        tenon_status status =
            place_start(&self->places[i], &self->hall, i == 0);
        if (status < 0) {
            (void)fprintf(stderr, "tenon-demo: %s did not start: %s (%s)\n",
                          self->places[i].host->name, tenon_status_text(status),
                          tenon_status_name(status));
            return false;
        }
    }
    return true;
}

/* The keeper is the first and must outlive the others. */
static bool stop_places(demo *self)
{
    bool good = true;
    for (unsigned i = self->count; i-- > 0;) {
        tenon_status status = place_stop(&self->places[i]);
        if (status == TENON_TIMED_OUT) {
            (void)fprintf(stderr, "tenon-demo: %s does not end\n",
                          self->places[i].host->name);
            (void)fflush(NULL);
            _Exit(1); /* its thread still uses what we would free */
        }
        if (status < 0) {
            (void)fprintf(stderr, "tenon-demo: %s ended badly: %s (%s)\n",
                          self->places[i].host->name, tenon_status_text(status),
                          tenon_status_name(status));
            good = false;
        }
        if (self->places[i].server.seat.gaps != 0) {
            (void)fprintf(stderr, "tenon-demo: %s got lines out of order\n",
                          self->places[i].host->name);
            good = false;
        }
    }
    return good;
}

static void print_table(const demo *self)
{
    printf("\n%-9s %-14s %6s %12s %9s %10s %13s\n", "host", "version", "port",
           "connections", "lines in", "lines out", "CPU per line");
    for (unsigned i = 0; i < self->count; i++) {
        const demo_place *place = &self->places[i];
        const chat_server *server = &place->server;
        uint64_t lines = server->lines_in + server->lines_out;
        double cpu_us =
            lines == 0 ? 0.0 : (double)place->cpu_ns / 1000.0 / (double)lines;
        printf("%-9s %-14s %6u %12" PRIu64 " %9" PRIu64 " %10" PRIu64
               " %10.1f us\n",
               place->host->name, place->version, (unsigned)place->port,
               server->connections, server->lines_in, server->lines_out,
               cpu_us);
    }
}

/* ---- the two ways to run ---- */

static void stay(demo *self)
{
    puts("One room, one port for each host. Connect with");
    for (unsigned i = 0; i < self->count; i++) {
        printf("    socat - TCP:127.0.0.1:%-5u   # %s %s\n",
               (unsigned)self->places[i].port, self->places[i].host->name,
               self->places[i].version);
    }
    puts("The first line is your nick. Ctrl-C ends the server.");
    (void)fflush(stdout);
    hall_wait_interrupt(&self->hall);
}

static void run_clients(demo *self, client_result *result)
{
    client_target targets[HOST_COUNT];
    for (unsigned i = 0; i < self->count; i++) {
        targets[i].host = self->places[i].host->name;
        targets[i].port = self->places[i].port;
    }
    client_plan plan = {targets, self->count, self->options.clients,
                        self->options.lines, TIMEOUT_MS};
    clients_run(&plan, result);
}

static void print_verdict(const demo *self, const client_result *result)
{
    printf("\n%u clients, %u lines each%s\n",
           self->count * self->options.clients, self->options.lines,
           result->socat ? "; one of them was socat" : "");
    printf("%u bad lines, each answered with its error, none passed on: %s\n",
           result->bad_lines, result->passed ? "yes" : "no");
    if (result->why[0] != '\0') {
        printf("missed: %s\n", result->why);
    }
    printf("every client saw every line in one order: %s\n",
           result->passed ? "yes" : "no");
}

static bool demo_run(demo *self)
{
    client_result result = {.passed = true};
    bool good = start_places(self);
    if (good && self->options.stay) {
        stay(self);
    } else if (good) {
        run_clients(self, &result);
    }
    bool started = good;
    good = stop_places(self) && good;
    if (started) {
        print_table(self);
    }
    if (started && !self->options.stay) {
        print_verdict(self, &result);
    }
    return good && result.passed;
}

int main(int argc, char **argv)
{
    static demo self; /* too large for a stack */
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return usage(stdout, 0);
    }
    if (!read_options(&self.options, argc, argv)) {
        return usage(stderr, 2);
    }
    choose_hosts(&self);
    if (self.count == 0) {
        (void)fputs("tenon-demo: no host is left to run on\n", stderr);
        return 1;
    }
    hall_init(&self.hall);
    self.hall.handle_signals = self.options.stay;
    bool good = demo_run(&self);
    hall_fini(&self.hall);
    return good ? 0 : 1;
}
