/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Threads that wait for a reactor: what crosses, what is cancelled when the
 * time is over, and ends of either side.
 *
 * ctest: labels=threads timeout=120
 */

#include "executor_rig.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a thread that waits ---- */

typedef struct caller {
    pthread_t thread;
    tenon_inbox *inbox;
    tenon_blocking_fn *fn;
    int64_t timeout_ns;
    bool no_outcome;
    atomic_bool back;
    tenon_status status;
    tenon_outcome outcome;
} caller;

static tenon_future *inner; /* what the reactor awaits */
static atomic_int begun;

static void *wait_for_reactor(void *user)
{
    caller *c = user;
    c->outcome.size = sizeof c->outcome;
    c->status = tenon_call_blocking(c->inbox, c->fn, c, c->timeout_ns,
                                    c->no_outcome ? NULL : &c->outcome);
    atomic_store(&c->back, true);
    return NULL;
}

static void start(caller *c, tenon_blocking_fn *fn, int64_t timeout_ns)
{
    settle(); /* from here on it is this thread's */
    c->fn = fn;
    c->timeout_ns = timeout_ns;
    c->inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    ck_assert_int_eq(pthread_create(&c->thread, NULL, wait_for_reactor, c), 0);
}

static void join(caller *c)
{
    pthread_join(c->thread, NULL);
    tenon_inbox_unref(c->inbox);
}

static void finish(caller *c)
{
    UNTIL(c->back);
    join(c);
}

/* ---- what crosses ---- */

static tenon_status do_all(tenon_reactor *r, tenon_future **out, void *user)
{
    caller *c = user;
    (void)out;
    begun++;
    ck_assert_ptr_eq(r, reactor);
    ck_assert_ptr_nonnull(c);
    return TENON_OK;
}

static tenon_status refuse(tenon_reactor *r, tenon_future **out, void *user)
{
    (void)user;
    begun++;
    ck_assert_int_eq(tenon_future_new(r, out), TENON_OK); /* given back */
    return -EPERM;
}

static tenon_status await_inner(tenon_reactor *r, tenon_future **out,
                                void *user)
{
    (void)user;
    ck_assert_int_eq(tenon_future_new(r, &inner), TENON_OK);
    *out = tenon_future_ref(inner);
    begun++;
    return TENON_OK;
}

START_TEST(done_at_once)
{
    caller c = {.back = false};
    start(&c, do_all, TENON_FOREVER);
    finish(&c);
    ck_assert_int_eq(c.status, TENON_OK);
    ck_assert_ptr_null(c.outcome.value);
    ck_assert(!c.outcome.is_number);
    tenon_outcome_clear(&c.outcome);
}
END_TEST

START_TEST(refused_by_the_function)
{
    caller c = {.back = false};
    start(&c, refuse, TENON_FOREVER);
    finish(&c);
    ck_assert_int_eq(c.status, -EPERM);
    ck_assert_int_eq(tenon_error_status(c.outcome.error), -EPERM);
    tenon_outcome_clear(&c.outcome);
    ck_assert_ptr_null(c.outcome.error);
}
END_TEST

START_TEST(a_value_crosses)
{
    caller c = {.back = false};
    start(&c, await_inner, TENON_FOREVER);
    UNTIL(begun == 1);
    ck_assert(!c.back);
    ck_assert_int_eq(tenon_future_resolve(inner, number(7), free_number),
                     TENON_OK);
    tenon_future_unref(inner);
    finish(&c);
    ck_assert_int_eq(c.status, TENON_OK);
    ck_assert_int_eq(*(int *)c.outcome.value, 7);
    ck_assert_int_eq(frees, 0);
    tenon_outcome_clear(&c.outcome);
    ck_assert_int_eq(frees, 1);
}
END_TEST

START_TEST(a_number_crosses)
{
    caller c = {.back = false};
    start(&c, await_inner, TENON_FOREVER);
    UNTIL(begun == 1);
    ck_assert_int_eq(tenon_future_resolve_int(inner, 12), TENON_OK);
    tenon_future_unref(inner);
    finish(&c);
    ck_assert(c.outcome.is_number);
    ck_assert_int_eq(c.outcome.number, 12);
}
END_TEST

