/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Readiness for tasks, cancelled and not; and two small things: a stream that
 * is counted, and the dump of tasks that a signal asks for.
 */

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_rig.h"

static int ends[2];

static void open_pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                                ends),
                     0);
}

static void close_pair(void)
{
    close(ends[0]);
    close(ends[1]);
}

typedef struct wish {
    uint32_t events;
    uint32_t ready;
    tenon_status status;
} wish;

static tenon_status wait_ready(void *user)
{
    wish *w = user;
    w->status = tenon_await_ready(ends[0], w->events, &w->ready);
    return TENON_OK;
}

START_TEST(W12_waits_until_it_is_ready)
{
    wish w = {.events = TENON_READ};
    open_pair();
    tenon_task *task = spawn(wait_ready, &w, TENON_TASK_EAGER);
    settle();
    ck_assert(!tenon_task_is_done(task));
    ck_assert_int_eq((int)write(ends[1], "x", 1), 1);
    settle();
    require_end(task, TENON_OK);
    ck_assert_int_eq(w.status, TENON_OK);
    ck_assert_uint_eq(w.ready, TENON_READ);
    close_pair();
}
END_TEST

START_TEST(W12_of_two_wishes_the_one_that_holds_is_told)
{
    wish w = {.events = TENON_READ | TENON_WRITE};
    open_pair();
    run(wait_ready, &w);
    ck_assert_uint_eq(w.ready, TENON_WRITE);
    w.events = 8;
    run(wait_ready, &w);
    ck_assert_int_eq(w.status, TENON_INVALID);
    close_pair();
}
END_TEST

/* The descriptor becomes ready in the turn of the cancelling: it is left as it
 * is, and nothing of ours watches it any more. */
START_TEST(W12_a_cancelled_wait_leaves_no_watch)
{
    wish w = {.events = TENON_READ};
    open_pair();
    tenon_task *task = spawn(wait_ready, &w, TENON_TASK_EAGER);
    ck_assert_int_eq((int)write(ends[1], "x", 1), 1);
    (void)tenon_task_cancel(task, NULL);
    close_pair();
    settle();
    require_end(task, TENON_OK);
    ck_assert_int_eq(w.status, TENON_CANCELLED);
}
END_TEST

static tenon_status receive(void *user)
{
    char byte = 0;
    size_t got = 0;
    (void)user;
    tenon_status status = tenon_sock_recv(ends[0], &byte, 1, &got);
    put(status == TENON_CANCELLED ? 'C' : byte);
    return TENON_OK;
}

START_TEST(W12_what_a_cancelled_call_did_not_read_is_there)
{
    open_pair();
    tenon_task *task = spawn(receive, NULL, TENON_TASK_EAGER);
    ck_assert_int_eq((int)write(ends[1], "x", 1), 1);
    (void)tenon_task_cancel(task, NULL);
    settle();
    require_end(task, TENON_OK);
    run(receive, NULL);
    ck_assert_str_eq(notes, "Cx");
    close_pair();
}
END_TEST

START_TEST(a_stream_is_counted)
{
    open_stream();
    ck_assert_ptr_eq(tenon_stream_ref(stream), stream);
    ck_assert_ptr_null(tenon_stream_ref(NULL));
    tenon_stream_unref(stream);
    tenon_stream_unref(NULL);
    ck_assert_ptr_nonnull(tenon_stream_transport(stream));
    close_stream();
}
END_TEST

static long written(FILE *file)
{
    ck_assert_int_eq(fflush(file), 0);
    return ftell(file);
}

START_TEST(a_signal_dumps_the_tasks)
{
    FILE *file = tmpfile();
    wish w = {.events = TENON_READ};
    char text[4096] = "";
    ck_assert_ptr_nonnull(file);
    open_pair();
    tenon_task *task = spawn(wait_ready, &w, TENON_TASK_EAGER);
    tenon_task_set_name(task, "patient");
    ck_assert_int_eq(
        tenon_tasks_dump_on_signal(reactor, SIGUSR2, file, TENON_TASKS_TEXT),
        TENON_OK);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    settle();
    long len = written(file);
    ck_assert_int_gt(len, 0);
    rewind(file);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
    ck_assert_ptr_nonnull(strstr(text, "patient"));
    ck_assert_int_eq(
        tenon_tasks_dump_on_signal(reactor, SIGUSR2, NULL, TENON_TASKS_TEXT),
        TENON_OK);
    (void)tenon_task_cancel(task, NULL);
    settle();
    require_end(task, TENON_OK);
    (void)fclose(file);
    close_pair();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        W12_waits_until_it_is_ready,
        W12_of_two_wishes_the_one_that_holds_is_told,
        W12_a_cancelled_wait_leaves_no_watch,
        W12_what_a_cancelled_call_did_not_read_is_there,
        a_stream_is_counted,
        a_signal_dumps_the_tasks,
    };
    return RUN_TESTS("sock", tests);
}
