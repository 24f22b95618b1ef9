/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listeners, connectors and adopted sockets, running out of descriptors, and
 * running out of memory at every single allocation.
 */

#include <sys/resource.h>
#include <sys/stat.h>

#include "loop/engine.h"
#include "side.h"

/* ---- sockets only ---- */

START_TEST(P03_writes_of_a_turn_leave_together)
{
    side a = {0}, b = {0};
    int fds[2];
    char bytes[64];
    native();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    tenon_transport *t;
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], as(&a)),
                     TENON_OK);
    UNTIL(a.t);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(tenon_transport_write(a.t, "0123", 4), TENON_OK);
    }
    ck_assert_int_eq(recv(fds[1], bytes, sizeof bytes, MSG_DONTWAIT), 4);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(recv(fds[1], bytes, sizeof bytes, MSG_DONTWAIT), 36);
    close(fds[1]);
    UNTIL(is_lost(&a));
    forget(&a);
    (void)b;
    end();
}
END_TEST

START_TEST(N10_adopt_refuses)
{
    side a = {0};
    tenon_transport *t = NULL;
    native();
    int fds[] = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                 socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                 socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                 open("/dev/null", O_RDONLY | O_CLOEXEC)};
    ck_assert_int_eq(listen(fds[2], 1), 0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, -1, as(&a)),
                     TENON_INVALID);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[i], as(&a)),
                         TENON_INVALID);
        ck_assert_int_eq(close(fds[i]), 0);
    }
    ck_assert_ptr_null(t);
    end();
}
END_TEST

static tenon_status refuse(void *user, tenon_transport *t, tenon_protocol *out)
{
    (void)user;
    (void)t;
    (void)out;
    return TENON_OK; /* but no ops: no protocol */
}

START_TEST(P25_refused_by_factory)
{
    side a = {0};
    tenon_listener *l;
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    native();
    ck_assert_int_eq(tenon_listen(reactor, &l, address_of(_i),
                                  tenon_factory_with(refuse, NULL), NULL),
                     TENON_OK);
    tenon_listener_address(l, &address);
    tenon_address_format(&address, text, sizeof text);
    ck_assert_int_eq(tenon_connector_start(reactor, NULL, text, as(&a), NULL),
                     TENON_OK);
    UNTIL(is_lost(&a));
    ck_assert_int_eq(tenon_connector_start(reactor, NULL, text,
                                           tenon_factory_with(refuse, NULL),
                                           &told),
                     TENON_OK);
    UNTIL(connected == 1);
    ck_assert_int_eq(connect_error, TENON_REFUSED);
    tenon_stats stats = {.size = sizeof stats};
    tenon_listener_close(l);
    UNTIL(!tenon_reactor_alive(reactor));
    tenon_reactor_stats(reactor, &stats);
    ck_assert_uint_eq(stats.transport_count, 0);
    ck_assert_uint_eq(stats.listener_count, 0);
    tenon_listener_unref(l);
    forget(&a);
    end();
}
END_TEST

static tenon_status listen_with(const char *address, bool reuse_port,
                                bool v6_only, uint16_t *port)
{
    static side nobody;
    tenon_listener *l;
    tenon_address bound;
    tenon_listen_options how = {
        .size = sizeof how, .reuse_port = reuse_port, .v6_only = v6_only};
    tenon_status status = tenon_listen(reactor, &l, address, as(&nobody), &how);
    if (status >= 0) {
        ck_assert_int_eq(tenon_listener_address(l, &bound), TENON_OK);
        *port = tenon_address_port(&bound);
        tenon_listener_unref(l); /* the reactor keeps it */
    }
    return status;
}

START_TEST(N01_a_port_is_shared_when_all_agree)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    uint16_t port;
    native();
    ck_assert_int_eq(listen_with("tcp:127.0.0.1:0", true, false, &port), 0);
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u", port);
    ck_assert_int_eq(listen_with(text, true, false, &port), TENON_OK);
    ck_assert_int_eq(listen_with(text, false, false, &port), -EADDRINUSE);
    end();
}
END_TEST

START_TEST(N01_v6_only_leaves_ipv4_to_others)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    uint16_t port;
    native();
    tenon_status wanted = _i == 1 ? TENON_OK : -EADDRINUSE;
    tenon_status second = TENON_PENDING;
    /* A free IPv6 port may be somebody's on IPv4. */
    for (int tries = 0; tries < 20 && second != wanted; tries++) {
        tenon_status status = listen_with("tcp:[::]:0", false, _i == 1, &port);
        if (status < 0) { /* this machine has no IPv6 */
            ck_assert(status == -EADDRNOTAVAIL || status == -EAFNOSUPPORT);
            second = wanted;
            continue;
        }
        snprintf(text, sizeof text, "tcp:0.0.0.0:%u", port);
        second = listen_with(text, false, false, &port);
    }
    ck_assert_int_eq(second, wanted);
    end();
}
END_TEST

