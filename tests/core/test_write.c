/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Writes that do not copy, and what is owed for them, over TCP, UNIX sockets
 * and memory alike: exactly once, in order, whatever the end.
 */

#include <sys/stat.h>

#include "side.h"

static char words[4096]; /* of completions: a letter and a status */

static void done(tenon_transport *t, tenon_status status, void *user)
{
    size_t len = strlen(words);
    (void)t;
    snprintf(words + len, sizeof words - len, "%s%s:%s", len ? " " : "",
             (const char *)user, tenon_status_name(status));
}

static void freed(void *buffer, size_t len, void *user)
{
    size_t at = strlen(words);
    snprintf(words + at, sizeof words - at, "%s%s:%zu", at ? " " : "",
             (const char *)user, len);
    free(buffer);
}

static char *copy_of(const char *text)
{
    char *copy = malloc(strlen(text));
    ck_assert_ptr_nonnull(copy);
    return memcpy(copy, text, strlen(text));
}

/* Writes until something stays in the queue. */
static size_t fill(tenon_transport *t)
{
    static char block[65536];
    size_t written = 0;
    while (tenon_transport_write_queue_len(t) == 0) {
        ck_assert_int_ge(tenon_transport_write(t, block, sizeof block), 0);
        written += sizeof block;
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    return written;
}

START_TEST(P05_take_ref_and_copy_keep_one_order)
{
    static const char lent[] = "lent";
    side a = {0}, b = {0};
    native();
    words[0] = '\0';
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "1copy", 5), TENON_OK);
    ck_assert_int_eq(
        tenon_transport_write_take(a.t, copy_of("2given"), 6, freed, "A"),
        TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "3copy", 5), TENON_OK);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, lent, 4, done, "B"),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_on_flushed(a.t, done, "C"), TENON_OK);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, "", 0, done, "D"),
                     TENON_OK);
    ck_assert_int_eq(
        tenon_transport_write_take(a.t, copy_of("x"), 0, freed, "E"), TENON_OK);
    ck_assert_str_eq(words, "");
    UNTIL(b.len == 20 && strstr(words, "E:"));
    ck_assert_mem_eq(b.bytes, "1copy2given3copylent", 20);
    ck_assert_str_eq(words, "A:6 B:TENON_OK C:TENON_OK D:TENON_OK E:0");
    /* With nothing before it, too; a first write goes out at once. */
    words[0] = '\0';
    ck_assert_int_eq(tenon_transport_on_flushed(a.t, done, "F"), TENON_OK);
    UNTIL(words[0]);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, lent, 4, done, "G"),
                     TENON_OK);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), 0);
    ck_assert_str_eq(words, "F:TENON_OK");
    UNTIL(strstr(words, "G:TENON_OK") && b.len == 24);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, lent, 4, NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, NULL, 4, done, NULL),
                     TENON_INVALID);
    tenon_transport_close(a.t);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, lent, 4, done, NULL),
                     TENON_CLOSED);
    leave(l, &a, &b);
    end();
}
END_TEST

enum { BIG = 5000000 };

START_TEST(P05_a_big_loan_is_not_copied)
{
    side a = {0}, b = {0};
    char *bytes = pattern(BIG);
    native();
    words[0] = '\0';
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    size_t before = bytes_left;
    ck_assert_int_eq(tenon_transport_write_ref(a.t, bytes, BIG, done, "B"),
                     TENON_HIGH);
    ck_assert_uint_le(bytes_left, before + 200000); /* the far inbox, at most */
    ck_assert_uint_gt(tenon_transport_write_queue_len(a.t), 0);
    ck_assert_int_eq(tenon_transport_write(a.t, "end", 3), TENON_HIGH);
    UNTIL(b.len == BIG + 3);
    UNTIL(words[0]);
    ck_assert_mem_eq(b.bytes, bytes, BIG);
    ck_assert_mem_eq(b.bytes + BIG, "end", 3);
    ck_assert_str_eq(words, "B:TENON_OK");
    ck_assert_str_eq(a.log, "MPR");
    free(bytes);
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    end();
}
END_TEST

