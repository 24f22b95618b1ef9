/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The debug level and futures: what a report says of where they were made and
 * completed, that nothing is kept without it, and that memory, limits and
 * rings cost a trace at most.
 */

#include "debug_rig.h"

static void setup_traced(void)
{
    harness_guard_begin(&guard);
    tenon_reactor_options chosen = options();
    chosen.on_error = keep_trace;
    chosen.debug = TENON_DEBUG_ALL;
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
    ck_assert_uint_eq(tenon_reactor_debug(reactor), TENON_DEBUG_ALL);
    trace[0] = '\0';
}

static void never(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    abort();
}

/* ---- off ---- */

START_TEST(without_it_nothing_is_kept)
{
    size_t blocks = guard.heap.count;
    ck_assert_uint_eq(tenon_reactor_debug(reactor), TENON_DEBUG_OFF);
    ck_assert_int_eq(tenon_reactor_set_error_handler(reactor, keep_trace, NULL),
                     TENON_OK);
    strcpy(trace, "untouched");
    tenon_future *f = pending();
    ck_assert_uint_eq(guard.heap.count, blocks + 1);
    ck_assert_ptr_null(told(dumped(), "made at"));
    fail_with(f, -EIO);
    tenon_future_unref(f);
    settle();
    take_report(-EIO);
    ck_assert_str_eq(trace, "");
}
END_TEST

START_TEST(the_environment_has_a_say)
{
    static const struct {
        const char *text;
        uint32_t level;
    } cases[] = {{"0", 0}, {"1", 1}, {"2", 2}, {"17", 2}, {"", 0}, {"x", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tenon_reactor *other = NULL;
        tenon_reactor_options chosen = options();
        ck_assert_int_eq(setenv("TENON_DEBUG", cases[i].text, 1), 0);
        ck_assert_int_eq(tenon_reactor_new(&other, &chosen), TENON_OK);
        ck_assert_uint_eq(tenon_reactor_debug(other), cases[i].level);
        tenon_reactor_unref(other);
        chosen.debug = TENON_DEBUG_FUTURES;
        ck_assert_int_eq(tenon_reactor_new(&other, &chosen), TENON_OK);
        ck_assert_uint_eq(tenon_reactor_debug(other), TENON_DEBUG_FUTURES);
        tenon_reactor_unref(other);
    }
    unsetenv("TENON_DEBUG");
}
END_TEST

START_TEST(an_older_caller_has_no_such_option)
{
    tenon_reactor *other = NULL;
    tenon_reactor_options chosen = options();
    chosen.debug = TENON_DEBUG_ALL;
    chosen.size = offsetof(tenon_reactor_options, debug);
    ck_assert_int_eq(tenon_reactor_new(&other, &chosen), TENON_OK);
    ck_assert_uint_eq(tenon_reactor_debug(other), TENON_DEBUG_OFF);
    tenon_reactor_unref(other);
}
END_TEST

START_TEST(turned_off_it_forgets)
{
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_OFF),
                     TENON_OK);
    size_t blocks = guard.heap.count;
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_ALL),
                     TENON_OK);
    tenon_future *f = make_here();
    ck_assert_ptr_nonnull(told(dumped(), made.text));
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_OFF),
                     TENON_OK);
    ck_assert_ptr_null(told(dumped(), made.text));
    ck_assert_uint_eq(guard.heap.count, blocks + 1);
    tenon_future_unref(f);
}
END_TEST

START_TEST(one_level_is_for_futures_alone)
{
    tenon_timer timer;
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_FUTURES),
                     TENON_OK);
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(tenon_timer_start(&timer, 1, never, NULL), TENON_OK);
    tenon_future *f = make_here();
    ck_assert_ptr_null(told(dumped(), "timer, made at"));
    ck_assert_ptr_nonnull(told(dumped(), "future, made at"));
    tenon_timer_stop(&timer);
    tenon_future_unref(f);
    ck_assert_int_eq(tenon_reactor_set_debug(NULL, 0), TENON_INVALID);
}
END_TEST

/* ---- futures ---- */

