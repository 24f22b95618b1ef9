/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * crowd ADDRESS COUNT: so many guests at the door of a chat room, each of which
 * offers a name that is too long again and again, as soon as it is refused: a
 * line there and a line back, for ever. Says "crowd COUNT" when all are there,
 * and "served N" each second.
 */

#include <stdio.h>
#include <stdlib.h>

#include <tenon/line.h>
#include <tenon/tenon.h>

static unsigned long served;
static long there;
static long wanted;
static const char name[] = "a name that is longer than twenty letters";

static tenon_status on_made(void *self, tenon_line *line)
{
    (void)self;
    (void)line;
    if (++there == wanted) {
        printf("crowd %ld\n", there);
        (void)fflush(stdout);
    }
    return TENON_OK;
}

static tenon_status on_line(void *self, tenon_line *line, const char *text,
                            size_t len)
{
    (void)self;
    (void)text;
    (void)len;
    served++;
    tenon_status status = tenon_line_send(line, name, sizeof name - 1);
    return status < 0 ? status : TENON_OK;
}

static tenon_status on_lost(void *self, tenon_line *line,
                            const tenon_error *error)
{
    (void)line;
    (void)error;
    free(self);
    exit(there < wanted); /* the chat is over */
}

static const tenon_line_ops ops = {
    .size = sizeof ops,
    .connection_made = on_made,
    .line_received = on_line,
    .connection_lost = on_lost,
};

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    static const tenon_line_options options = {
        .size = sizeof options, .delimiter = "\n", .delimiter_len = 1};
    (void)user;
    (void)transport;
    tenon_line *line = calloc(1, sizeof *line);
    tenon_status status =
        line ? tenon_line_init(line, &ops, line, &options) : TENON_NO_MEMORY;
    if (status < 0) {
        free(line);
        return status;
    }
    *out = tenon_line_protocol(line);
    return TENON_OK;
}

static tenon_status each_second(tenon_periodic *periodic, uint64_t missed,
                                void *user)
{
    (void)periodic;
    (void)missed;
    (void)user;
    printf("served %lu\n", served);
    (void)fflush(stdout);
    return TENON_OK;
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    tenon_periodic periodic = {.fn = NULL};
    const tenon_periodic_options each = {
        .size = sizeof each, .period_ns = TENON_SECOND, .fn = each_second};
    if (argc != 3 || tenon_reactor_new(&reactor, NULL) < 0) {
        return 2;
    }
    wanted = strtol(argv[2], NULL, 10);
    for (long i = 0; i < wanted; i++) {
        if (tenon_connector_start(reactor, NULL, argv[1],
                                  tenon_factory_with(build, NULL), NULL) < 0) {
            return 1;
        }
    }
    if (tenon_periodic_start(&periodic, reactor, &each) < 0) {
        return 1;
    }
    return tenon_run(reactor) < 0;
}
