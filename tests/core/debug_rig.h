/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of the debug level share: the trace of the last report, the
 * dump, and places as traces tell them.
 */

#ifndef TENON_TESTS_CORE_DEBUG_RIG_H
#define TENON_TESTS_CORE_DEBUG_RIG_H

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#include "future_rig.h"

static char trace[32768]; /* of the last report; "" if it had none */

/* A place as a trace tells it: the call that the caller came in by. */
typedef struct place {
    char text[32];
} place;

static place place_of(const void *return_address)
{
    place p;
    Dl_info info;
    void *extra = NULL;
    const char *call = (const char *)return_address - 1;
    ck_assert(dladdr1(call, &info, &extra, RTLD_DL_LINKMAP));
    const struct link_map *map = extra;
    snprintf(p.text, sizeof p.text, "+0x%tx)\n",
             (ptrdiff_t)((uintptr_t)call - map->l_addr));
    return p;
}

#define HERE() place_of(__builtin_return_address(0))

static inline tenon_status keep_trace(tenon_reactor *r,
                                      const tenon_report *report, void *user)
{
    snprintf(trace, sizeof trace, "%s", report->trace ? report->trace : "");
    return on_report(r, report, user);
}

/* Where `text` says so, or NULL. */
static inline const char *told(const char *text, const char *what)
{
    const char *at = text ? strstr(text, what) : NULL;
    return at;
}

static inline const char *dumped(void)
{
    static char text[1 << 20];
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    return text;
}

/* What ended has no trace any more: the table alone is given back. */
static inline void require_forgotten(void)
{
    size_t blocks = guard.heap.count;
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_OFF),
                     TENON_OK);
    ck_assert_uint_eq(guard.heap.count, blocks - 2);
}

/* ---- what makes and completes, each at a place of its own ---- */

static place made;
static place completed;

static __attribute__((noinline, unused)) tenon_future *make_here(void)
{
    tenon_future *f = pending();
    made = HERE();
    return f;
}

static __attribute__((noinline, unused)) void fail_here(tenon_future *f)
{
    fail_with(f, -EIO);
    completed = HERE();
}

static __attribute__((noinline, unused)) tenon_future *then_here(
    tenon_future *f)
{
    tenon_then_options pass = {.size = sizeof pass};
    tenon_future *result = NULL;
    ck_assert_int_eq(tenon_future_then(f, &pass, &result), TENON_OK);
    made = HERE();
    return result;
}

static inline TCase *in_setup(Suite *suite, const char *name,
                              void (*begin)(void))
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, begin, teardown);
    suite_add_tcase(suite, tcase);
    return tcase;
}

#endif
