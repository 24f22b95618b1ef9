/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The detectors for tests that are written with Check, which gives each test
 * its process and time limit already:
 *
 *   static harness_guard guard;
 *   static void setup(void) { harness_guard_begin(&guard); }
 *   static void teardown(void) { harness_guard_end(&guard); }
 *   tcase_add_checked_fixture(tcase, setup, teardown);
 *
 * and `.allocator = &guard.heap.allocator` in the reactor's options.
 */

#ifndef TENON_HARNESS_CHECK_H
#define TENON_HARNESS_CHECK_H

#include <check.h>

#include "harness.h"

typedef struct harness_guard {
    harness_fds fds;
    harness_heap heap;
} harness_guard;

static inline void harness_guard_begin(harness_guard *guard)
{
    harness_fds_begin(&guard->fds);
    harness_heap_begin(&guard->heap);
}

static inline void harness_guard_end(harness_guard *guard)
{
    char why[HARNESS_TEXT_LEN] = "";
    ck_assert_msg(harness_heap_end(&guard->heap, why, sizeof why), "%s", why);
    ck_assert_msg(harness_fds_end(&guard->fds, why, sizeof why), "%s", why);
}

#endif
