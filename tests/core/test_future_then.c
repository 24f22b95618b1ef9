/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures that come of others: then, link, gather and wait, with their ends in
 * every order.
 */

#include "future_rig.h"

static int freed;

static void count_free(void *user)
{
    (*(int *)user)++;
}

/* ---- then ---- */

static tenon_future *inner;

static tenon_status twice(tenon_future *source, tenon_future *result,
                          void *user)
{
    int64_t number = 0;
    ck_assert_int_eq(tenon_future_int(source, &number), TENON_OK);
    put(*(const char *)user);
    return tenon_future_resolve_int(result, 2 * number);
}

static tenon_status broken(tenon_future *source, tenon_future *result,
                           void *user)
{
    (void)source;
    (void)result;
    (void)user;
    return -EPROTO;
}

static tenon_status nothing(tenon_future *source, tenon_future *result,
                            void *user)
{
    (void)source;
    (void)result;
    (void)user;
    return TENON_OK;
}

static tenon_status resolve_and_fail(tenon_future *source, tenon_future *result,
                                     void *user)
{
    (void)source;
    (void)user;
    resolve(result, 1);
    return -EPROTO;
}

static tenon_status leave(tenon_future *source, tenon_future *result,
                          void *user)
{
    (void)source;
    *(tenon_future **)user = tenon_future_ref(result);
    return TENON_PENDING;
}

static tenon_status follow(tenon_future *source, tenon_future *result,
                           void *user)
{
    (void)source;
    (void)user;
    return tenon_future_link(inner, result, TENON_LINK_CANCEL);
}

static tenon_future *then(tenon_future *f, tenon_then_fn *on_value,
                          tenon_then_fn *on_error, void *user)
{
    tenon_then_options how = {.size = sizeof how,
                              .on_value = on_value,
                              .on_error = on_error,
                              .user = user};
    tenon_future *result = NULL;
    ck_assert_int_eq(tenon_future_then(f, &how, &result), TENON_OK);
    return result;
}

START_TEST(then_transforms)
{
    static char a[] = "a";
    tenon_future *f = pending();
    tenon_future *once = then(f, twice, NULL, a);
    tenon_future *again = then(once, twice, NULL, a);
    resolve(f, 10);
    ck_assert_str_eq(notes, "");
    turns(1);
    require_int(once, 20);
    ck_assert(!tenon_future_is_done(again));
    turns(1);
    require_int(again, 40);
    tenon_future_unref(again);
    tenon_future_unref(once);
    tenon_future_unref(f);
}
END_TEST

START_TEST(then_passes_on_and_recovers)
{
    tenon_future *f = pending();
    tenon_future *passed = then(f, twice, NULL, NULL);
    tenon_future *recovered = then(passed, NULL, nothing, NULL);
    void *value = &freed;
    fail_with(f, -EIO);
    settle();
    ck_assert_int_eq(tenon_error_status(tenon_future_error(passed)), -EIO);
    ck_assert_int_eq(tenon_future_value(recovered, &value), TENON_OK);
    ck_assert_ptr_null(value);
    tenon_future_unref(recovered);
    tenon_future_unref(passed);
    tenon_future_unref(f);
}
END_TEST

START_TEST(then_fails_by_status)
{
    tenon_future *f = pending();
    tenon_future *by_value = then(f, broken, NULL, NULL);
    tenon_future *g = pending();
    tenon_future *by_error = then(g, NULL, broken, NULL);
    resolve(f, 1);
    fail_with(g, -EIO);
    settle();
    tenon_error *error = tenon_future_error(by_value);
    ck_assert_int_eq(tenon_error_status(error), -EPROTO);
    error = tenon_future_error(by_error);
    ck_assert_int_eq(tenon_error_status(error), -EPROTO);
    ck_assert_int_eq(tenon_error_status(tenon_error_cause(error)), -EIO);
    tenon_future_unref(by_value);
    tenon_future_unref(by_error);
    tenon_future_unref(f);
    tenon_future_unref(g);
}
END_TEST

