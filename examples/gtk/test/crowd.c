/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * crowd ADDRESS COUNT: so many guests at the door of a chat room. Each offers
 * some names that are too long, and once all are refused, offers them again,
 * for ever. That is much more work for the room than for the crowd. Says
 * "crowd COUNT" when all are there, and "served N" lines each second.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/tenon.h>

#define NAME  "a name that is longer than twenty letters\n"
#define NAMES NAME NAME NAME NAME NAME NAME NAME NAME

enum { NAME_COUNT = 8 };

typedef struct guest {
    int owed; /* lines of the room */
} guest;

static unsigned long served;
static long there;
static long wanted;

static tenon_status on_made(void *user, tenon_transport *transport)
{
    guest *self = user;
    (void)transport;
    self->owed = 1; /* the room asks first */
    if (++there == wanted) {
        printf("crowd %ld\n", there);
        (void)fflush(stdout);
    }
    return TENON_OK;
}

static tenon_status on_data(void *user, tenon_transport *transport,
                            const void *data, size_t len)
{
    guest *self = user;
    const char *at = data;
    const char *end = at + len;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        self->owed--;
        served++;
    }
    if (self->owed > 0) {
        return TENON_OK;
    }
    self->owed = NAME_COUNT;
    tenon_status status =
        tenon_transport_write(transport, NAMES, sizeof NAMES - 1);
    return status < 0 ? status : TENON_OK;
}

static tenon_status on_lost(void *user, tenon_transport *transport,
                            const tenon_error *error)
{
    (void)transport;
    (void)error;
    free(user);
    exit(there < wanted); /* the chat is over */
}

static const tenon_protocol_ops ops = {
    .size = sizeof ops,
    .connection_made = on_made,
    .data_received = on_data,
    .connection_lost = on_lost,
};

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    (void)user;
    (void)transport;
    out->ops = &ops;
    out->self = calloc(1, sizeof(guest));
    return out->self ? TENON_OK : TENON_NO_MEMORY;
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