START_TEST(N05_out_of_descriptors)
{
    enum { CLIENTS = 6 };
    side server = {0};
    int clients[CLIENTS];
    struct rlimit limit, tight_limit;
    tenon_listener *l;
    tenon_address address;
    native();
    ck_assert_int_eq(
        tenon_listen(reactor, &l, "tcp:127.0.0.1:0", as(&server), NULL),
        TENON_OK);
    tenon_listener_address(l, &address);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(clients[i], &address.as.any, address.len), 0);
    }
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight_limit = limit;
    tight_limit.rlim_cur = (rlim_t)clients[CLIENTS - 1] + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight_limit), 0);
    UNTIL(reports > 0);
    ck_assert_int_eq(reported, -EMFILE);
    int64_t until = tenon_now(reactor) + 100 * TENON_MILLISECOND;
    uint64_t entries = reactor->stats.turns;
    while (tenon_now(reactor) < until) {
        ck_assert_int_eq(tenon_run_once(reactor, TENON_MILLISECOND * 100), 0);
    }
    ck_assert_int_eq(reports, 1);
    ck_assert_uint_lt(reactor->stats.turns - entries, 30);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    UNTIL(tenon_listener_accepted(l) == CLIENTS);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    tenon_listener_unref(l);
    free(server.bytes);
    /* `server` was shared by all and holds a reference of each. */
    tenon_reactor_unref(reactor);
}
END_TEST

START_TEST(N06_many_accepts_a_turn)
{
    enum { CLIENTS = 50 };
    side server = {0};
    int clients[CLIENTS];
    tenon_listener *l;
    tenon_address address;
    native();
    ck_assert_int_eq(
        tenon_listen(reactor, &l, "tcp:[::1]:0", as(&server), NULL), TENON_OK);
    tenon_listener_address(l, &address);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(clients[i], &address.as.any, address.len), 0);
    }
    ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK);
    ck_assert_uint_eq(tenon_listener_accepted(l), CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    tenon_listener_unref(l);
    tenon_reactor_unref(reactor);
}
END_TEST

START_TEST(N17_unix_files)
{
    tenon_listener *l, *second = NULL;
    side a = {0};
    struct stat found;
    const char *at = address_of(1);
    const char *path = at + 5;
    native();
    ck_assert_int_eq(tenon_listen(reactor, &l, at, as(&a), NULL), TENON_OK);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_uint_eq(found.st_mode & 0777, 0600);
    ck_assert_int_eq(tenon_listen(reactor, &second, at, as(&a), NULL),
                     TENON_IN_USE);
    ck_assert_ptr_null(second);
    /* Replaced behind our back: not ours to remove. */
    ck_assert_int_eq(unlink(path), 0);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    tenon_listener_close(l);
    tenon_listener_unref(l);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_int_eq(tenon_listen(reactor, &l, at, as(&a), NULL), -EADDRINUSE);
    ck_assert_int_eq(unlink(path), 0);
    /* Left by a process that died. */
    tenon_address address;
    ck_assert_int_eq(tenon_address_parse(&address, at), TENON_OK);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, &address.as.any, address.len), 0);
    close(fd);
    tenon_listen_options how = {.size = sizeof how, .unix_mode = 0666};
    ck_assert_int_eq(tenon_listen(reactor, &l, at, as(&a), &how), TENON_OK);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_uint_eq(found.st_mode & 0777, 0666);
    tenon_listener_close(l);
    tenon_listener_unref(l);
    ck_assert_int_eq(stat(path, &found), -1);
    end();
}
END_TEST

static int closed_count;
static void on_closed(tenon_listener *l, void *user)
{
    (void)l;
    (void)user;
    closed_count++;
}