START_TEST(F12_an_unseen_failure_says_where)
{
    tenon_future *f = make_here();
    fail_here(f);
    tenon_future_unref(f);
    settle();
    take_report(-EIO);
    const char *second = told(trace, "  completed at\n");
    ck_assert_ptr_eq(told(trace, "  future, made at\n"), trace);
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_nonnull(told(trace, made.text));
    ck_assert(told(trace, made.text) < second);
    ck_assert_ptr_nonnull(told(second, completed.text));
    require_forgotten();
}
END_TEST

START_TEST(an_embedded_one_too)
{
    tenon_future f;
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    fail_here(&f);
    tenon_future_fini(&f);
    take_report(-EIO);
    ck_assert_ptr_nonnull(told(trace, completed.text));
    require_forgotten();
}
END_TEST

START_TEST(then_says_what_it_followed)
{
    tenon_future *f = make_here();
    place first = made;
    tenon_future *result = then_here(f);
    const char *waits = told(dumped(), "  waiting for: future, made at\n");
    ck_assert_ptr_nonnull(waits);
    ck_assert_ptr_nonnull(told(waits, first.text));
    fail_here(f);
    tenon_future_unref(f); /* gone when the result is reported */
    tenon_future_unref(result);
    settle();
    take_report(-EIO);
    const char *of = told(trace, "  with the outcome of: future, made at\n");
    ck_assert_ptr_eq(told(trace, "  then, made at\n"), trace);
    ck_assert_ptr_nonnull(of);
    ck_assert(told(trace, made.text) < of);
    ck_assert_ptr_nonnull(told(of, first.text));
    ck_assert_ptr_nonnull(told(of, completed.text));
    require_forgotten();
}
END_TEST

START_TEST(gather_says_which_one_failed)
{
    tenon_future *children[] = {pending(), pending(), make_here()};
    tenon_future *all = NULL;
    ck_assert_int_eq(tenon_gather(reactor, children, 3, 0, &all), TENON_OK);
    resolve(children[0], 1);
    fail_here(children[2]);
    settle();
    resolve(children[1], 1);
    for (int i = 0; i < 3; i++) {
        tenon_future_unref(children[i]);
    }
    tenon_future_unref(all);
    settle();
    take_report(-EIO);
    const char *of = told(trace, "  with the outcome of: future, made at\n");
    ck_assert_ptr_eq(told(trace, "  gather, made at\n"), trace);
    ck_assert_ptr_nonnull(told(of, made.text));
    ck_assert_ptr_nonnull(told(of, completed.text));
    require_forgotten();
}
END_TEST

START_TEST(a_loop_of_then_keeps_few)
{
    tenon_future *f = make_here();
    size_t blocks = 0;
    resolve(f, 1);
    for (int i = 0; i < 200; i++) {
        tenon_future *next = then_here(f);
        tenon_future_unref(f);
        settle();
        f = next;
        blocks = i == 20 ? guard.heap.count : blocks;
    }
    ck_assert_uint_le(guard.heap.count, blocks);
    tenon_future_unref(f);
}
END_TEST

START_TEST(a_ring_is_not_followed)
{
    tenon_future *f = make_here();
    tenon_future *result = then_here(f);
    ck_assert_int_eq(tenon_future_link(result, f, 0), TENON_OK);
    fail_here(result);
    settle();
    tenon_future_unref(result);
    tenon_future_unref(f);
    settle();
    take_report(-EIO);
    ck_assert_ptr_eq(told(trace, "  future, made at\n"), trace);
    ck_assert_ptr_null(told(trace, "outcome"));
    require_forgotten();
}
END_TEST

/* ---- the table ---- */

enum { TIMERS = 3000 };

static __attribute__((noinline)) void start_odd(tenon_timer *timer, place *out)
{
    ck_assert_int_eq(tenon_timer_start(timer, 1, never, NULL), TENON_OK);
    *out = HERE();
}

static __attribute__((noinline)) void start_even(tenon_timer *timer, place *out)
{
    ck_assert_int_eq(tenon_timer_start(timer, 2, never, NULL), TENON_OK);
    *out = HERE();
}

