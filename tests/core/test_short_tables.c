/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Tables grow at their end: one from an older program, or one with empty
 * slots, is not read beyond its size, and what is not there is not called.
 */

#include "side.h"

#include <poll.h>
#include <tenon/sys/host.h>

/* Of a protocol, from nothing but a name to everything. */
static tenon_protocol_ops short_ops(size_t size)
{
    tenon_protocol_ops ops = side_ops;
    ops.size = (uint32_t)size;
    return ops;
}

static const size_t sizes[] = {
    offsetof(tenon_protocol_ops, connection_made),
    offsetof(tenon_protocol_ops, data_received),
    offsetof(tenon_protocol_ops, get_buffer),
    offsetof(tenon_protocol_ops, buffer_updated),
    offsetof(tenon_protocol_ops, eof_received),
    offsetof(tenon_protocol_ops, connection_lost),
    offsetof(tenon_protocol_ops, pause_writing),
    offsetof(tenon_protocol_ops, resume_writing),
    sizeof(tenon_protocol_ops),
};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

START_TEST(P_a_short_protocol)
{
    static side a;
    static side b;
    tenon_transport *pair[2];
    tenon_protocol_ops ops = short_ops(sizes[_i]);
    tenon_factory factory = tenon_factory_of(&ops);
    const tenon_memory_options small = {.size = sizeof small, .capacity = 8};
    factory.shared.self = &a;
    manual();
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, factory, as(&b), &small),
                     TENON_OK);
    tenon_transport *t = tenon_transport_ref(pair[0]);
    settle();
    ck_assert_int_eq(tenon_transport_set_write_limits(t, 4, 0), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(b.t, "data", 4), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(t, "0123456789abcdef", 16),
                     TENON_HIGH);
    settle();
    ck_assert_int_eq(tenon_transport_write_eof(b.t), TENON_OK);
    settle();
    ck_assert_uint_eq(b.len, 16);
    ck_assert(is_lost(&b));
    ck_assert_uint_eq(a.len, sizes[_i] > sizes[1] ? 4 : 0);
    ck_assert(is_lost(&a) == (sizes[_i] > sizes[5]));
    ck_assert((strchr(a.log, 'R') != NULL) == (sizes[_i] > sizes[7]));
    tenon_transport_unref(t);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

/* ---- hosts ---- */

static int watched = -1;
static int closed;

static tenon_status host_open(void *host, tenon_reactor *r, int fd)
{
    (void)host;
    (void)r;
    watched = fd;
    return TENON_OK;
}

static void host_close(void *host, tenon_host_closed_fn *done, void *token)
{
    (void)host;
    closed++;
    done(token);
}

static void host_run_until(int *count)
{
    while (*count == 0) {
        struct pollfd one = {.fd = watched, .events = POLLIN};
        ck_assert_int_eq(poll(&one, 1, 5000), 1);
        ck_assert_int_ge(tenon_turn(reactor, NULL), 0);
    }
}

static void count_it(void *user)
{
    ++*(int *)user;
}

static const size_t host_sizes[] = {
    offsetof(tenon_host_ops, defer), offsetof(tenon_host_ops, set_alive),
    offsetof(tenon_host_ops, run), sizeof(tenon_host_ops)};
enum { HOST_SIZES = sizeof host_sizes / sizeof host_sizes[0] };

START_TEST(H_a_host_of_two_slots)
{
    tenon_host_ops ops = {.size = (uint32_t)host_sizes[_i],
                          .open = host_open,
                          .close = host_close};
    int ran = 0;
    tenon_handle handle;
    fds_before = count_fds();
    closed = 0;
    ck_assert_int_eq(tenon_reactor_attach(&reactor, &ops, NULL, &options),
                     TENON_OK);
    ck_assert_str_eq(tenon_reactor_host_version(reactor), "");
    ck_assert_ptr_null(tenon_reactor_native(reactor));
    ck_assert_int_eq(tenon_run(reactor), TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_call_soon(reactor, count_it, &ran), TENON_OK);
    host_run_until(&ran);
    ran = 0;
    ck_assert_int_eq(
        tenon_call_later(reactor, TENON_MILLISECOND, count_it, &ran, &handle),
        TENON_OK);
    host_run_until(&ran);
    ck_assert_int_eq(tenon_stop(reactor), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(closed, 1);
    ck_assert_ptr_null(tenon_reactor_native(reactor));
    end();
}
END_TEST

/* ---- processes ---- */

static int process_calls;

static tenon_status process_made(void *self, tenon_process *p)
{
    (void)self;
    (void)p;
    process_calls++;
    return TENON_OK;
}

START_TEST(Q_a_short_process_protocol)
{
    static const char *const argv[] = {"sh", "-c", "echo out; exit 3", NULL};
    const tenon_process_options how = {.size = sizeof how, .argv = argv};
    tenon_process_ops ops = {
        .size = (uint32_t)(_i ? sizeof ops
                              : offsetof(tenon_process_ops, connection_made)),
        .connection_made = process_made};
    tenon_process_exit result = {.size = sizeof result};
    tenon_process *p = NULL;
    const tenon_process_protocol protocol = {&ops, NULL};
    process_calls = 0;
    native();
    ck_assert_int_eq(tenon_process_spawn(reactor, &p, &how, protocol),
                     TENON_OK);
    UNTIL(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(tenon_process_get_exit(p, &result), TENON_OK);
    ck_assert_int_eq(process_calls, _i);
    tenon_process_unref(p);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("short-tables");
    TCase *tcase = tcase_create("short-tables");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, P_a_short_protocol, 0, SIZES);
    tcase_add_loop_test(tcase, H_a_host_of_two_slots, 0, HOST_SIZES);
    tcase_add_loop_test(tcase, Q_a_short_process_protocol, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
