/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The pollable at work, on every host: interests, deadlines, descriptors that
 * were closed too early, many of them, loops inside of loops.
 *
 * ctest: timeout=180
 */

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib.h"

enum { MANY = 5000 };

/* ---- interests ---- */

static void change_interest(int fd, uint32_t events)
{
    note("%s%s", events & TENON_READ ? "r" : "",
         events & TENON_WRITE ? "w" : "");
    if (lib.ready_count == 1) {
        set(fd, BOTH); /* what is told next */
    } else if (lib.ready_count == 2) {
        read_one(fd);
        set(fd, TENON_WRITE);
    } else if (lib.ready_count == 3) {
        set(fd, TENON_READ);
        put(lib.pair[1]);
    } else {
        read_one(fd);
        set(fd, 0);
    }
}

START_TEST(interest_changes_inside_ready)
{
    if (begin(_i, &plain)) {
        lib.on_ready = change_interest;
        put(lib.pair[1]);
        set(lib.pair[0], TENON_READ);
        ck_assert_int_eq(lib.ready_count, 0);
        PUMP_UNTIL(tenon_pollable_get(lib.pollable, lib.pair[0]) == 0);
        host_run_for(5 * MS);
        ck_assert_str_eq(lib.log, "r rw w r");
        end();
    }
}
END_TEST

static void write_down(int fd, uint32_t events)
{
    note("%s%s", events & TENON_READ ? "r" : "",
         events & TENON_WRITE ? "w" : "");
    if (events & TENON_WRITE) {
        set(fd, 0);
    }
}

static void remove_first(int fd, uint32_t events)
{
    note("%u", events);
    set(fd, 0);
}

static void add_again(int fd, uint32_t events)
{
    note("%u", events);
    set(fd, 0);
    if (lib.ready_count == 1) {
        set(fd, TENON_WRITE);
    }
}

static void want_less(int fd, uint32_t events)
{
    note("%u", events);
    set(fd, TENON_READ);
    read_one(fd);
}

static void remove_other(int fd, uint32_t events)
{
    write_down(fd, events);
    if (lib.ready_count == 1) {
        set(lib.other[0], 0);
    }
}

/* Both are ready; in two calls, and the second only if nothing has gone. */
START_TEST(split_tells_in_two_calls)
{
    static const struct {
        void (*on_ready)(int fd, uint32_t events);
        const char *log;
    } cases[] = {
        {write_down, "r w"}, {remove_first, "1"},     {add_again, "1 2"},
        {want_less, "1"},    {remove_other, "r r w"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&lib, 0, sizeof lib);
        if (!begin(_i, &split)) {
            return;
        }
        lib.on_ready = cases[i].on_ready;
        put(lib.pair[1]);
        set(lib.other[0], TENON_READ);
        set(lib.pair[0], BOTH);
        PUMP_UNTIL(strlen(lib.log) >= strlen(cases[i].log));
        host_run_for(5 * MS);
        ck_assert_str_eq(lib.log, cases[i].log);
        end();
    }
}
END_TEST

static void hang_up(int fd, uint32_t events)
{
    note("%u", events);
    if (lib.ready_count == 2) {
        set(fd, 0);
    }
}

/* A hang-up is all that was asked for, and no more. */
START_TEST(a_hangup_is_whatever_was_asked)
{
    if (begin(_i, &plain)) {
        lib.on_ready = hang_up;
        set(lib.pair[0], BOTH);
        close(lib.pair[1]);
        lib.pair[1] = -1;
        PUMP_UNTIL(lib.ready_count == 2);
        ck_assert_str_eq(lib.log, "3 3");
        end();
    }
}
END_TEST

/* ---- freeing ---- */

static void free_inside(int fd, uint32_t events)
{
    (void)fd, (void)events;
    free_it();
}

START_TEST(freed_inside_ready)
{
    if (begin(_i, &split)) {
        lib.on_ready = free_inside;
        put(lib.pair[1]);
        put(lib.other[1]);
        set(lib.pair[0], BOTH);
        set(lib.other[0], BOTH);
        PUMP_UNTIL(lib.ready_count);
        host_run_for(5 * MS);
        ck_assert_int_eq(lib.ready_count, 1);
        end();
    }
}
END_TEST

START_TEST(freed_inside_timeout)
{
    if (begin(_i, &plain)) {
        lib.on_timeout = free_it;
        set(lib.pair[0], TENON_READ);
        set_timeout(MS);
        PUMP_UNTIL(lib.timeout_count);
        end();
    }
}
END_TEST