/* Loans on a transport whose queue does not move. */
static tenon_listener *stuck(side *a, side *b, int kind)
{
    words[0] = '\0';
    tenon_listener *l = join(a, b, address_of(kind));
    UNTIL(a->t && b->t);
    ck_assert_int_eq(tenon_transport_pause_reading(b->t), TENON_OK);
    fill(a->t);
    ck_assert_int_ge(
        tenon_transport_write_take(a->t, copy_of("given"), 5, freed, "A"), 0);
    ck_assert_int_ge(tenon_transport_write(a->t, "copied", 6), 0);
    ck_assert_int_ge(tenon_transport_write_ref(a->t, "lent", 4, done, "B"), 0);
    ck_assert_int_eq(tenon_transport_on_flushed(a->t, done, "C"), TENON_OK);
    return l;
}

static void last_word(side *s)
{
    (void)s;
    strcat(words, " lost");
}

START_TEST(L3_abort_pays_what_is_owed)
{
    side a = {.on['L'] = last_word}, b = {0};
    native();
    tenon_listener *l = stuck(&a, &b, _i);
    tenon_transport_abort(a.t);
    ck_assert_str_eq(words, "");
    UNTIL(is_lost(&a));
    ck_assert_str_eq(words, "A:5 B:TENON_ABORTED C:TENON_ABORTED lost");
    tenon_transport_abort(b.t);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(L3_close_sends_then_pays)
{
    side a = {.on['L'] = last_word}, b = {0};
    native();
    tenon_listener *l = stuck(&a, &b, _i);
    tenon_transport_close(a.t);
    ck_assert_int_eq(tenon_transport_resume_reading(b.t), TENON_OK);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_str_eq(words, "A:5 B:TENON_OK C:TENON_OK lost");
    ck_assert_mem_eq(b.bytes + b.len - 15, "givencopiedlent", 15);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(L3_a_loss_pays_what_is_owed)
{
    side a = {.on['L'] = last_word}, b = {0};
    native();
    tenon_listener *l = stuck(&a, &b, _i);
    tenon_transport_abort(b.t);
    UNTIL(is_lost(&a));
    const char *why = tenon_status_name(a.lost);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "A:5 B:%s C:%s lost", why, why);
    ck_assert_int_lt(a.lost, 0);
    ck_assert_str_eq(words, wanted);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(L3_the_end_of_the_reactor_pays)
{
    side a = {.on['L'] = last_word}, b = {0};
    native();
    tenon_listener *l = stuck(&a, &b, _i);
    reports = 0;
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_str_eq(words, "A:5 B:TENON_CLOSED C:TENON_CLOSED lost");
    ck_assert_int_eq(reports, 1);
    tenon_listener_unref(l);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

static void write_more(tenon_transport *t, tenon_status status, void *user)
{
    int *left = user;
    ck_assert_int_eq(status, TENON_OK);
    if (--*left > 0) {
        ck_assert_int_ge(tenon_transport_write_ref(t, "x", 1, write_more, left),
                         0);
    }
}

static void close_then(tenon_transport *t, tenon_status status, void *user)
{
    done(t, status, user);
    tenon_transport_abort(t);
}

/* A completion may write on, or end it all. */
START_TEST(L2_everything_from_a_completion)
{
    int left = 100;
    side a = {.on['L'] = last_word}, b = {0};
    native();
    words[0] = '\0';
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_ge(tenon_transport_write_ref(a.t, "x", 1, write_more, &left),
                     0);
    UNTIL(left == 0 && b.len == 100);
    ck_assert_int_ge(tenon_transport_write_ref(a.t, "y", 1, close_then, "A"),
                     0);
    ck_assert_int_ge(tenon_transport_write_ref(a.t, "z", 1, done, "B"), 0);
    UNTIL(is_lost(&a));
    ck_assert_str_eq(words, "A:TENON_OK B:TENON_OK lost");
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P05_flushed_as_a_future)
{
    side a = {0}, b = {0};
    tenon_future *good, *bad, *dropped, *none = NULL;
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_OK);
    ck_assert_int_eq(tenon_transport_flushed(a.t, &good), TENON_OK);
    ck_assert(!tenon_future_is_done(good));
    UNTIL(tenon_future_is_done(good));
    ck_assert_int_eq(tenon_future_state(good), TENON_FUTURE_RESOLVED);
    tenon_transport_pause_reading(b.t);
    fill(a.t);
    ck_assert_int_eq(tenon_transport_flushed(a.t, &bad), TENON_OK);
    ck_assert_int_eq(tenon_transport_flushed(a.t, &dropped), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(dropped, NULL), TENON_EXISTED);
    tenon_future_unref(dropped);
    tenon_transport_abort(a.t);
    UNTIL(tenon_future_is_done(bad) && is_lost(&a));
    ck_assert_int_eq(tenon_error_status(tenon_future_error(bad)),
                     TENON_ABORTED);
    ck_assert_int_eq(tenon_transport_flushed(a.t, &none), TENON_CLOSED);
    ck_assert_ptr_null(none);
    tenon_future_unref(good);
    tenon_future_unref(bad);
    tenon_transport_abort(b.t);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(B14_loans_are_counted)
{
    side a = {0}, b = {0};
    native();
    words[0] = '\0';
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    tenon_transport_pause_reading(b.t);
    fill(a.t);
    int taken = 0;
    char *buffer = copy_of("x");
    tenon_status status;
    while ((status = tenon_transport_write_take(a.t, buffer, 0, NULL, NULL)) >=
           0) {
        taken++;
    }
    ck_assert_int_eq(status, TENON_LIMIT);
    ck_assert_int_eq(taken, TENON_LOANS_MAX);
    free(buffer);
    tenon_transport_abort(a.t);
    tenon_transport_abort(b.t);
    leave(l, &a, &b);
    end();
}
END_TEST

/* ---- files ---- */

static int file_of(const char *bytes, size_t len)
{
    char path[] = "/tmp/tenon-file-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    return fd;
}

START_TEST(N21_the_exact_range_in_order)
{
    enum { LEN = 3000000, FROM = 1234, MANY = 2500000 };
    side a = {0}, b = {0};
    char *bytes = pattern(LEN);
    native();
    int fd = file_of(bytes, LEN);
    words[0] = '\0';
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "before", 6), TENON_OK);
    ck_assert_int_eq(tenon_transport_send_file(a.t, fd, FROM, MANY, done, "A"),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "after", 5), TENON_OK);
    ck_assert_uint_le(tenon_transport_write_queue_len(a.t), 11);
    ck_assert_int_eq(
        tenon_transport_send_file(a.t, fd, LEN - 10, TENON_TO_END, done, "B"),
        TENON_OK);
    ck_assert_int_eq(
        tenon_transport_send_file(a.t, fd, LEN, TENON_TO_END, done, "C"),
        TENON_OK);
    ck_assert_int_eq(tenon_transport_send_file(a.t, fd, LEN - 1, 2, done, "no"),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_transport_send_file(a.t, fd, LEN + 1, 0, done, "no"),
                     TENON_INVALID);
    close(fd);
    ck_assert_int_eq(tenon_transport_send_file(a.t, fd, 0, 1, done, "no"),
                     -EBADF);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_uint_eq(b.len, 6 + MANY + 5 + 10);
    ck_assert_mem_eq(b.bytes, "before", 6);
    ck_assert_mem_eq(b.bytes + 6, bytes + FROM, MANY);
    ck_assert_mem_eq(b.bytes + 6 + MANY, "after", 5);
    ck_assert_mem_eq(b.bytes + 6 + MANY + 5, bytes + LEN - 10, 10);
    ck_assert_str_eq(words, "A:TENON_OK B:TENON_OK C:TENON_OK");
    free(bytes);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(N21_a_file_that_gets_shorter)
{
    enum { LEN = 8000000 };
    side a = {0}, b = {0};
    char *bytes = pattern(LEN);
    native();
    int fd = file_of(bytes, LEN);
    words[0] = '\0';
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_send_file(a.t, fd, 0, LEN, done, "A"),
                     TENON_OK);
    ck_assert_int_eq(ftruncate(fd, LEN / 2), 0);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_int_eq(a.lost, -EIO);
    ck_assert_str_eq(words, "A:EIO");
    ck_assert_uint_le(b.len, LEN / 2);
    int pipe_fds[2];
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    ck_assert_int_eq(
        tenon_transport_send_file(a.t, pipe_fds[0], 0, 1, done, "A"),
        TENON_CLOSED);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(fd);
    free(bytes);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(N21_no_file_and_no_signal)
{
    enum { LEN = 3000000 };
    side a = {0}, b = {0};
    int fds[2], pipe_fds[2];
    char *bytes = pattern(LEN);
    native();
    int fd = file_of(bytes, LEN);
    words[0] = '\0';
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    ck_assert_int_eq(
        tenon_transport_send_file(a.t, pipe_fds[0], 0, 1, done, "A"),
        TENON_INVALID);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    tenon_transport_abort(a.t);
    leave(l, &a, &b);
    /* A peer that is gone: EPIPE, and no SIGPIPE, which would kill us. */
    tenon_transport *t;
    side c = {0};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], as(&c)),
                     TENON_OK);
    UNTIL(c.t);
    ck_assert_int_eq(tenon_transport_pause_reading(c.t), TENON_OK);
    close(fds[1]);
    ck_assert_int_eq(tenon_transport_send_file(c.t, fd, 0, LEN, done, "P"),
                     TENON_OK);
    UNTIL(is_lost(&c));
    ck_assert_str_eq(words, "P:EPIPE");
    ck_assert_int_eq(c.lost, -EPIPE);
    forget(&c);
    close(fd);
    free(bytes);
    end();
}
END_TEST

