/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The ends of a pollable, on every host, and all that may be refused to it: by
 * the reactor, by the kernel, for lack of memory.
 *
 * ctest: labels=threads timeout=180
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

/* ---- a kernel that says no ---- */

static int refused_fd = -1;
static int refused_error;

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
    __attribute__((visibility("default")));

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (fd == refused_fd && op != EPOLL_CTL_DEL) {
        errno = refused_error;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* ---- ends ---- */

START_TEST(freed_inside_closed)
{
    if (begin(_i, &plain)) {
        lib.on_closed = free_it;
        set(lib.pair[0], TENON_READ);
        set_timeout(MS);
        host_end_reactor();
        ck_assert_int_eq(lib.closed_count, 1);
        ck_assert_int_eq(lib.timeout_count, 0);
        end();
    }
}
END_TEST

static void refuses_all(void)
{
    int fd = lib.pair[0];
    ck_assert_int_eq(tenon_pollable_set(lib.pollable, fd, TENON_READ),
                     TENON_CLOSED);
    ck_assert_int_eq(tenon_pollable_set(lib.pollable, fd, 0), TENON_CLOSED);
    ck_assert_uint_eq(tenon_pollable_get(lib.pollable, fd), 0);
    ck_assert_int_eq(tenon_pollable_set_timeout(lib.pollable, MS),
                     TENON_CLOSED);
    ck_assert_int_eq(tenon_pollable_set_timeout(lib.pollable, TENON_FOREVER),
                     TENON_CLOSED);
}

START_TEST(the_reactor_closes_first)
{
    if (begin(_i, &plain)) {
        lib.on_closed = refuses_all;
        put(lib.pair[1]);
        set(lib.pair[0], TENON_READ);
        set(lib.other[0], BOTH);
        set_timeout(0);
        host_end_reactor();
        ck_assert_int_eq(lib.closed_count, 1);
        ck_assert_int_eq(lib.ready_count, 0);
        refuses_all();
        end();
    }
}
END_TEST

START_TEST(the_last_reference_goes_first)
{
    if (begin(_i, &plain)) {
        tenon_reactor *reactor = stage.reactor;
        put(lib.pair[1]);
        set(lib.pair[0], TENON_READ);
        set_timeout(MS);
        stage.reactor = NULL;
        tenon_reactor_unref(reactor);
        if (lib.closed_count == 0) { /* the loop has one, too */
            stage.fixture->loop_free(stage.loop);
            stage.loop = NULL;
        }
        ck_assert_int_eq(lib.closed_count, 1);
        refuses_all();
        end();
    }
}
END_TEST

/* At the latest the next close or unref tells it. */
START_TEST(the_host_goes_first)
{
    if (begin(_i, &plain)) {
        lib.on_closed = refuses_all;
        if (stage.fixture->caps & TENON_FIXTURE_DIES) {
            set(lib.pair[0], TENON_READ);
            set_timeout(MS);
            stage.fixture->loop_free(stage.loop);
            stage.loop = NULL;
            put(lib.pair[1]);
            (void)tenon_pollable_set(lib.pollable, lib.pair[0], BOTH);
            (void)tenon_pollable_set_timeout(lib.pollable, 2 * MS);
            ck_assert_int_ge(tenon_reactor_close(stage.reactor), 0);
            ck_assert_int_eq(lib.closed_count, 1);
            tenon_reactor_unref(stage.reactor);
            stage.reactor = NULL;
        } else {
            free_it();
        }
        end();
    }
}
END_TEST

START_TEST(freed_when_the_host_is_gone)
{
    if (begin(_i, &plain)) {
        if (stage.fixture->caps & TENON_FIXTURE_DIES) {
            set(lib.pair[0], TENON_READ);
            stage.fixture->loop_free(stage.loop);
            stage.loop = NULL;
            free_it();
            ck_assert_int_eq(lib.closed_count, 0);
            ck_assert_int_ge(tenon_reactor_close(stage.reactor), 0);
            tenon_reactor_unref(stage.reactor);
            stage.reactor = NULL;
        }
        end();
    }
}
END_TEST

/* ---- refusals ---- */

static void take_it(int fd, uint32_t events)
{
    note("%u", events);
    read_one(fd);
}

START_TEST(bad_arguments_are_refused)
{
    if (begin(_i, &plain)) {
        tenon_pollable_ops ops = plain;
        tenon_pollable *out = NULL;
        ops.ready = NULL;
        ck_assert_int_eq(tenon_pollable_new(stage.reactor, &ops, &lib, &out),
                         TENON_INVALID);
        ops = plain;
        ops.size = offsetof(tenon_pollable_ops, ready);
        ck_assert_int_eq(tenon_pollable_new(stage.reactor, &ops, &lib, &out),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_pollable_new(NULL, &plain, &lib, &out),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_pollable_set(lib.pollable, lib.pair[0], 4),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_pollable_set(lib.pollable, -1, TENON_READ),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_pollable_set_timeout(lib.pollable, -1),
                         TENON_INVALID);
        /* A table of before there were deadlines. */
        ops.size = offsetof(tenon_pollable_ops, timeout);
        ck_assert_int_eq(tenon_pollable_new(stage.reactor, &ops, &lib, &out),
                         TENON_OK);
        ck_assert_int_eq(tenon_pollable_set_timeout(out, 0), TENON_INVALID);
        ck_assert_int_eq(tenon_pollable_set_timeout(out, TENON_FOREVER),
                         TENON_OK);
        tenon_pollable_free(out);
        tenon_pollable_free(NULL);
        end();
    }
}
END_TEST

static void refuse(int fd, int error)
{
    refused_fd = fd;
    refused_error = error;
}

START_TEST(a_refused_change_changes_nothing)
{
    if (begin(_i, &plain)) {
        lib.on_ready = take_it;
        int fd = lib.pair[0];
        refuse(fd, ENOSPC);
        ck_assert_int_eq(tenon_pollable_set(lib.pollable, fd, TENON_READ),
                         -ENOSPC);
        ck_assert_uint_eq(tenon_pollable_get(lib.pollable, fd), 0);
        refuse(-1, 0);
        set(fd, TENON_READ);
        refuse(fd, ENOMEM);
        ck_assert_int_eq(tenon_pollable_set(lib.pollable, fd, BOTH),
                         TENON_NO_MEMORY);
        ck_assert_uint_eq(tenon_pollable_get(lib.pollable, fd), TENON_READ);
        refuse(-1, 0);
        put(lib.pair[1]);
        PUMP_UNTIL(lib.ready_count);
        host_run_for(5 * MS);
        ck_assert_str_eq(lib.log, "1");
        refuse(fd, ENOMEM);
        set(fd, 0); /* removing never fails */
        refuse(-1, 0);
        end();
    }
}
END_TEST

START_TEST(out_of_memory_is_a_status)
{
    if (begin(_i, &plain)) {
        harness_heap *heap = &stage.guard.heap;
        tenon_pollable *out = NULL;
        harness_heap_fail(heap, 1, 1);
        ck_assert_int_eq(tenon_pollable_new(stage.reactor, &plain, &lib, &out),
                         TENON_NO_MEMORY);
        ck_assert_ptr_null(out);
        int failures = 0;
        for (uint64_t nth = 1;; nth++) {
            harness_heap_fail(heap, nth, 1);
            tenon_status status =
                tenon_pollable_set(lib.pollable, lib.pair[0], TENON_READ);
            harness_heap_fail(heap, 0, 0);
            if (status == TENON_OK) {
                break;
            }
            failures++;
            ck_assert_int_eq(status, TENON_NO_MEMORY);
            ck_assert_uint_eq(tenon_pollable_get(lib.pollable, lib.pair[0]), 0);
        }
        ck_assert_int_ge(failures, 1);
        end();
    }
}
END_TEST

static void remove_first(int fd, uint32_t events)
{
    note("%u", events);
    set(fd, 0);
}

static void *intrude(void *user)
{
    tenon_pollable *out = NULL;
    (void)user;
    ck_assert_int_eq(tenon_pollable_new(stage.reactor, &plain, &lib, &out),
                     TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_pollable_set(lib.pollable, lib.pair[0], TENON_READ),
                     TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_pollable_set(lib.pollable, lib.pair[0], 0),
                     TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_pollable_set_timeout(lib.pollable, MS),
                     TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_pollable_set_timeout(lib.pollable, TENON_FOREVER),
                     TENON_WRONG_THREAD);
    ck_assert_uint_eq(tenon_pollable_get(lib.pollable, lib.pair[0]), 0);
    tenon_pollable_free(lib.pollable);
    return NULL;
}

START_TEST(another_thread_is_refused)
{
    if (begin(_i, &plain)) {
        pthread_t thread;
        lib.on_ready = remove_first;
        set(lib.pair[0], TENON_READ);
        set_timeout(MS);
        PUMP_UNTIL(lib.timeout_count == 1); /* a turn: it has an owner */
        ck_assert_int_eq(pthread_create(&thread, NULL, intrude, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        put(lib.pair[1]);
        PUMP_UNTIL(lib.ready_count == 1);
        end();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("pollable");
    int hosts = host_count();
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, freed_inside_closed, 0, hosts);
    tcase_add_loop_test(tcase, the_reactor_closes_first, 0, hosts);
    tcase_add_loop_test(tcase, the_last_reference_goes_first, 0, hosts);
    tcase_add_loop_test(tcase, the_host_goes_first, 0, hosts);
    tcase_add_loop_test(tcase, freed_when_the_host_is_gone, 0, hosts);
    tcase_add_loop_test(tcase, bad_arguments_are_refused, 0, hosts);
    tcase_add_loop_test(tcase, a_refused_change_changes_nothing, 0, hosts);
    tcase_add_loop_test(tcase, out_of_memory_is_a_status, 0, hosts);
    tcase_add_loop_test(tcase, another_thread_is_refused, 0, hosts);
    return host_main(tcase);
}
