/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */
/* ctest: labels=async */

/*
 * Retries and their pauses, killing, work in slices, on a virtual clock.
 */

#include "task_rig.h"

#define MS(n) ((n)*TENON_MILLISECOND)

/* ---- retry ---- */

static int tries;
static int64_t times[16];
static int succeeds_at;
static tenon_status fails_with;

static tenon_status one_try(void *user)
{
    (void)user;
    times[tries++] = tenon_now(reactor);
    return tries == succeeds_at ? tenon_return_int(tries)
                                : tenon_raise(fails_with, "not yet");
}

static tenon_retry_options policy;

static tenon_status retries(void *user)
{
    tenon_status status = tenon_retry(one_try, user, &policy);
    (void)tenon_error_format(tenon_task_error(), notes, sizeof notes);
    return status;
}

static tenon_task *retry(int at, tenon_status status)
{
    tries = 0;
    succeeds_at = at;
    fails_with = status;
    policy.size = sizeof policy;
    tenon_task *task = spawn(retries, NULL, 0);
    advance(0);
    return task;
}

static void require_pause(int number, int64_t wanted_ns)
{
    ck_assert_int_eq(times[number] - times[number - 1], wanted_ns);
}

START_TEST(retry_pauses_longer_and_longer)
{
    policy = (tenon_retry_options){.max_delay_ns = MS(300)};
    tenon_task *task = retry(4, -EIO);
    ck_assert_int_eq(tries, 1);
    advance(MS(1000));
    ck_assert_int_eq(tries, 4);
    require_pause(1, MS(100));
    require_pause(2, MS(200));
    require_pause(3, MS(300));
    require_end(task, TENON_OK);
}
END_TEST

START_TEST(retry_gives_up)
{
    policy = (tenon_retry_options){.tries = 3, .delay_ns = MS(1)};
    tenon_task *task = retry(9, -EIO);
    advance(MS(100));
    ck_assert_int_eq(tries, 3);
    ck_assert_ptr_nonnull(strstr(notes, "gave up after 3 tries"));
    ck_assert_ptr_nonnull(strstr(notes, "not yet"));
    require_end(task, -EIO);
}
END_TEST

static bool only_io(const tenon_error *error, void *user)
{
    ck_assert_ptr_eq(user, &policy);
    return tenon_error_status(error) == -EIO;
}

START_TEST(retry_asks_whether_again)
{
    policy = (tenon_retry_options){.tries = 3};
    require_end(retry(9, TENON_INVALID), TENON_INVALID);
    ck_assert_int_eq(tries, 1);
    require_end(retry(9, TENON_CANCELLED), TENON_CANCELLED);
    policy.again = only_io;
    policy.user = &policy;
    require_end(retry(9, -EPIPE), -EPIPE);
    ck_assert_int_eq(tries, 1);
    tenon_task *task = retry(2, -EIO);
    advance(MS(100));
    require_end(task, TENON_OK);
}
END_TEST

START_TEST(retry_makes_no_pause_beyond_its_time)
{
    policy = (tenon_retry_options){.delay_ns = MS(10), .timeout_ns = MS(25)};
    tenon_task *task = retry(9, -EIO);
    advance(MS(12));
    ck_assert_int_eq(tries, 2);
    ck_assert(tenon_task_is_done(task)); /* the next would be at 30 */
    ck_assert_ptr_nonnull(strstr(notes, "time for all tries"));
    ck_assert_ptr_nonnull(strstr(notes, "not yet"));
    require_end(task, TENON_TIMED_OUT);
}
END_TEST

static tenon_status slow_try(void *user)
{
    if (tries++ == 0) {
        return tenon_raise(-EIO, "the first");
    }
    return tenon_sleep(*(const int64_t *)user);
}

static tenon_status retries_slowly(void *user)
{
    tenon_status status = tenon_retry(slow_try, user, &policy);
    (void)tenon_error_format(tenon_task_error(), notes, sizeof notes);
    return status;
}

START_TEST(retry_ends_a_try_in_time)
{
    static int64_t sleep_ns = MS(100);
    policy = (tenon_retry_options){
        .size = sizeof policy, .delay_ns = MS(1), .timeout_ns = MS(20)};
    tries = 0;
    tenon_task *task = spawn(retries_slowly, &sleep_ns, 0);
    advance(MS(20));
    ck_assert_int_eq(tries, 2);
    ck_assert_ptr_nonnull(strstr(notes, "the first"));
    require_end(task, TENON_TIMED_OUT);
}
END_TEST

