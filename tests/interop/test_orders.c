/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Every order in which a host, a reactor, a listener, a transport, a future
 * and an inbox can be destroyed, with work pending in each, on every loop of
 * this build: 720 orders, many in a process. What is owed - the end of the
 * connection, a lent buffer, who waits for the future, two posts - must be
 * told exactly once, and nothing may be left.
 *
 * Excluded is an order in which the host goes before the reactor, unless the
 * fixture says that its loop may die first (TENON_FIXTURE_DIES): nobody tells
 * the reactor of such a loop, so that its application must end it before.
 *
 * Each order comes in one of four styles, and with TENON_EXHAUSTIVE in all of
 * them: objects are closed before their reference is dropped, or only dropped;
 * the loop runs between two steps, or not at all.
 *
 * ctest: timeout=120
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tenon/conformance.h>
#include <tenon/tenon.h>

#include "harness_check.h"

extern const tenon_fixture *const tenon_fixtures[];

enum thing { HOST, REACTOR, LISTENER, TRANSPORT, FUTURE, INBOX, THINGS };
enum style { CLOSES = 1, ITERATES = 2, STYLES = 4 };
enum { ORDERS = 720, QUEUED = 512 * 1024 };

static harness_guard guard;
static const tenon_fixture *fixture;
static char lent[QUEUED];

/* One of each thing, and what was told of it. */
static struct world {
    enum style style;
    void *loop;
    tenon_reactor *reactor;
    tenon_listener *listener;
    tenon_transport *transport;
    tenon_future *future;
    tenon_inbox *inbox;
    tenon_waiter waiter;
    tenon_timer timer;
    tenon_post_node post;
    int clients[2]; /* one is accepted, one waits for it */
    int made;
    int lost;
    int written;
    int waited;
    int posted;
    int called;
} world;

/* ---- what is told ---- */

static tenon_status on_made(void *self, tenon_transport *transport)
{
    (void)self;
    world.made++;
    if (!world.transport) {
        world.transport = tenon_transport_ref(transport);
    }
    return TENON_OK;
}

static tenon_status on_data(void *self, tenon_transport *transport,
                            const void *data, size_t len)
{
    (void)self;
    (void)transport;
    (void)data;
    (void)len;
    return TENON_OK;
}

static tenon_status on_lost(void *self, tenon_transport *transport,
                            const tenon_error *error)
{
    (void)self;
    (void)transport;
    (void)error;
    world.lost++;
    return TENON_OK;
}

static const tenon_protocol_ops protocol = {.size = sizeof protocol,
                                            .name = "orders",
                                            .connection_made = on_made,
                                            .data_received = on_data,
                                            .connection_lost = on_lost};

static void on_written(tenon_transport *transport, tenon_status status,
                       void *user)
{
    (void)transport;
    (void)status;
    (void)user;
    world.written++;
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    ck_assert(tenon_future_is_done(future));
    world.waited++;
}

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)status;
    (void)user;
    world.posted++;
}

static void on_call(void *user)
{
    (void)user;
    world.called++;
}

static void on_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    world.called++;
}

static tenon_status on_error(tenon_reactor *reactor, const tenon_report *report,
                             void *user)
{
    (void)reactor;
    (void)report;
    (void)user;
    return TENON_OK; /* of transports that nobody closed */
}

/* ---- a world with work in it ---- */

static int client_of(const tenon_address *address)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(AF_UNIX, type, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, &address->as.any, address->len), 0);
    return fd;
}

static void attach(void)
{
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .slow_callback_ns = -1,
                                     .on_error = on_error};
    world.loop = fixture->loop_new();
    ck_assert_ptr_nonnull(world.loop);
    ck_assert_int_eq(fixture->attach(world.loop, &world.reactor, &options), 0);
    world.inbox = tenon_inbox_ref(tenon_reactor_inbox(world.reactor));
}

static void connect_and_fill(void)
{
    static unsigned count;
    char name[64];
    tenon_address address;
    snprintf(name, sizeof name, "unix:@tenon-orders-%ld-%u", (long)getpid(),
             count++);
    ck_assert_int_eq(tenon_listen(world.reactor, &world.listener, name,
                                  tenon_factory_of(&protocol), NULL),
                     TENON_OK);
    tenon_listener_address(world.listener, &address);
    world.clients[0] = client_of(&address);
    for (int i = 0; i < 1000 && !world.transport; i++) {
        fixture->iterate(world.loop, 10 * TENON_MILLISECOND);
    }
    ck_assert_ptr_nonnull(world.transport);
    tenon_status status = tenon_transport_write_ref(
        world.transport, lent, sizeof lent, on_written, NULL);
    ck_assert_int_eq(status, TENON_HIGH);
    ck_assert_uint_gt(tenon_transport_write_queue_len(world.transport), 0);
    ck_assert_int_eq(write(world.clients[0], "unread", 6), 6);
    world.clients[1] = client_of(&address);
}

static void queue_the_rest(void)
{
    tenon_post_init(&world.post);
    tenon_timer_init(&world.timer, world.reactor);
    ck_assert_int_eq(tenon_future_new(world.reactor, &world.future), 0);
    ck_assert_int_eq(
        tenon_future_on_done(world.future, &world.waiter, on_done, NULL), 0);
    ck_assert_int_eq(tenon_call_soon(world.reactor, on_call, NULL), 0);
    ck_assert_int_eq(
        tenon_timer_start(&world.timer, TENON_SECOND * 3600, on_timer, NULL),
        0);
    ck_assert_int_eq(tenon_post(world.inbox, &world.post, on_post, NULL), 0);
    ck_assert_int_eq(tenon_call_soon_threadsafe(world.inbox, on_post, NULL), 0);
}