START_TEST(N04_paused_and_closed)
{
    tenon_listener *l;
    side a = {0}, b = {0};
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_listen_options how = {
        .size = sizeof how, .start_paused = true, .on_closed = on_closed};
    native();
    ck_assert_int_eq(tenon_listen(reactor, &l, address_of(_i), as(&b), &how),
                     TENON_OK);
    tenon_listener_address(l, &address);
    tenon_address_format(&address, text, sizeof text);
    ck_assert_int_eq(tenon_connector_start(reactor, NULL, text, as(&a), NULL),
                     TENON_OK);
    UNTIL(a.t);
    (void)tenon_transport_write(a.t, "early", 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 2 * TENON_MILLISECOND), 0);
    }
    ck_assert_uint_eq(b.log_len, 0);
    tenon_listener_resume(l);
    UNTIL(b.len == 5);
    tenon_listener_close(l);
    tenon_listener_close(l);
    ck_assert_int_eq(closed_count, 0);
    UNTIL(closed_count == 1);
    tenon_transport_close(b.t);
    leave(l, &a, &b);
    ck_assert_int_eq(closed_count, 1);
    end();
}
END_TEST

START_TEST(C1_refused_and_cancelled)
{
    static const char *const nowhere[] = {
        "tcp:127.0.0.1:1", "unix:/tmp/tenon-nobody.sock", "mem:nobody"};
    static const tenon_status why[] = {-ECONNREFUSED, -ENOENT, -ECONNREFUSED};
    side a = {0};
    tenon_connector *c;
    native();
    ck_assert_int_eq(
        tenon_connector_start(reactor, NULL, nowhere[_i], as(&a), &told),
        TENON_OK);
    ck_assert_int_eq(connected, 0);
    UNTIL(connected == 1);
    ck_assert_int_eq(connect_error, why[_i]);
    ck_assert_int_eq(
        tenon_connector_start(reactor, &c, nowhere[_i], as(&a), &told),
        TENON_OK);
    tenon_connector_cancel(c);
    tenon_connector_cancel(c);
    ck_assert_int_eq(connected, 1);
    UNTIL(connected == 2);
    tenon_connector_unref(c);
    ck_assert_int_eq(
        tenon_connector_start(reactor, NULL, "tcp:no body:1", as(&a), &told),
        TENON_BAD_ADDRESS);
    ck_assert_uint_eq(a.log_len, 0);
    end();
}
END_TEST

START_TEST(C2_full_backlog_times_out)
{
    /* A UNIX listener that nobody serves: the kernel says EAGAIN. */
    tenon_address address;
    side a = {0};
    const char *at = address_of(1);
    native();
    ck_assert_int_eq(tenon_address_parse(&address, at), TENON_OK);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, &address.as.any, address.len), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    told.timeout_ns = 50 * TENON_MILLISECOND;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            tenon_connector_start(reactor, NULL, at, as(&a), &told), TENON_OK);
    }
    UNTIL(connected == 3);
    ck_assert_int_eq(connect_error, TENON_TIMED_OUT);
    close(fd);
    unlink(at + 5);
    tenon_transport_abort(a.t);
    UNTIL(is_lost(&a));
    forget(&a);
    end();
}
END_TEST

/* An idle connection holds one block and no buffer. */
START_TEST(M1_idle_connection_is_small)
{
    enum { MOST = 400, SLOT = 24, MALLOC = 16 };
    side a = {0}, b = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    /* The reactor's read buffer is there from the first byte on. */
    (void)tenon_transport_write(a.t, "x", 1);
    UNTIL(b.len == 1);
    size_t both = bytes_left;
    size_t blocks = blocks_left;
    tenon_transport_abort(a.t);
    UNTIL(is_lost(&a) && is_lost(&b));
    forget(&a);
    forget(&b);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_uint_eq(blocks - blocks_left, 2);
    ck_assert_uint_le((both - bytes_left) / 2 + SLOT + MALLOC, MOST);
    leave(l, &(side){.log = "L", .log_len = 1},
          &(side){.log = "L", .log_len = 1});
    end();
}
END_TEST

/* ---- out of memory: everywhere, once ---- */

static void session(void)
{
    side a = {0}, b = {.on['D'] = echo};
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_address address;
    tenon_listener *l = NULL;
    connected = 0;
    if (tenon_listen(reactor, &l, "tcp:127.0.0.1:0", as(&b), NULL) < 0) {
        return;
    }
    tenon_listener_address(l, &address);
    tenon_address_format(&address, text, sizeof text);
    told.timeout_ns = TENON_SECOND;
    if (tenon_connector_start(reactor, NULL, text, as(&a), &told) == 0) {
        UNTIL(connected == 1);
        for (int i = 0; a.t && i < 20; i++) {
            if (i < 2) {
                (void)tenon_transport_write(a.t, text, 9);
                (void)tenon_transport_write(a.t, text, 9);
            }
            ck_assert_int_eq(tenon_run_once(reactor, TENON_MILLISECOND), 0);
        }
    }
    tenon_listener_close(l);
    tenon_listener_unref(l);
    if (a.t) {
        tenon_transport_close(a.t);
    }
    UNTIL(!tenon_reactor_alive(reactor));
    ck_assert(a.log_len == 0 || is_lost(&a));
    ck_assert(b.log_len == 0 || is_lost(&b));
    forget(&a);
    forget(&b);
}

