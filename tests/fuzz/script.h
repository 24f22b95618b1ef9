/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the parts of fuzz_script.c share: the script, which is read byte by
 * byte wherever something is to be chosen, also inside of callbacks; what
 * must hold around every callback; and memory that is counted.
 */

#ifndef TENON_TESTS_FUZZ_SCRIPT_H
#define TENON_TESTS_FUZZ_SCRIPT_H

#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <tenon/tenon.h>

enum { SCRIPT_MAX = 2048, DEEPEST = 3, STEPS_MAX = 4096 };

static struct {
    const uint8_t *at;
    const uint8_t *end;
    int steps;
    int deep;    /* callbacks on the stack */
    int calling; /* calls of ours that may call nobody */
    bool closing;
    bool over; /* the reactor is closed: nothing may come any more */
    bool short_of_memory;
} script;

static tenon_reactor *reactor;
static size_t blocks_out;
static size_t fail_in; /* allocations from now; 0: none fails */

static void step(void);

/* A number below `below`; 0 when the script has ended. */
static unsigned choose(unsigned below)
{
    return script.at < script.end ? *script.at++ % below : 0;
}

static bool script_ended(void)
{
    return script.at >= script.end || script.steps >= STEPS_MAX;
}

/* The first thing in each callback: nothing comes inside of a call, and
 * nothing after the end. Then it goes on as the script says. */
static void called(void)
{
    HOLDS(script.calling == 0);
    HOLDS(!script.over);
    if (script.deep < DEEPEST) {
        script.deep++;
        for (unsigned i = choose(3); i > 0 && !script_ended(); i--) {
            step();
        }
        script.deep--;
    }
}

/* What a callback returns. */
static tenon_status outcome(void)
{
    return choose(32) == 31 ? -EPROTO : TENON_OK;
}

static void *counted(void *user, void *block, size_t old_len, size_t new_len)
{
    (void)user;
    if (new_len == 0) {
        blocks_out -= block != NULL;
        free(block);
        return NULL;
    }
    if (new_len > old_len && fail_in > 0 && --fail_in == 0) {
        return NULL;
    }
    void *result = realloc(block, new_len);
    blocks_out += !block && result;
    return result;
}

static tenon_status on_error(tenon_reactor *r, const tenon_report *report,
                             void *user)
{
    (void)r;
    (void)user;
    HOLDS(report->error);
    return TENON_OK;
}

#endif