START_TEST(retry_jitter_stays_within)
{
    bool moved = false;
    policy = (tenon_retry_options){.delay_ns = MS(10),
                                   .growth_percent = 100,
                                   .jitter_percent = 30,
                                   .tries = 15};
    tenon_task *task = retry(15, -EIO);
    advance(MS(1000));
    for (int i = 1; i < 15; i++) {
        int64_t pause_ns = times[i] - times[i - 1];
        ck_assert_int_ge(pause_ns, MS(7));
        ck_assert_int_le(pause_ns, MS(13));
        moved = moved || pause_ns != MS(10);
    }
    ck_assert(moved);
    require_end(task, TENON_OK);
}
END_TEST

static tenon_status begin_try(size_t number, tenon_future **out, void *user)
{
    (void)user;
    times[number] = tenon_now(reactor);
    tries = (int)number + 1;
    if (number == 1) {
        return -ENETUNREACH;
    }
    *out = pending();
    if (tries == succeeds_at) {
        resolve(*out, 5);
    } else if (number != 3) {
        fail_with(*out, -EIO);
    }
    return TENON_OK;
}

static void count_free(void *user)
{
    (void)user;
    put('f');
}

static tenon_future *retry_future(int at)
{
    tenon_future *out = NULL;
    tries = 0;
    succeeds_at = at;
    policy.size = sizeof policy;
    policy.free_user = count_free;
    ck_assert_int_eq(tenon_retry_future(reactor, begin_try, &policy, &out),
                     TENON_OK);
    ck_assert_int_eq(tries, 0);
    return out;
}

START_TEST(retry_as_a_future)
{
    policy = (tenon_retry_options){.delay_ns = MS(10)};
    tenon_future *out = retry_future(3);
    advance(MS(100));
    require_int(out, 5);
    require_pause(1, MS(10));
    require_pause(2, MS(20));
    ck_assert_str_eq(notes, "f");
    tenon_future_unref(out);

    policy = (tenon_retry_options){.delay_ns = MS(10), .tries = 2};
    out = retry_future(9);
    advance(MS(100));
    tenon_error *error = tenon_future_error(out);
    ck_assert_int_eq(tenon_error_status(error), -ENETUNREACH);
    ck_assert_str_eq(tenon_error_message(error), "gave up after 2 tries");
    ck_assert_str_eq(notes, "ff");
    tenon_future_unref(out);
}
END_TEST

START_TEST(retry_as_a_future_that_hangs)
{
    policy = (tenon_retry_options){.delay_ns = MS(1), .timeout_ns = MS(50)};
    tenon_future *out = retry_future(9);
    advance(MS(49));
    ck_assert_int_eq(tries, 4); /* which hangs */
    ck_assert(!tenon_future_is_done(out));
    advance(MS(1));
    ck_assert_int_eq(tenon_error_status(tenon_future_error(out)),
                     TENON_TIMED_OUT);
    ck_assert_str_eq(notes, "f");
    tenon_future_unref(out);
}
END_TEST

static tenon_future *asked;

static bool cancels_it(const tenon_error *error, void *user)
{
    (void)error;
    (void)user;
    ck_assert_ptr_null(asked ? tenon_task_current() : NULL);
    (void)(asked ? tenon_future_cancel(asked, "no more")
                 : tenon_task_cancel(tenon_task_current(), "no more"));
    return true;
}

START_TEST(retry_is_cancelled_by_who_is_asked)
{
    policy = (tenon_retry_options){.again = cancels_it};
    asked = retry_future(9);
    advance(MS(1000));
    ck_assert_int_eq(tries, 1);
    ck_assert_int_eq(tenon_future_state(asked), TENON_FUTURE_CANCELLED);
    ck_assert_str_eq(notes, "f");
    tenon_future_unref(asked);
    asked = NULL;
    require_end(retry(9, -EIO), TENON_CANCELLED);
    ck_assert_int_eq(tries, 1);
}
END_TEST

/* ---- killing ---- */

static tenon_status refuses(void *user)
{
    (void)user;
    ck_assert_int_eq(tenon_mask_begin(), TENON_OK);
    tenon_status status = tenon_sleep(MS(30));
    tenon_mask_end();
    return status;
}

static tenon_status waits(void *user)
{
    return tenon_join(user);
}

static tenon_status kills(void *user)
{
    ck_assert_int_eq(tenon_kill(tenon_task_current(), MS(1)), TENON_INVALID);
    ck_assert_int_eq(tenon_kill(user, MS(10)), TENON_TIMED_OUT);
    (void)tenon_error_format(tenon_task_error(), notes, sizeof notes);
    ck_assert_int_eq(tenon_kill(user, MS(100)), TENON_OK);
    return tenon_kill(user, MS(1));
}