/* A name with two addresses, the first of which refuses. */
static tenon_status two_addresses(void *self, tenon_lookup *lookup)
{
    static const char *const texts[] = {"tcp:127.0.0.3:0", "tcp:127.0.0.1:0"};
    tenon_address address;
    (void)self;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tenon_address_parse(&address, texts[i]), TENON_OK);
        tenon_status status = tenon_lookup_add(lookup, &address);
        if (status < 0) {
            return status;
        }
    }
    tenon_lookup_done(lookup, NULL);
    return TENON_OK;
}

static const tenon_resolver_ops two_addresses_ops = {
    .size = sizeof two_addresses_ops, .resolve = two_addresses};

static int stopped;
static void on_stopped(tenon_listener *l, tenon_status status, void *user)
{
    (void)l;
    (void)user;
    ck_assert_int_eq(status, TENON_OK);
    stopped++;
}

static tenon_future *connect_by_name(side *a, const tenon_listener *l)
{
    char text[64];
    tenon_address address;
    ck_assert_int_eq(tenon_listener_address(l, &address), TENON_OK);
    snprintf(text, sizeof text, "tcp:name.test:%u",
             tenon_address_port(&address));
    return tenon_connect(reactor, text, as(a), NULL);
}

/* Two addresses, a name, a future, a stop with a deadline. */
static void named_session(void)
{
    side a = {0}, b = {0};
    tenon_listener *l = NULL;
    tenon_stop_options how = {.size = sizeof how,
                              .mode = TENON_STOP_CLOSE,
                              .timeout_ns = TENON_SECOND,
                              .on_stopped = on_stopped};
    stopped = 0;
    if (tenon_reactor_set_resolver(reactor, &two_addresses_ops, NULL) < 0 ||
        tenon_listen(reactor, &l, "tcp:127.0.0.1:0", as(&b), NULL) < 0) {
        return;
    }
    bool added = tenon_listener_add(l, "tcp:127.0.0.2:0") == TENON_OK;
    ck_assert_uint_eq(tenon_listener_address_count(l), added ? 2 : 1);
    tenon_future *f = connect_by_name(&a, l);
    if (f) {
        UNTIL(tenon_future_is_done(f));
        (void)tenon_future_error(f);
        tenon_future_unref(f);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, TENON_MILLISECOND), 0);
    }
    bool stops = tenon_listener_stop(l, &how) == TENON_OK;
    if (!stops) {
        tenon_listener_close(l);
    }
    if (a.t) {
        tenon_transport_close(a.t);
    }
    UNTIL(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(stopped, stops);
    tenon_listener_unref(l);
    forget(&a);
    forget(&b);
}

START_TEST(R16_every_allocation_fails_once)
{
    void (*const sessions[])(void) = {session, named_session};
    long n = 0;
    do {
        fds_before = count_fds();
        fail_at = -1;
        ck_assert_int_eq(tenon_reactor_new(&reactor, &options), TENON_OK);
        fail_at = n++;
        sessions[_i]();
        bool through = fail_at >= 0;
        fail_at = -1;
        end();
        if (through) {
            break;
        }
    } while (n < 1000);
    ck_assert_int_gt(n, 5);
    ck_assert_int_lt(n, 1000);
}
END_TEST

/* ---- the suite ---- */

int main(void)
{
    Suite *suite = suite_create("listener");
    TCase *tcase = tcase_create("listener");
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, P03_writes_of_a_turn_leave_together);
    tcase_add_test(tcase, N10_adopt_refuses);
    tcase_add_loop_test(tcase, P25_refused_by_factory, 0, 3);
    tcase_add_test(tcase, N01_a_port_is_shared_when_all_agree);
    tcase_add_loop_test(tcase, N01_v6_only_leaves_ipv4_to_others, 0, 2);
    tcase_add_test(tcase, N05_out_of_descriptors);
    tcase_add_test(tcase, N06_many_accepts_a_turn);
    tcase_add_test(tcase, N17_unix_files);
    tcase_add_loop_test(tcase, N04_paused_and_closed, 0, 3);
    tcase_add_loop_test(tcase, C1_refused_and_cancelled, 0, 3);
    tcase_add_test(tcase, C2_full_backlog_times_out);
    tcase_add_loop_test(tcase, M1_idle_connection_is_small, 0, 2);
    tcase_add_loop_test(tcase, R16_every_allocation_fails_once, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