/* ---- descriptors that were closed too early ---- */

START_TEST(closed_before_the_removal)
{
    if (begin(_i, &plain)) {
        int fd = lib.pair[0];
        set(fd, BOTH);
        close(fd);
        lib.pair[0] = -1;
        host_run_for(5 * MS);
        ck_assert_int_eq(lib.ready_count, 0);
        set(fd, 0);
        set(fd, 0); /* twice does no harm */
        end();
    }
}
END_TEST

/* The number of pair[0], with other[0] behind it. */
static int reuse(void)
{
    int fd = lib.pair[0];
    close(fd);
    ck_assert_int_eq(dup3(lib.other[0], fd, O_CLOEXEC), fd);
    return fd;
}

static void take_it(int fd, uint32_t events)
{
    note("%u", events);
    read_one(fd);
}

START_TEST(a_number_reused_with_the_same_interest)
{
    if (begin(_i, &plain)) {
        lib.on_ready = take_it;
        set(lib.pair[0], TENON_READ);
        put(lib.pair[1]);
        int fd = reuse();
        set(fd, 0); /* told late */
        set(fd, TENON_READ);
        host_run_for(5 * MS);
        ck_assert_str_eq(lib.log, "");
        put(lib.other[1]);
        PUMP_UNTIL(lib.ready_count == 1);
        set(fd, 0);
        end();
    }
}
END_TEST

START_TEST(a_number_reused_with_another_interest)
{
    if (begin(_i, &plain)) {
        lib.on_ready = take_it;
        set(lib.pair[0], BOTH);
        int fd = reuse();
        set(fd, TENON_READ); /* the old one was never removed */
        put(lib.other[1]);
        PUMP_UNTIL(lib.ready_count == 1);
        set(fd, 0);
        end();
    }
}
END_TEST

/* Somebody else watches the number first: the old entry goes by itself, and
 * may be asked for again before it has heard of that. */
START_TEST(a_number_reused_by_somebody_else)
{
    if (begin(_i, &plain)) {
        tenon_pollable *mine = lib.pollable;
        lib.on_ready = take_it;
        set(lib.other[1], TENON_READ); /* the reactor's own memory */
        set(lib.other[1], 0);
        size_t blocks = stage.guard.heap.count + 1;
        set(lib.pair[0], TENON_READ);
        int fd = reuse();
        ck_assert_int_eq(
            tenon_pollable_new(stage.reactor, &plain, &lib, &lib.pollable),
            TENON_OK);
        set(fd, TENON_READ);
        ck_assert_uint_eq(tenon_pollable_get(mine, fd), 0);
        put(lib.other[1]);
        PUMP_UNTIL(lib.ready_count == 1);
        ck_assert_int_eq(tenon_pollable_set(mine, fd, TENON_READ), TENON_OK);
        ck_assert_uint_eq(tenon_pollable_get(mine, fd), TENON_READ);
        set(fd, 0);
        ck_assert_int_eq(tenon_pollable_set(mine, fd, 0), TENON_OK);
        ck_assert_uint_eq(stage.guard.heap.count, blocks); /* no entries */
        tenon_pollable_free(mine);
        end();
    }
}
END_TEST

/* ---- the deadline ---- */

static void arm_again(void)
{
    ck_assert_int_ge(harness_clock_ns() - lib.time_ns, 2 * MS);
    lib.time_ns = harness_clock_ns();
    if (lib.timeout_count < 3) {
        set_timeout(2 * MS);
    }
}

START_TEST(the_deadline_armed_inside_timeout)
{
    if (begin(_i, &plain)) {
        lib.on_timeout = arm_again;
        lib.time_ns = harness_clock_ns();
        set_timeout(2 * MS);
        PUMP_UNTIL(lib.timeout_count == 3);
        host_run_for(10 * MS);
        ck_assert_int_eq(lib.timeout_count, 3);
        end();
    }
}
END_TEST

START_TEST(the_deadline_at_once_and_never)
{
    if (begin(_i, &plain)) {
        set_timeout(0);
        ck_assert_int_eq(lib.timeout_count, 0);
        PUMP_UNTIL(lib.timeout_count == 1);
        set_timeout(3600 * TENON_SECOND);
        set_timeout(MS); /* in its place */
        PUMP_UNTIL(lib.timeout_count == 2);
        set_timeout(MS);
        set_timeout(TENON_FOREVER);
        set_timeout(TENON_FOREVER);
        host_run_for(10 * MS);
        ck_assert_int_eq(lib.timeout_count, 2);
        end();
    }
}
END_TEST

