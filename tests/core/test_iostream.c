/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams that are asked, by tasks and by futures, over memory.
 */

#include <stdlib.h>

#include "future_rig.h"

static tenon_status echo_lines(tenon_stream *s, void *user)
{
    tenon_bytes line;
    tenon_status status;
    (void)user;
    while ((status = tenon_stream_read_line(s, &line)) == TENON_OK) {
        TENON_TRY(tenon_stream_send(s, line.data, line.len));
        TENON_TRY(tenon_stream_send(s, "\n", 1));
    }
    return status == TENON_ENDED ? TENON_OK : status;
}

typedef struct talk {
    const char *address;
    tenon_listener *listener;
} talk;

static tenon_status ask(void *user)
{
    talk *t = user;
    tenon_stream *s = NULL;
    tenon_bytes bytes;
    TENON_TRY(tenon_stream_connect(reactor, t->address, NULL, &s));
    TENON_TRY(tenon_stream_send(s, "hello\nworld\n", 12));
    TENON_TRY(tenon_stream_read_exactly(s, 3, &bytes));
    ck_assert(memcmp(bytes.data, "hel", 3) == 0);
    TENON_TRY(tenon_stream_read_until(s, "ld", 0, &bytes));
    ck_assert(bytes.len == 8 && memcmp(bytes.data, "lo\nworld", 8) == 0);
    TENON_TRY(tenon_stream_write_eof(s));
    TENON_TRY(tenon_stream_read_all(s, 0, &bytes));
    ck_assert(bytes.len == 1);
    ck_assert(tenon_stream_at_end(s));
    ck_assert_int_eq(tenon_stream_read(s, 10, &bytes), TENON_ENDED);
    TENON_TRY(tenon_stream_close(s));
    TENON_TRY(tenon_stream_wait_closed(s));
    tenon_stream_unref(s);
    TENON_TRY(tenon_listener_close(t->listener));
    return TENON_OK;
}

START_TEST(a_task_talks_to_a_task)
{
    talk t = {.address = "mem:echo"};
    tenon_task *task = NULL;
    ck_assert_int_eq(
        tenon_serve(reactor, &t.listener, t.address, echo_lines, NULL, NULL),
        TENON_OK);
    ck_assert_int_eq(tenon_spawn(reactor, ask, &t, NULL, &task), TENON_OK);
    settle();
    ck_assert_int_eq(tenon_future_state(tenon_task_future(task)),
                     TENON_FUTURE_RESOLVED);
    tenon_task_unref(task);
    tenon_listener_unref(t.listener);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_task_talks_to_a_task,
    };
    return RUN_TESTS("iostream", tests);
}
