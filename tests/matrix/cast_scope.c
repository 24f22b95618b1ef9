/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actors of attempts and of work in slices: a staggered race whose first
 * attempt fails, and three steps.
 */

#include "matrix.h"

enum { STEPS = 3 };

static void look(tenon_future *future)
{
    if (future) {
        (void)tenon_future_error(future); /* seen */
        tenon_future_unref(future);
    }
}

/* ---- a race ---- */

static void on_race_free(void *user)
{
    hit(user, EV_RACE_FREE);
}

static tenon_status on_attempt(size_t attempt, tenon_future **out, void *user)
{
    actor *a = user;
    hit(a, EV_ATTEMPT);
    return attempt == 0 ? TENON_REFUSED
                        : tenon_future_ready_int(st.reactor, 1, out);
}

static void open_racer(actor *a)
{
    const tenon_stagger_options options = {.size = sizeof options,
                                           .count = 2,
                                           .fn = on_attempt,
                                           .user = a,
                                           .free_user = on_race_free};
    WANT(tenon_stagger(st.reactor, &options, &a->future) == TENON_OK);
}

static bool complete_racer(const actor *a)
{
    return over(a, EV_ATTEMPT, 2) && over(a, EV_RACE_FREE, 1);
}

static void close_racer(actor *a)
{
    look(a->future);
    WANT(a->seen[EV_RACE_FREE] == 1);
}

const part kind_RACER = {"staggered race", FUTURE,     open_racer, NULL,
                         complete_racer,   close_racer};

/* ---- work in slices ---- */

static void on_work_free(void *user)
{
    hit(user, EV_WORK_FREE);
}

static tenon_status on_slice(tenon_coop *coop, void *user)
{
    actor *a = user;
    WANT(coop != NULL);
    hit(a, EV_SLICE);
    return a->seen[EV_SLICE] < STEPS ? TENON_PENDING : TENON_OK;
}

static void open_worker(actor *a)
{
    const tenon_coop_options options = {.size = sizeof options,
                                        .slice_ns = -1,
                                        .fn = on_slice,
                                        .user = a,
                                        .free_user = on_work_free};
    tenon_coop *coop = NULL;
    WANT(tenon_coop_start(st.reactor, &options, &coop) == TENON_OK);
    a->future = tenon_coop_future(coop);
}

static bool complete_worker(const actor *a)
{
    return over(a, EV_SLICE, STEPS) && over(a, EV_WORK_FREE, 1);
}

static void close_worker(actor *a)
{
    look(a->future);
    WANT(a->seen[EV_WORK_FREE] == 1);
}

const part kind_WORKER = {"work in slices", FUTURE,      open_worker, NULL,
                          complete_worker,  close_worker};