/* ---- many, and loops inside of loops ---- */

static void take_event(int fd, uint32_t events)
{
    uint64_t value;
    ck_assert_uint_eq(events, TENON_READ);
    ck_assert_int_eq(read(fd, &value, sizeof value), (ssize_t)sizeof value);
    set(fd, fd % 2 ? 0 : TENON_WRITE);
    set(fd, 0);
}

START_TEST(many_descriptors)
{
    static int fds[MANY];
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (begin(_i, &plain)) {
        lib.on_ready = take_event;
        for (int i = 0; i < MANY; i++) {
            fds[i] = eventfd(i % 3 ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
            ck_assert_int_ge(fds[i], 0);
            set(fds[i], TENON_READ);
        }
        PUMP_UNTIL(lib.ready_count == MANY - (MANY + 2) / 3);
        for (int i = 0; i < MANY; i += 2) {
            set(fds[i], 0);
        }
        free_it(); /* what is left goes with it */
        for (int i = 0; i < MANY; i++) {
            close(fds[i]);
        }
        end();
    }
}
END_TEST

static void run_inside(int fd, uint32_t events)
{
    (void)events;
    read_one(fd);
    if (lib.ready_count > 1) {
        return;
    }
    note("outer");
    put(lib.pair[1]);
    put(lib.other[1]);
    set_timeout(0);
    stage.fixture->nested(stage.loop, 20 * MS);
    ck_assert_int_eq(lib.timeout_count, 0);
    note("back");
}

/* A dialog inside of ready: the library is not entered again, whatever is due;
 * it is told afterwards. */
START_TEST(a_loop_inside_ready)
{
    if (begin(_i, &plain)) {
        if (stage.fixture->caps & TENON_FIXTURE_NESTED) {
            lib.on_ready = run_inside;
            put(lib.pair[1]);
            set(lib.pair[0], TENON_READ);
            set(lib.other[0], TENON_READ);
            PUMP_UNTIL(lib.timeout_count == 1 && lib.ready_count == 3);
            ck_assert_str_eq(lib.log, "outer back");
        }
        end();
    }
}
END_TEST

static void free_and_run_inside(int fd, uint32_t events)
{
    (void)fd;
    (void)events;
    note("outer");
    put(lib.other[1]);
    set_timeout(0);
    free_it();
    stage.fixture->nested(stage.loop, 20 * MS);
    note("back");
}

/* What is freed in there is gone for the rest of it. */
START_TEST(a_loop_inside_ready_after_it_was_freed)
{
    if (begin(_i, &plain)) {
        if (stage.fixture->caps & TENON_FIXTURE_NESTED) {
            lib.on_ready = free_and_run_inside;
            put(lib.pair[1]);
            set(lib.pair[0], TENON_READ);
            set(lib.other[0], TENON_READ);
            PUMP_UNTIL(!lib.pollable);
            host_run_for(5 * MS);
            ck_assert_str_eq(lib.log, "outer back");
            ck_assert_int_eq(lib.timeout_count, 0);
        }
        end();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("pollable");
    int hosts = host_count();
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, interest_changes_inside_ready, 0, hosts);
    tcase_add_loop_test(tcase, split_tells_in_two_calls, 0, hosts);
    tcase_add_loop_test(tcase, a_hangup_is_whatever_was_asked, 0, hosts);
    tcase_add_loop_test(tcase, freed_inside_ready, 0, hosts);
    tcase_add_loop_test(tcase, freed_inside_timeout, 0, hosts);
    tcase_add_loop_test(tcase, closed_before_the_removal, 0, hosts);
    tcase_add_loop_test(tcase, a_number_reused_with_the_same_interest, 0,
                        hosts);
    tcase_add_loop_test(tcase, a_number_reused_with_another_interest, 0, hosts);
    tcase_add_loop_test(tcase, a_number_reused_by_somebody_else, 0, hosts);
    tcase_add_loop_test(tcase, the_deadline_armed_inside_timeout, 0, hosts);
    tcase_add_loop_test(tcase, the_deadline_at_once_and_never, 0, hosts);
    tcase_add_loop_test(tcase, many_descriptors, 0, hosts);
    tcase_add_loop_test(tcase, a_loop_inside_ready, 0, hosts);
    tcase_add_loop_test(tcase, a_loop_inside_ready_after_it_was_freed, 0,
                        hosts);
    return host_main(tcase);
}
