/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actors of connecting and of names. The resolver is ours: it keeps a
 * lookup until `step` answers it.
 */

#include "matrix.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HELD = 1, ANSWERED = 2 };

/* ---- the resolver ---- */

static actor *asker(const tenon_lookup *lookup)
{
    int number = atoi(tenon_lookup_name(lookup) + 1); /* "n0.test" */
    WANT(number >= 0 && number < st.cast_count);
    return &st.cast[number];
}

static tenon_status resolve(void *self, tenon_lookup *lookup)
{
    actor *a = asker(lookup);
    (void)self;
    WANT(a->phase == 0);
    a->phase = HELD;
    a->lookup = lookup;
    hit(a, EV_RESOLVE);
    return TENON_OK;
}

static void unresolve(void *self, tenon_lookup *lookup)
{
    actor *a = asker(lookup);
    (void)self;
    WANT(a->phase == HELD);
    a->phase = ANSWERED;
    hit(a, EV_UNRESOLVE);
    a->lookup = a->held ? a->lookup : NULL; /* not to be used again */
}

const tenon_resolver_ops matrix_resolver = {.size = sizeof matrix_resolver,
                                            .name = "matrix",
                                            .resolve = resolve,
                                            .cancel = unresolve};

static void use_resolver(void)
{
    tenon_status status =
        tenon_reactor_set_resolver(st.reactor, &matrix_resolver, NULL);
    WANT(status == TENON_OK || status == TENON_BUSY);
}

/* ---- connectors ---- */

static void on_connected(tenon_connector *connector, tenon_transport *t,
                         const tenon_error *error, void *user)
{
    actor *a = user;
    WANT(connector == a->connector || !a->connector);
    WANT((t == NULL) == (error != NULL));
    WANT(!t || over(a, EV_MADE, 1));
    hit(a, EV_CONNECTED);
}

static tenon_status on_made(void *self, tenon_transport *t)
{
    actor *a = self;
    keep_transport(a, t);
    hit(a, EV_MADE);
    return TENON_OK;
}

static tenon_status on_lost(void *self, tenon_transport *t,
                            const tenon_error *error)
{
    actor *a = self;
    (void)error;
    WANT(t == a->transport);
    hit(a, EV_LOST);
    lose_transport(a);
    return TENON_OK;
}

static const tenon_protocol_ops client_ops = {.size = sizeof client_ops,
                                              .name = "client",
                                              .connection_made = on_made,
                                              .connection_lost = on_lost};

static void start(actor *a)
{
    tenon_factory factory = {.shared = {&client_ops, a}};
    tenon_connect_options options = {
        .size = sizeof options, .on_connected = on_connected, .user = a};
    tenon_status status = tenon_connector_start(st.reactor, &a->connector,
                                                a->name, factory, &options);
    /* The resolver, which is asked inside, may have ended the reactor. */
    WANT(status == TENON_OK || (st.upset && status < 0));
    a->owed = status == TENON_OK;
}

/* To a plain socket, which accepts in `step`. */
static void open_client(actor *a)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    fresh_name(a);
    size_t len = strlen(a->name + 6);
    memcpy(address.sun_path + 1, a->name + 6, len);
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    WANT(a->fd > 0 &&
         bind(a->fd, (struct sockaddr *)&address,
              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) ==
             0 &&
         listen(a->fd, 1) == 0);
    start(a);
}

static void step_client(actor *a)
{
    if (!a->far) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
        a->far = fd > 0 ? fd : 0;
    } else if (over(a, EV_CONNECTED, 1) && a->far > 0) {
        close(a->far);
        a->far = -1;
    }
}

static bool complete_client(const actor *a)
{
    return over(a, EV_CONNECTED, 1) && over(a, EV_LOST, 1);
}

static void close_client(actor *a)
{
    if (a->fd > 0) {
        close(a->fd);
    }
    if (a->far > 0) {
        close(a->far);
    }
    drop_transport(a);
    tenon_connector_unref(a->connector);
    WANT(a->seen[EV_CONNECTED] == a->owed);
    WANT(a->seen[EV_MADE] == a->seen[EV_LOST] || a->again);
}

const part kind_CLIENT = {"connector", CONNECTOR | TRANSPORT, open_client,
                          step_client, complete_client,       close_client};

/* ---- names ---- */

static void open_named(actor *a)
{
    use_resolver();
    snprintf(a->name, sizeof a->name, "tcp:n%d.test:1", a->number);
    start(a);
}

static void step_named(actor *a)
{
    if (a->phase == HELD) {
        a->phase = ANSWERED;
        tenon_lookup_done(a->lookup, st.error);
        a->lookup = NULL;
    }
}

static bool complete_named(const actor *a)
{
    return over(a, EV_CONNECTED, 1);
}

const part kind_NAMED = {"named connector", CONNECTOR | LOOKUP, open_named,
                         step_named,        complete_named,     close_client};

static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    actor *a = user;
    WANT(lookup == a->lookup || !a->lookup);
    WANT(tenon_address_port(address) == 7);
    WANT(!over(a, EV_ANSWERED, 1));
    hit(a, EV_ADDRESS);
}

static void on_answered(tenon_lookup *lookup, const tenon_error *error,
                        void *user)
{
    actor *a = user;
    (void)error;
    WANT(lookup == a->lookup || !a->lookup);
    hit(a, EV_ANSWERED);
}

static void open_question(actor *a)
{
    tenon_lookup *lookup = NULL;
    tenon_resolve_options options = {.size = sizeof options,
                                     .port = 7,
                                     .on_address = on_address,
                                     .on_done = on_answered,
                                     .user = a};
    use_resolver();
    snprintf(a->name, sizeof a->name, "n%d.test", a->number);
    tenon_status status = tenon_resolve(st.reactor, &lookup, a->name, &options);
    WANT(status == TENON_OK || (st.upset && status < 0));
    WANT(!lookup || !a->lookup || lookup == a->lookup);
    a->lookup = lookup;
    a->held = lookup != NULL;
    a->owed = a->held;
}

static void step_question(actor *a)
{
    tenon_address address;
    if (a->phase != HELD || !a->lookup) {
        return;
    }
    if (st.now->callback->event == EV_UNRESOLVE) {
        tenon_lookup_cancel(a->lookup);
        return;
    }
    WANT(tenon_address_parse(&address, "tcp:127.0.0.1:0") == TENON_OK);
    a->phase = ANSWERED;
    (void)tenon_lookup_add(a->lookup, &address);
    tenon_lookup_done(a->lookup, NULL);
}

static bool complete_question(const actor *a)
{
    return over(a, EV_ANSWERED, 1);
}

static void close_question(actor *a)
{
    if (a->held) {
        tenon_lookup_unref(a->lookup);
    }
    WANT(a->seen[EV_ANSWERED] == a->owed);
}

const part kind_QUESTION = {"lookup",          LOOKUP,
                            open_question,     step_question,
                            complete_question, close_question};