/* ---- the steps ---- */

static void end_host(void)
{
    fixture->loop_free(world.loop);
    world.loop = NULL;
}

static void end_reactor(void)
{
    if (world.style & CLOSES) {
        ck_assert_int_eq(tenon_reactor_close(world.reactor), TENON_OK);
    }
    tenon_reactor_unref(world.reactor);
}

static void end_listener(void)
{
    if (world.style & CLOSES) {
        (void)tenon_listener_close(world.listener);
    }
    tenon_listener_unref(world.listener);
}

static void end_transport(void)
{
    if (world.style & CLOSES) {
        (void)tenon_transport_close(world.transport);
    }
    tenon_transport_unref(world.transport);
}

static void end_future(void)
{
    if (world.style & CLOSES) {
        (void)tenon_future_cancel(world.future, NULL);
    }
    tenon_future_unref(world.future);
}

static void end_inbox(void)
{
    tenon_inbox_unref(world.inbox);
}

static const struct step {
    const char *name;
    void (*end)(void);
} steps[THINGS] = {
    [HOST] = {"host", end_host},
    [REACTOR] = {"reactor", end_reactor},
    [LISTENER] = {"listener", end_listener},
    [TRANSPORT] = {"transport", end_transport},
    [FUTURE] = {"future", end_future},
    [INBOX] = {"inbox", end_inbox},
};

/* ---- the orders ---- */

/* The nth permutation: each digit picks one of those that are left. */
static void order_of(int n, enum thing order[THINGS])
{
    enum thing left[THINGS] = {HOST,      REACTOR, LISTENER,
                               TRANSPORT, FUTURE,  INBOX};
    for (int count = THINGS; count > 0; count--) {
        int at = n % count;
        n /= count;
        order[THINGS - count] = left[at];
        memmove(&left[at], &left[at + 1],
                (size_t)(count - 1 - at) * sizeof left[0]);
    }
}

static bool host_goes_first(const enum thing order[THINGS])
{
    for (int i = 0; i < THINGS; i++) {
        if (order[i] == HOST || order[i] == REACTOR) {
            return order[i] == HOST;
        }
    }
    return false;
}

static const char *name_of(const enum thing order[THINGS])
{
    static char text[128];
    size_t len = 0;
    for (int i = 0; i < THINGS; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, " %s",
                                steps[order[i]].name);
    }
    snprintf(text + len, sizeof text - len, ", style %d", (int)world.style);
    return text;
}

static void run_order(const enum thing order[THINGS], enum style style)
{
    size_t fds = harness_fds_count();
    world = (struct world){.style = style, .clients = {-1, -1}};
    attach();
    connect_and_fill();
    queue_the_rest();
    for (int i = 0; i < THINGS; i++) {
        steps[order[i]].end();
        if ((style & ITERATES) && world.loop) {
            fixture->iterate(world.loop, 0);
        }
    }
    close(world.clients[0]);
    close(world.clients[1]);
    ck_assert_msg(world.lost == world.made && world.written == 1 &&
                      world.waited == 1 && world.posted == 2 &&
                      world.called <= 1,
                  "%s: made %d lost %d written %d waited %d posted %d "
                  "called %d:%s",
                  fixture->name, world.made, world.lost, world.written,
                  world.waited, world.posted, world.called, name_of(order));
    ck_assert_msg(guard.heap.count == 0, "%s: %zu blocks are left:%s",
                  fixture->name, guard.heap.count, name_of(order));
    ck_assert_msg(harness_fds_count() == fds, "%s: descriptors are left:%s",
                  fixture->name, name_of(order));
}

START_TEST(R17_every_order_of_destruction)
{
    const char *all = getenv("TENON_EXHAUSTIVE");
    int run = 0;
    fixture = tenon_fixtures[_i];
    for (int n = 0; n < ORDERS; n++) {
        enum thing order[THINGS];
        order_of(n, order);
        if (host_goes_first(order) && !(fixture->caps & TENON_FIXTURE_DIES)) {
            continue;
        }
        for (int style = 0; style < STYLES; style++) {
            if (all || style == (n * 7 + n / 4) % STYLES) {
                run_order(order, (enum style)style);
                run++;
            }
        }
    }
    int legal = fixture->caps & TENON_FIXTURE_DIES ? ORDERS : ORDERS / 2;
    ck_assert_int_eq(run, all ? legal * STYLES : legal);
}
END_TEST

/* What a loop's library opens once for all loops stays. */
static void setup(void)
{
    for (int i = 0; tenon_fixtures[i]; i++) {
        tenon_fixtures[i]->loop_free(tenon_fixtures[i]->loop_new());
    }
    harness_guard_begin(&guard);
}

static void teardown(void)
{
    harness_guard_end(&guard);
}

int main(void)
{
    int count = 0;
    while (tenon_fixtures[count]) {
        count++;
    }
    Suite *suite = suite_create("orders");
    TCase *tcase = tcase_create("destruction");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, getenv("TENON_EXHAUSTIVE") ? 600 : 60);
    tcase_add_loop_test(tcase, R17_every_order_of_destruction, 0, count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