START_TEST(then_unseen_is_reported_once)
{
    tenon_future *f = pending();
    tenon_future_unref(then(f, broken, NULL, NULL));
    resolve(f, 1);
    tenon_future_unref(f);
    settle();
    take_report(-EPROTO);
}
END_TEST

START_TEST(then_reports_a_failure_that_came_too_late)
{
    tenon_future *f = pending();
    tenon_future *result = then(f, resolve_and_fail, NULL, NULL);
    ck_assert_int_eq(tenon_future_then(f, NULL, NULL), TENON_INVALID);
    resolve(f, 1);
    settle();
    require_int(result, 1);
    take_report(-EPROTO);
    tenon_future_unref(result);
    tenon_future_unref(f);
}
END_TEST

START_TEST(then_is_cancelled_if_its_source_ends_unheard)
{
    static char a[] = "a";
    tenon_future f;
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    tenon_future *result = then(&f, twice, NULL, a);
    resolve(&f, 1);
    tenon_future_fini(&f); /* no user code runs in here */
    ck_assert_str_eq(notes, "");
    ck_assert_int_eq(tenon_future_state(result), TENON_FUTURE_CANCELLED);
    tenon_future_unref(result);
}
END_TEST

START_TEST(then_completes_later)
{
    tenon_future *f = pending();
    tenon_future *held = NULL;
    tenon_future *result = then(f, leave, NULL, &held);
    resolve(f, 1);
    settle();
    ck_assert_ptr_eq(held, result);
    ck_assert(!tenon_future_is_done(result));
    resolve(held, 3);
    require_int(result, 3);
    tenon_future_unref(held);
    tenon_future_unref(result);
    tenon_future_unref(f);
}
END_TEST

START_TEST(then_follows_another)
{
    tenon_future *f = pending();
    tenon_future *result = then(f, follow, NULL, NULL);
    inner = pending();
    resolve(f, 1);
    settle();
    ck_assert(!tenon_future_is_done(result));
    resolve(inner, 6);
    settle();
    require_int(result, 6);
    tenon_future_unref(inner);
    tenon_future_unref(result);
    tenon_future_unref(f);
}
END_TEST

START_TEST(cancelling_reaches_the_inner_one)
{
    tenon_future *f = pending();
    tenon_future *result = then(f, follow, NULL, NULL);
    inner = pending();
    resolve(f, 1);
    settle();
    ck_assert_int_eq(tenon_future_cancel(result, "no more"), TENON_EXISTED);
    settle();
    ck_assert_int_eq(tenon_future_state(inner), TENON_FUTURE_CANCELLED);
    ck_assert_str_eq(tenon_error_message(tenon_future_error(inner)), "no more");
    tenon_future_unref(inner);
    tenon_future_unref(result);
    tenon_future_unref(f);
}
END_TEST