/* ---- nothing is allocated for an answer of two writes ---- */

static long allocations;
static void *noting(void *user, void *block, size_t old_len, size_t new_len)
{
    allocations += new_len > old_len;
    return counted(user, block, old_len, new_len);
}

static void echo_twice(side *s)
{
    ck_assert_int_eq(tenon_transport_write(s->t, s->bytes, s->len), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(s->t, s->bytes, s->len), TENON_OK);
    s->len = 0;
}

START_TEST(R_an_echo_allocates_nothing)
{
    static const tenon_allocator noted = {noting, NULL};
    side a = {0}, b = {.on['D'] = echo_twice};
    options.allocator = &noted;
    native();
    options.allocator = &counting;
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(tenon_transport_write(a.t, "hello", 5), TENON_OK);
        UNTIL(a.len == 10);
        a.len = 0;
        if (i == 10) {
            allocations = 0;
        }
    }
    ck_assert_int_eq(allocations, 0);
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    end();
}
END_TEST

/* A copy of it would cost more than a call; but nothing is overtaken. */
START_TEST(P05_a_long_write_leaves_at_once)
{
    enum { LONG_ONE = 16384 };
    side a = {0}, b = {0};
    char *bytes = pattern(LONG_ONE);
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "1", 1), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, bytes, LONG_ONE), TENON_OK);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), 0);
    ck_assert_int_eq(tenon_transport_write(a.t, bytes, LONG_ONE - 1), TENON_OK);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), LONG_ONE - 1);
    ck_assert_int_eq(tenon_transport_write(a.t, bytes, LONG_ONE), TENON_OK);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), 2 * LONG_ONE - 1);
    UNTIL(b.len == 3 * LONG_ONE);
    ck_assert_int_eq(b.bytes[0], '1');
    ck_assert_mem_eq(b.bytes + 1, bytes, LONG_ONE);
    ck_assert_mem_eq(b.bytes + 1 + LONG_ONE, bytes, LONG_ONE - 1);
    ck_assert_mem_eq(b.bytes + 2 * LONG_ONE, bytes, LONG_ONE);
    free(bytes);
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    end();
}
END_TEST