/* The dump of one timer in it: at `odd` or `even`, as its name is. */
static size_t count_right(const char *text, const place *odd, const place *even)
{
    size_t right = 0;
    const char *at = strstr(text, "\ntimer ");
    while (at) {
        const char *next = strstr(at + 1, "\ntimer ");
        const char *is_odd = told(at, odd->text);
        const char *is_even = told(at, even->text);
        bool in_odd = is_odd && (!next || is_odd < next);
        bool in_even = is_even && (!next || is_even < next);
        bool named_odd = strncmp(at, "\ntimer odd", 10) == 0;
        right += in_odd != in_even && in_odd == named_odd;
        at = next;
    }
    return right;
}

START_TEST(each_has_its_own_among_many)
{
    static tenon_timer timers[TIMERS];
    place odd = {""};
    place even = {""};
    size_t left = 0;
    for (int i = 0; i < TIMERS; i++) {
        tenon_timer_init(&timers[i], reactor);
        tenon_timer_set_name(&timers[i], i % 2 ? "odd" : "even");
        if (i % 2) {
            start_odd(&timers[i], &odd);
        } else {
            start_even(&timers[i], &even);
        }
    }
    for (int i = 0; i < TIMERS; i++) { /* all but 100, in no order */
        int at = i * 1009 % TIMERS;
        left += i < 100;
        if (i >= 100) {
            tenon_timer_stop(&timers[at]);
        }
    }
    ck_assert_uint_eq(count_right(dumped(), &odd, &even), left);
    for (int i = 0; i < TIMERS; i++) {
        tenon_timer_stop(&timers[i]);
    }
    ck_assert_ptr_null(told(dumped(), "made at"));
    require_forgotten();
}
END_TEST

START_TEST(more_than_the_limit_go_without)
{
    enum { MANY = 70000, LIMIT = 65536 };
    size_t blocks = guard.heap.count;
    tenon_future *all = calloc(MANY, sizeof *all);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(tenon_future_init(&all[i], reactor), TENON_OK);
    }
    ck_assert_uint_ge(guard.heap.count, blocks + LIMIT);
    ck_assert_uint_le(guard.heap.count, blocks + LIMIT + 1);
    fail_here(&all[MANY - 1]);
    for (int i = 0; i < MANY; i++) {
        tenon_future_fini(&all[i]);
    }
    take_report(-EIO);
    ck_assert_str_eq(trace, "");
    free(all);
}
END_TEST

START_TEST(without_memory_only_the_trace_is_lost)
{
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_OFF),
                     TENON_OK);
    harness_heap_fail(&guard.heap, 1, 1);
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_ALL),
                     TENON_NO_MEMORY);
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_ALL),
                     TENON_OK);
    for (uint64_t nth = 1; nth <= 2; nth++) { /* the trace, the table */
        tenon_future f;
        harness_heap_fail(&guard.heap, nth, 1);
        ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
        fail_here(&f);
        tenon_future_fini(&f);
        take_report(-EIO);
        ck_assert_str_eq(trace, "");
    }
    tenon_future *f = make_here();
    fail_here(f);
    tenon_future_unref(f);
    /* The text: what comes after it needs none. */
    harness_heap_fail(&guard.heap, 1, 1);
    settle();
    take_report(-EIO);
    ck_assert_str_eq(trace, "");
}
END_TEST

int main(void)
{
    unsetenv("TENON_DEBUG");
    Suite *suite = suite_create("debug");
    TCase *off = in_setup(suite, "off", setup);
    tcase_add_test(off, without_it_nothing_is_kept);
    tcase_add_test(off, the_environment_has_a_say);
    tcase_add_test(off, an_older_caller_has_no_such_option);
    TCase *on = in_setup(suite, "on", setup_traced);
    tcase_add_test(on, turned_off_it_forgets);
    tcase_add_test(on, one_level_is_for_futures_alone);
    tcase_add_test(on, F12_an_unseen_failure_says_where);
    tcase_add_test(on, an_embedded_one_too);
    tcase_add_test(on, then_says_what_it_followed);
    tcase_add_test(on, gather_says_which_one_failed);
    tcase_add_test(on, a_loop_of_then_keeps_few);
    tcase_add_test(on, a_ring_is_not_followed);
    tcase_add_test(on, each_has_its_own_among_many);
    tcase_add_test(on, more_than_the_limit_go_without);
    tcase_add_test(on, without_memory_only_the_trace_is_lost);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