START_TEST(cancelling_reaches_the_source_at_once)
{
    static char a[] = "a";
    tenon_future *f = pending();
    tenon_future *result = then(f, twice, twice, a);
    ck_assert_int_eq(tenon_future_cancel(result, "no more"), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    settle();
    ck_assert_str_eq(notes, ""); /* and the callbacks do not run */
    tenon_future_unref(result);
    tenon_future_unref(f);
}
END_TEST

START_TEST(then_frees_its_user_once)
{
    tenon_then_options how = {.size = sizeof how,
                              .on_value = nothing,
                              .user = &freed,
                              .free_user = count_free};
    tenon_future *f = pending();
    tenon_future embedded;
    ck_assert_int_eq(tenon_future_then(f, &how, NULL), TENON_OK);
    resolve(f, 1);
    settle();
    ck_assert_int_eq(freed, 1);
    tenon_future_unref(f);

    f = pending();
    ck_assert_int_eq(tenon_future_then(f, &how, NULL), TENON_OK);
    tenon_future_unref(f); /* abandoned: cancelled */
    settle();
    ck_assert_int_eq(freed, 2);

    ck_assert_int_eq(tenon_future_init(&embedded, reactor), TENON_OK);
    ck_assert_int_eq(tenon_future_then(&embedded, &how, NULL), TENON_OK);
    tenon_future_fini(&embedded);
    ck_assert_int_eq(freed, 3);

    f = pending();
    ck_assert_int_eq(tenon_future_then(f, &how, NULL), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(freed, 4);
    ck_assert_int_eq(tenon_future_then(f, &how, NULL), TENON_CLOSED);
    ck_assert_int_eq(freed, 4);
    tenon_future_unref(f);
}
END_TEST

enum { DEEP = 100000 };

static tenon_future *chain(tenon_future *first)
{
    tenon_future *last = tenon_future_ref(first);
    for (int i = 0; i < DEEP; i++) {
        tenon_future *next = then(last, NULL, NULL, NULL);
        tenon_future_unref(last);
        last = next;
    }
    return last;
}

START_TEST(long_chains_do_not_recurse)
{
    tenon_future *f = pending();
    tenon_future *last = chain(f);
    void *value = NULL;
    ck_assert_int_eq(tenon_future_resolve(f, &freed, count_free), TENON_OK);
    tenon_future_unref(f);
    settle();
    ck_assert_int_eq(tenon_future_value(last, &value), TENON_OK);
    ck_assert_ptr_eq(value, &freed);
    ck_assert_int_eq(freed, 0);
    tenon_future_unref(last);
    settle();
    ck_assert_int_eq(freed, 1);

    f = pending();
    last = chain(f);
    ck_assert_int_eq(tenon_future_cancel(last, NULL), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    tenon_future_unref(last);
    tenon_future_unref(f);
    settle();

    f = pending();
    tenon_future_unref(chain(f));
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_future_unref(f);
}
END_TEST

/* ---- link ---- */

START_TEST(link_forwards_and_shares)
{
    tenon_future *from = pending();
    tenon_future *to[2] = {pending(), pending()};
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tenon_future_link(from, to[i], 0), TENON_OK);
    }
    ck_assert_int_eq(tenon_future_resolve(from, &freed, count_free), TENON_OK);
    tenon_future_unref(from);
    settle();
    ck_assert_int_eq(tenon_future_take(to[0], &value, &free_value), TENON_OK);
    ck_assert_int_eq(tenon_future_value(to[1], &value), TENON_INVALID);
    ck_assert_int_eq(tenon_future_link(to[1], to[0], 0), TENON_DONE);
    ck_assert_int_eq(tenon_future_link(to[0], to[0], 0), TENON_INVALID);
    tenon_future_unref(to[0]);
    tenon_future_unref(to[1]);
    settle();
    ck_assert_int_eq(freed, 0);
    free_value(value);
}
END_TEST

START_TEST(link_moves_out_of_embedded_ones)
{
    tenon_future from;
    tenon_future *to = pending();
    void *value = NULL;
    ck_assert_int_eq(tenon_future_init(&from, reactor), TENON_OK);
    ck_assert_int_eq(tenon_future_link(&from, to, 0), TENON_OK);
    ck_assert_int_eq(tenon_future_resolve(&from, &freed, count_free), TENON_OK);
    tenon_future_fini(&from); /* before the link was heard */
    ck_assert_int_eq(tenon_future_value(to, &value), TENON_OK);
    ck_assert_ptr_eq(value, &freed);
    ck_assert_int_eq(freed, 0);
    tenon_future_unref(to);
    settle();
    ck_assert_int_eq(freed, 1);
}
END_TEST

static void check_link(uint32_t flags, bool up, enum tenon_future_state down)
{
    tenon_future *from = pending();
    tenon_future *to = pending();
    ck_assert_int_eq(tenon_future_link(from, to, flags), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(to, NULL), TENON_EXISTED);
    settle();
    ck_assert(tenon_future_is_done(from) == up);
    tenon_future_unref(to);
    tenon_future_unref(from);

    from = pending();
    to = pending();
    ck_assert_int_eq(tenon_future_link(from, to, flags), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(from, "why"), TENON_EXISTED);
    settle();
    ck_assert_int_eq(tenon_future_state(to), down);
    ck_assert_str_eq(tenon_error_message(tenon_future_error(to)), "why");
    tenon_future_unref(to);
    tenon_future_unref(from);
    settle();
}

START_TEST(link_cancels_as_its_flags_say)
{
    check_link(0, false, TENON_FUTURE_FAILED);
    check_link(TENON_LINK_CANCEL_FROM, true, TENON_FUTURE_FAILED);
    check_link(TENON_LINK_CANCEL_TO, false, TENON_FUTURE_CANCELLED);
    check_link(TENON_LINK_CANCEL, true, TENON_FUTURE_CANCELLED);
}
END_TEST

START_TEST(a_ring_of_links_ends)
{
    tenon_future *a = pending();
    tenon_future *b = pending();
    ck_assert_int_eq(tenon_future_link(a, b, TENON_LINK_CANCEL), TENON_OK);
    ck_assert_int_eq(tenon_future_link(b, a, TENON_LINK_CANCEL), TENON_OK);
    resolve(a, 4);
    settle();
    require_int(b, 4);
    tenon_future_unref(a);
    tenon_future_unref(b);
}
END_TEST

/* ---- many ---- */

START_TEST(gather_refuses_nonsense)
{
    tenon_reactor *other = NULL;
    tenon_reactor_options chosen = options();
    tenon_future *f[2] = {pending(), NULL};
    tenon_future *out = NULL;
    ck_assert_int_eq(tenon_gather(reactor, f, 2, 0, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_gather(reactor, f, SIZE_MAX / 8, 0, &out),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_gather(reactor, NULL, 1, 0, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_gather(reactor, f, 1, 0, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_any(reactor, f, 0, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_race(reactor, f, 0, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_manual_new(&other, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_gather(other, f, 1, 0, &out), TENON_INVALID);
    ck_assert_ptr_null(out);
    ck_assert_uint_eq(tenon_gather_count(f[0]), 0);
    ck_assert_ptr_null(tenon_gather_child(f[0], 0));
    tenon_future_unref(f[0]);
    tenon_reactor_unref(other);
}
END_TEST

START_TEST(gather_works_though_nobody_holds_it)
{
    tenon_future *f[2] = {pending(), pending()};
    tenon_future *all = NULL;
    tenon_waiter waiter;
    ck_assert_int_eq(tenon_gather(reactor, f, 2, 0, &all), TENON_OK);
    tell(all, &waiter, "w");
    tenon_future_unref(all);
    resolve(f[0], 1);
    resolve(f[1], 1);
    tenon_future_unref(f[0]);
    tenon_future_unref(f[1]);
    settle();
    ck_assert_str_eq(notes, "w");
}
END_TEST

START_TEST(gather_hears_of_abandoned_children)
{
    tenon_future *f[2] = {pending(), pending()};
    tenon_future *all = NULL;
    ck_assert_int_eq(tenon_gather(reactor, f, 2, 0, &all), TENON_OK);
    tenon_future_unref(f[0]); /* nobody will complete it */
    settle();
    ck_assert_int_eq(tenon_error_status(tenon_future_error(all)),
                     TENON_CANCELLED);
    resolve(f[1], 1);
    tenon_future_unref(f[1]);
    tenon_future_unref(all);
}
END_TEST

START_TEST(gather_of_gathers_is_cancelled_whole)
{
    tenon_future *f = pending();
    tenon_future *whole = tenon_future_ref(f);
    for (int i = 0; i < DEEP; i++) {
        tenon_future *next = NULL;
        ck_assert_int_eq(tenon_gather(reactor, &whole, 1, 0, &next), TENON_OK);
        tenon_future_unref(whole);
        whole = next;
    }
    ck_assert_int_eq(tenon_future_cancel(whole, NULL), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    tenon_future_unref(whole);
    tenon_future_unref(f);
}
END_TEST

START_TEST(groups_end_with_the_reactor)
{
    tenon_future *f[2] = {pending(), pending()};
    tenon_future *out[4];
    tenon_waiter waiters[4];
    tenon_wait_options how = {.size = sizeof how, .timeout_ns = TENON_SECOND};
    ck_assert_int_eq(tenon_gather(reactor, f, 2, 0, &out[0]), TENON_OK);
    ck_assert_int_eq(tenon_any(reactor, f, 2, &out[1]), TENON_OK);
    ck_assert_int_eq(tenon_race(reactor, f, 2, &out[2]), TENON_OK);
    ck_assert_int_eq(tenon_wait(reactor, f, 2, &how, &out[3]), TENON_OK);
    for (int i = 0; i < 4; i++) {
        tell(out[i], &waiters[i], "w");
    }
    resolve(f[0], 1); /* on its way as the reactor ends */
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_str_eq(notes, "wwww");
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(tenon_error_status(tenon_future_error(out[i])),
                         TENON_CLOSED);
        tenon_future_unref(out[i]);
    }
    tenon_future_unref(f[0]);
    tenon_future_unref(f[1]);
}
END_TEST

START_TEST(embedded_children_may_end)
{
    tenon_future f[2];
    tenon_future *children[2] = {&f[0], &f[1]};
    tenon_future *out[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tenon_future_init(&f[i], reactor), TENON_OK);
    }
    ck_assert_int_eq(tenon_gather(reactor, children, 2, 0, &out[0]), TENON_OK);
    ck_assert_int_eq(tenon_any(reactor, children, 2, &out[1]), TENON_OK);
    ck_assert_int_eq(tenon_future_resolve(&f[1], &freed, count_free), TENON_OK);
    tenon_future_fini(&f[0]);
    tenon_future_fini(&f[1]);
    memset(f, 0xa5, sizeof f);
    settle();
    ck_assert_int_eq(tenon_future_state(out[0]), TENON_FUTURE_FAILED);
    ck_assert_int_eq(tenon_future_state(out[1]), TENON_FUTURE_RESOLVED);
    ck_assert_ptr_null(tenon_gather_child(out[0], 0));
    ck_assert_ptr_nonnull(tenon_future_error(out[0]));
    tenon_future_unref(out[0]);
    ck_assert_int_eq(freed, 0);
    tenon_future_unref(out[1]);
    settle();
    ck_assert_int_eq(freed, 1);
}
END_TEST

START_TEST(wait_counts_what_is_done)
{
    tenon_future *f[3] = {pending(), pending(), pending()};
    tenon_future *out = NULL;
    tenon_wait_options how = {.size = sizeof how,
                              .timeout_ns = 10 * TENON_MILLISECOND};
    resolve(f[0], 1);
    ck_assert_int_eq(tenon_wait(reactor, f, 3, &how, &out), TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 9 * TENON_MILLISECOND),
                     TENON_OK);
    ck_assert(!tenon_future_is_done(out));
    ck_assert_int_eq(tenon_manual_advance(reactor, TENON_MILLISECOND),
                     TENON_OK);
    require_int(out, 1);
    for (int i = 0; i < 3; i++) {
        tenon_future_unref(f[i]); /* those that it holds are kept */
    }
    settle();
    ck_assert_int_eq(tenon_future_state(tenon_gather_child(out, 1)),
                     TENON_FUTURE_PENDING);
    tenon_future_unref(out);
    how.policy = 99;
    ck_assert_int_eq(tenon_wait(reactor, f, 0, &how, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_wait(reactor, f, 0, NULL, &out), TENON_OK);
    require_int(out, 0);
    tenon_future_unref(out);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        then_transforms,
        then_passes_on_and_recovers,
        then_fails_by_status,
        then_unseen_is_reported_once,
        then_reports_a_failure_that_came_too_late,
        then_is_cancelled_if_its_source_ends_unheard,
        then_completes_later,
        then_follows_another,
        cancelling_reaches_the_inner_one,
        cancelling_reaches_the_source_at_once,
        then_frees_its_user_once,
        long_chains_do_not_recurse,
        link_forwards_and_shares,
        link_moves_out_of_embedded_ones,
        link_cancels_as_its_flags_say,
        a_ring_of_links_ends,
        gather_refuses_nonsense,
        gather_works_though_nobody_holds_it,
        gather_hears_of_abandoned_children,
        gather_of_gathers_is_cancelled_whole,
        groups_end_with_the_reactor,
        embedded_children_may_end,
        wait_counts_what_is_done,
    };
    return RUN_TESTS("future then", tests);
}