static Suite *suite(void)
{
    enum { KINDS = 4 };
    Suite *s = suite_create("writes");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_loop_test(all, P05_take_ref_and_copy_keep_one_order, 0, KINDS);
    tcase_add_loop_test(all, P05_a_big_loan_is_not_copied, 0, KINDS);
    tcase_add_loop_test(all, L3_abort_pays_what_is_owed, 0, KINDS);
    tcase_add_loop_test(all, L3_close_sends_then_pays, 0, KINDS);
    tcase_add_loop_test(all, L3_a_loss_pays_what_is_owed, 0, KINDS);
    tcase_add_loop_test(all, L3_the_end_of_the_reactor_pays, 0, KINDS);
    tcase_add_loop_test(all, L2_everything_from_a_completion, 0, KINDS);
    tcase_add_loop_test(all, P05_flushed_as_a_future, 0, KINDS);
    tcase_add_loop_test(all, B14_loans_are_counted, 0, KINDS);
    tcase_add_loop_test(all, N21_the_exact_range_in_order, 0, KINDS);
    tcase_add_loop_test(all, N21_a_file_that_gets_shorter, 0, KINDS);
    tcase_add_loop_test(all, N21_no_file_and_no_signal, 0, 1);
    tcase_add_loop_test(all, R_an_echo_allocates_nothing, 0, 2);
    tcase_add_loop_test(all, P05_a_long_write_leaves_at_once, 0, KINDS);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