START_TEST(an_error_crosses)
{
    caller c = {.back = false};
    tenon_error *error = tenon_error_of(-EIO, "in the reactor");
    start(&c, await_inner, TENON_FOREVER);
    UNTIL(begun == 1);
    ck_assert_int_eq(tenon_future_fail(inner, error), TENON_OK);
    tenon_error_unref(error);
    tenon_future_unref(inner);
    finish(&c);
    ck_assert_int_eq(c.status, -EIO);
    ck_assert_str_eq(tenon_error_message(c.outcome.error), "in the reactor");
    tenon_outcome_clear(&c.outcome);
}
END_TEST

START_TEST(a_cancelling_crosses)
{
    caller c = {.back = false};
    start(&c, await_inner, TENON_FOREVER);
    UNTIL(begun == 1);
    ck_assert_int_eq(tenon_future_cancel(inner, "why not"), TENON_EXISTED);
    tenon_future_unref(inner);
    finish(&c);
    ck_assert_int_eq(c.status, TENON_CANCELLED);
    ck_assert_str_eq(tenon_error_message(c.outcome.error), "why not");
    tenon_outcome_clear(&c.outcome);
}
END_TEST

START_TEST(nobody_wants_the_outcome)
{
    caller c = {.no_outcome = true};
    start(&c, await_inner, TENON_FOREVER);
    UNTIL(begun == 1);
    ck_assert_int_eq(tenon_future_resolve(inner, number(7), free_number),
                     TENON_OK);
    tenon_future_unref(inner);
    finish(&c);
    ck_assert_int_eq(c.status, TENON_OK);
    UNTIL(frees == 1);
}
END_TEST

/* ---- time ---- */

START_TEST(a_timeout_cancels_the_future)
{
    caller c = {.back = false};
    start(&c, await_inner, 20 * TENON_MILLISECOND);
    finish(&c);
    ck_assert_int_eq(c.status, TENON_TIMED_OUT);
    ck_assert_ptr_null(c.outcome.error);
    if (begun) { /* unless this thread was that slow */
        UNTIL(tenon_future_is_done(inner));
        ck_assert_int_eq(tenon_future_state(inner), TENON_FUTURE_CANCELLED);
        tenon_future_unref(inner);
    }
}
END_TEST

START_TEST(a_timeout_before_it_begins)
{
    caller c = {.back = false};
    start(&c, await_inner, TENON_MILLISECOND);
    WAIT_FOR(c.back); /* the reactor does not run meanwhile */
    join(&c);
    ck_assert_int_eq(c.status, TENON_TIMED_OUT);
    settle();
    ck_assert_int_eq(begun, 0);
}
END_TEST

static tenon_status take_long(tenon_reactor *r, tenon_future **out, void *user)
{
    caller *c = user;
    const struct timespec nap = {.tv_nsec = 30000000};
    nanosleep(&nap, NULL); /* so that the time is over */
    ck_assert(!c->back);   /* it uses what the other thread has */
    return await_inner(r, out, user);
}

START_TEST(a_timeout_inside_the_function)
{
    caller c = {.back = false};
    start(&c, take_long, 10 * TENON_MILLISECOND);
    finish(&c);
    ck_assert_int_eq(c.status, TENON_TIMED_OUT);
    if (begun) {
        UNTIL(tenon_future_is_done(inner));
        ck_assert_int_eq(tenon_future_state(inner), TENON_FUTURE_CANCELLED);
        tenon_future_unref(inner);
    }
}
END_TEST

/* ---- ends ---- */

START_TEST(the_reactor_ends_while_it_waits)
{
    caller c[2] = {{.back = false}, {.back = false}};
    start(&c[0], await_inner, TENON_FOREVER);
    UNTIL(begun == 1);
    start(&c[1], await_inner, TENON_FOREVER);
    end_reactor(); /* the second has been posted, or is refused */
    for (int i = 0; i < 2; i++) {
        join(&c[i]);
        ck_assert_int_eq(c[i].status, TENON_CLOSED);
        tenon_outcome_clear(&c[i].outcome);
    }
    tenon_future_unref(inner);
}
END_TEST

static tenon_status end_it(tenon_reactor *r, tenon_future **out, void *user)
{
    tenon_status status = await_inner(r, out, user);
    tenon_reactor_close(r);
    return status;
}

