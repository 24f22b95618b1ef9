/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What is asked of processes in vain or seldom: outputs beyond the limit,
 * inputs that are none, and tables of every length.
 */

#include "process_rig.h"

START_TEST(impossible_wishes)
{
    static const tenon_process_fd many[TENON_PROCESS_FDS_MAX + 1];
    const tenon_process_fd below = {5, -1, 0};
    const tenon_process_user nobody = {.size = sizeof nobody, .group_count = 1};
    const tenon_process_options wishes[] = {
        {.fds = many, .fd_count = TENON_PROCESS_FDS_MAX + 1},
        {.fds = &below, .fd_count = 1},
        {.user = &nobody}};
    child c = {0};
    ck_assert_int_eq(run_with(&c, "exit", wishes[_i]), TENON_INVALID);
    ck_assert(!has_children());
}
END_TEST

/* ---- communicate ---- */

static const tenon_process_fd no_input[] = {{0, TENON_STDIO_NULL, 0}};

START_TEST(R07_what_cannot_be_had)
{
    child c = {0};
    tenon_future *future = NULL;
    START_WITH(&c, "echo out; exec sleep 1000", .fds = no_input, .fd_count = 1);
    ck_assert_int_eq(tenon_process_wait(c.process, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_process_communicate(c.process, "x", 1, &future),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &future),
                     TENON_CLOSED);
    ck_assert_ptr_null(future);
    finish(&c);
}
END_TEST

START_TEST(R07_without_an_input)
{
    child c = {0};
    tenon_future *future;
    void *value;
    START_WITH(&c, "cat; echo out", .fds = no_input, .fd_count = 1);
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &future),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_until(reactor, future, TENON_FOREVER), TENON_OK);
    ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
    ck_assert_str_eq(((const tenon_process_output *)value)->out, "out\n");
    tenon_future_unref(future);
    finish(&c);
}
END_TEST

/* What is neither output nor error goes to the protocol all the same. */
START_TEST(R07_a_third_output)
{
    const tenon_process_fd third = {3, TENON_STDIO_PIPE, 0};
    child c = {0};
    tenon_future *future;
    void *value;
    START_WITH(&c, "echo past >&3; echo out", .fds = &third, .fd_count = 1);
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &future),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_until(reactor, future, TENON_FOREVER), TENON_OK);
    ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
    ck_assert_str_eq(((const tenon_process_output *)value)->out, "out\n");
    ck_assert_str_eq(c.out, "past\n");
    tenon_future_unref(future);
    finish(&c);
}
END_TEST

START_TEST(R07_more_at_once_than_is_wanted)
{
    child c = {0};
    tenon_future *future;
    START_WITH(&c, "echo 12345678; exec sleep 1000", .output_max = 8);
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &future),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_until(reactor, future, TENON_FOREVER),
                     TENON_LIMIT);
    tenon_future_unref(future);
    finish(&c);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
}
END_TEST

START_TEST(R07_more_input_than_may_wait)
{
    static char big[1000000];
    child c = {0};
    tenon_future *future = NULL;
    START(&c, "exec sleep 1000");
    tenon_transport *in = tenon_process_pipe(c.process, 0);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(tenon_transport_set_hard_limit(in, 100000), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(in, big, sizeof big), TENON_HIGH);
    ck_assert_int_eq(
        tenon_process_communicate(c.process, big, sizeof big, &future),
        TENON_LIMIT);
    ck_assert_ptr_null(future);
    ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    finish(&c);
}
END_TEST

/* ---- tables ---- */

static const size_t sizes[] = {
    offsetof(tenon_process_ops, connection_made),
    offsetof(tenon_process_ops, pipe_data_received),
    offsetof(tenon_process_ops, pipe_connection_lost),
    offsetof(tenon_process_ops, process_exited),
    offsetof(tenon_process_ops, connection_lost),
    offsetof(tenon_process_ops, pause_writing),
    offsetof(tenon_process_ops, resume_writing),
    sizeof(tenon_process_ops)};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static int paused;
static int resumed;

static tenon_status on_pause(void *self, tenon_process *process, int fd)
{
    (void)self;
    (void)process;
    ck_assert_int_eq(fd, 0);
    paused++;
    return TENON_OK;
}

static tenon_status on_resume(void *self, tenon_process *process, int fd)
{
    (void)self;
    (void)process;
    ck_assert_int_eq(fd, 0);
    resumed++;
    return TENON_OK;
}

/* What stands beyond the size is not called; `full`: what is NULL neither. */
static bool told_of(const child *c, char letter)
{
    return strchr(c->log, letter) != NULL;
}

START_TEST(a_table_of_each_size)
{
    static char big[1000000];
    tenon_process_ops table = ops;
    table.pause_writing = on_pause;
    table.resume_writing = on_resume;
    table.size = (uint32_t)sizes[_i];
    const char *const argv[] = {"/bin/sh", "-c", "cat", NULL};
    tenon_process_options options = {
        .size = sizeof options, .argv = argv, .envp = environment};
    child c = {0};
    ck_assert_int_eq(tenon_process_spawn(reactor, &c.process, &options,
                                         (tenon_process_protocol){&table, &c}),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    tenon_transport *in = tenon_process_pipe(c.process, 0);
    ck_assert_int_eq(tenon_transport_write(in, big, sizeof big), TENON_HIGH);
    ck_assert_int_eq(tenon_transport_write_eof(in), TENON_OK);
    UNTIL(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(told_of(&c, 'M'), sizes[_i] > sizes[0]);
    ck_assert_int_eq(told_of(&c, 'D'), sizes[_i] > sizes[1]);
    ck_assert_int_eq(told_of(&c, 'P'), sizes[_i] > sizes[2]);
    ck_assert_int_eq(told_of(&c, 'X'), sizes[_i] > sizes[3]);
    ck_assert_int_eq(told_of(&c, 'L'), sizes[_i] > sizes[4]);
    ck_assert_int_eq(paused > 0, sizes[_i] > sizes[5]);
    ck_assert_int_eq(resumed > 0, sizes[_i] > sizes[6]);
    tenon_process_unref(c.process);
}
END_TEST

START_TEST(a_table_of_nothing)
{
    static char big[1000000];
    const tenon_process_ops nothing = {.size = sizeof nothing};
    const char *const argv[] = {"/bin/sh", "-c", "cat", NULL};
    tenon_process_options options = {
        .size = sizeof options, .argv = argv, .envp = environment};
    tenon_process_exit how = {.size = sizeof how};
    child c = {0};
    ck_assert_int_eq(
        tenon_process_spawn(reactor, &c.process, &options,
                            (tenon_process_protocol){&nothing, &c}),
        TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    tenon_transport *in = tenon_process_pipe(c.process, 0);
    ck_assert_int_eq(tenon_transport_write(in, big, sizeof big), TENON_HIGH);
    ck_assert_int_eq(tenon_transport_write_eof(in), TENON_OK);
    UNTIL(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(tenon_process_get_exit(c.process, &how), TENON_OK);
    ck_assert_int_eq(how.code, 0);
    tenon_process_unref(c.process);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process wishes");
    TCase *tcase = tcase_create("process wishes");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, impossible_wishes, 0, 3);
    tcase_add_test(tcase, R07_what_cannot_be_had);
    tcase_add_test(tcase, R07_without_an_input);
    tcase_add_test(tcase, R07_a_third_output);
    tcase_add_test(tcase, R07_more_at_once_than_is_wanted);
    tcase_add_test(tcase, R07_more_input_than_may_wait);
    tcase_add_loop_test(tcase, a_table_of_each_size, 0, SIZES);
    tcase_add_test(tcase, a_table_of_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