START_TEST(kill_says_who_refused)
{
    const tenon_task_options stubborn = {.size = sizeof stubborn,
                                         .name = "stubborn"};
    tenon_task *last = NULL;
    ck_assert_int_eq(tenon_spawn(reactor, refuses, NULL, &stubborn, &last),
                     TENON_OK);
    tenon_task *victim = spawn(waits, last, 0);
    advance(0);
    tenon_task *killer = spawn(kills, victim, 0);
    advance(MS(10));
    ck_assert_ptr_nonnull(
        strstr(notes, "\"stubborn\" refuses to end; it waits for sleep at"));
    ck_assert_ptr_nonnull(strstr(notes, "test_retry.c:"));
    advance(MS(30));
    require_end(killer, TENON_OK);
    tenon_task_unref(victim);
    tenon_task_unref(last);
}
END_TEST

/* ---- work in slices ---- */

typedef struct work {
    char letter;
    int steps;
    int pause_at;
    int stop_at;
    tenon_status last;
} work;

static tenon_status step(tenon_coop *coop, void *user)
{
    work *w = user;
    put(w->letter);
    w->steps--;
    if (w->steps == w->pause_at) {
        ck_assert_int_eq(tenon_coop_pause(coop), TENON_OK);
    }
    if (w->steps == w->stop_at) {
        ck_assert_int_eq(tenon_coop_stop(coop), TENON_EXISTED);
    }
    return w->steps > 0 ? TENON_PENDING : w->last;
}

static tenon_coop *coop(work *w, int64_t slice_ns)
{
    const tenon_coop_options options = {.size = sizeof options,
                                        .slice_ns = slice_ns,
                                        .fn = step,
                                        .user = w,
                                        .free_user = count_free,
                                        .name = "work"};
    tenon_coop *out = NULL;
    ck_assert_int_eq(tenon_coop_start(reactor, &options, &out), TENON_OK);
    return out;
}

START_TEST(H08_slices_take_turns)
{
    work a = {.letter = 'a', .steps = 3, .pause_at = -1, .stop_at = -1};
    work b = {'b', 2, -1, -1, -EIO};
    tenon_coop *one = coop(&a, -1);
    tenon_coop *two = coop(&b, -1);
    ck_assert_str_eq(notes, "");
    turns(1);
    ck_assert_str_eq(notes, "ab");
    settle();
    ck_assert_str_eq(notes, "ababaff");
    require_int(tenon_coop_future(one), 3);
    ck_assert_int_eq(
        tenon_error_status(tenon_future_error(tenon_coop_future(two))), -EIO);
    ck_assert(!tenon_reactor_alive(reactor));
    tenon_coop_unref(one);
    tenon_coop_unref(two);
}
END_TEST

START_TEST(H08_slices_have_a_length)
{
    work a = {.letter = 'a', .steps = 5, .pause_at = -1, .stop_at = -1};
    tenon_coop *one = coop(&a, MS(1)); /* no time passes on a virtual clock */
    tenon_coop_unref(tenon_coop_ref(one));
    turns(1);
    ck_assert_str_eq(notes, "aaaaa");
    settle();
    require_int(tenon_coop_future(one), 5);
    tenon_coop_unref(one);
}
END_TEST

START_TEST(H08_slices_pause_and_stop)
{
    work a = {.letter = 'a', .steps = 9, .pause_at = 7, .stop_at = 4};
    tenon_coop *one = coop(&a, 0);
    settle();
    ck_assert_str_eq(notes, "aa");
    ck_assert(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(tenon_coop_pause(one), TENON_OK);
    ck_assert_int_eq(tenon_coop_resume(one), TENON_OK);
    settle();
    ck_assert_str_eq(notes, "aa"); /* twice paused, once resumed */
    ck_assert_int_eq(tenon_coop_resume(one), TENON_OK);
    ck_assert_int_eq(tenon_coop_resume(one), TENON_INVALID);
    settle();
    ck_assert_str_eq(notes, "aaaaaf");
    ck_assert_int_eq(tenon_future_state(tenon_coop_future(one)),
                     TENON_FUTURE_CANCELLED);
    ck_assert_int_eq(tenon_coop_stop(one), TENON_OK);
    tenon_coop_unref(one);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        retry_pauses_longer_and_longer,
        retry_gives_up,
        retry_asks_whether_again,
        retry_makes_no_pause_beyond_its_time,
        retry_ends_a_try_in_time,
        retry_jitter_stays_within,
        retry_as_a_future,
        retry_as_a_future_that_hangs,
        retry_is_cancelled_by_who_is_asked,
        kill_says_who_refused,
        H08_slices_take_turns,
        H08_slices_have_a_length,
        H08_slices_pause_and_stop,
    };
    return RUN_TESTS("retry", tests);
}