/* A manual reactor may be closed in its own callback. */
START_TEST(the_function_ends_the_reactor)
{
    tenon_reactor_options chosen = rig_options();
    caller c = {.back = false};
    end_reactor();
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_OK);
    c.fn = end_it;
    c.timeout_ns = TENON_FOREVER;
    c.inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    ck_assert_int_eq(pthread_create(&c.thread, NULL, wait_for_reactor, &c), 0);
    while (!tenon_reactor_is_closed(reactor)) {
        (void)!tenon_manual_turn(reactor, NULL); /* the last: TENON_CLOSED */
    }
    join(&c);
    ck_assert_int_eq(c.status, TENON_CLOSED);
    tenon_outcome_clear(&c.outcome);
    tenon_future_unref(inner);
}
END_TEST

START_TEST(its_own_thread_is_refused)
{
    tenon_outcome outcome = {.size = sizeof outcome};
    tenon_outcome small = {.size = 4};
    tenon_inbox *inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    settle();
    ck_assert_int_eq(
        tenon_call_blocking(inbox, do_all, NULL, TENON_FOREVER, &outcome),
        -EDEADLK);
    ck_assert_int_eq(tenon_call_blocking(NULL, do_all, NULL, 0, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_call_blocking(inbox, NULL, NULL, 0, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_call_blocking(inbox, do_all, NULL, 0, &small),
                     TENON_INVALID);
    ck_assert_int_eq(begun, 0);
    tenon_inbox_unref(inbox);
}
END_TEST

START_TEST(a_child_is_refused)
{
    tenon_inbox *inbox = tenon_reactor_inbox(reactor);
    int status = -1;
    settle();
    pid_t child = fork();
    if (child == 0) {
        _exit(tenon_call_blocking(inbox, do_all, NULL, TENON_FOREVER, NULL) ==
                      TENON_FORKED
                  ? 0
                  : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_closed_reactor_is_refused)
{
    caller c = {.back = false};
    tenon_inbox *inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    settle();
    end_reactor();
    c.inbox = inbox;
    c.fn = do_all;
    c.timeout_ns = TENON_FOREVER;
    ck_assert_int_eq(pthread_create(&c.thread, NULL, wait_for_reactor, &c), 0);
    join(&c);
    ck_assert_int_eq(c.status, TENON_CLOSED);
}
END_TEST

/* ---- many ---- */

enum { CALLERS = 4, CALLS = 400 };

static atomic_int left;

static tenon_status answer(tenon_reactor *r, tenon_future **out, void *user)
{
    int n = *(int *)user;
    return n % 4 == 0   ? tenon_future_new(r, out) /* never done */
           : n % 4 == 1 ? tenon_call_in(r, NULL, give_seven, NULL, out)
                        : tenon_future_ready(r, number(n), free_number, out);
}

static void *call_often(void *user)
{
    for (int i = 0; i < CALLS; i++) {
        tenon_outcome outcome = {.size = sizeof outcome};
        int n = i;
        tenon_status status = tenon_call_blocking(
            user, answer, &n, n % 4 == 0 ? n * 1000 : TENON_FOREVER, &outcome);
        if (status != (n % 4 == 0 ? TENON_TIMED_OUT : TENON_OK) ||
            (status == TENON_OK &&
             *(int *)outcome.value != (n % 4 == 1 ? 7 : n))) {
            abort();
        }
        tenon_outcome_clear(&outcome);
    }
    atomic_fetch_sub(&left, 1);
    return NULL;
}

START_TEST(many_callers)
{
    pthread_t threads[CALLERS];
    tenon_inbox *inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    settle();
    left = CALLERS;
    for (int i = 0; i < CALLERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, inbox),
                         0);
    }
    UNTIL(left == 0);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    settle();
    ck_assert_int_eq(frees, CALLERS * CALLS * 3 / 4);
    tenon_inbox_unref(inbox);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        done_at_once,
        refused_by_the_function,
        a_value_crosses,
        a_number_crosses,
        an_error_crosses,
        a_cancelling_crosses,
        nobody_wants_the_outcome,
        a_timeout_cancels_the_future,
        a_timeout_before_it_begins,
        a_timeout_inside_the_function,
        the_reactor_ends_while_it_waits,
        the_function_ends_the_reactor,
        its_own_thread_is_refused,
        a_child_is_refused,
        a_closed_reactor_is_refused,
        many_callers,
    };
    return RUN_TESTS("blocking", tests);
}
