/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Blocking code in a thread: a function that takes its time, as a query, a
 * parser or a slow library does, runs in the reactor's pool. The loop goes on
 * meanwhile, is told how far it is, and gets the result as a future.
 */

#include <stdio.h>
#include <time.h>

#include <tenon/tenon.h>

enum { STEPS = 4, STEP_MS = 50, TICK_MS = 5 };

static int ticks;

/* In the thread. It could wait for anything here. */
static tenon_status take_long(tenon_work *work, void *user)
{
    static const int done[STEPS] = {25, 50, 75, 100};
    int64_t sum = 0;
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    (void)user;
    for (int i = 0; i < STEPS; i++) {
        if (tenon_work_is_cancelled(work)) {
            return TENON_CANCELLED; /* nobody waits any more */
        }
        nanosleep(&step, NULL);
        sum += done[i];
        union {
            const int *read;
            void *any;
        } value = {.read = &done[i]};
        (void)tenon_work_progress(work, value.any, NULL);
    }
    tenon_work_set_int(work, sum);
    return TENON_OK;
}

/* In the loop, from here on. */
static void on_progress(tenon_future *future, void *value, void *user)
{
    (void)future;
    (void)user;
    printf("%d%%\n", *(int *)value);
}

static void on_tick(tenon_timer *timer, void *user)
{
    (void)user;
    ticks++;
    (void)!tenon_timer_start(timer, TICK_MS * TENON_MILLISECOND, on_tick, NULL);
}

static tenon_status compute(tenon_reactor *reactor, int64_t *out)
{
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = take_long,
                                        .on_progress = on_progress,
                                        .name = "computation"};
    tenon_future *future;
    tenon_status status = tenon_call_in_with(reactor, NULL, &options, &future);
    if (status < 0) {
        return status;
    }
    status = tenon_run_until(reactor, future, TENON_FOREVER);
    if (status == TENON_OK) {
        status = tenon_future_int(future, out);
    }
    tenon_future_unref(future);
    return status;
}

int main(void)
{
    tenon_reactor *reactor;
    tenon_timer clock;
    int64_t sum = 0;
    if (tenon_reactor_new(&reactor, NULL) < 0) {
        return 1;
    }
    tenon_timer_init(&clock, reactor);
    tenon_status status =
        tenon_timer_start(&clock, TICK_MS * TENON_MILLISECOND, on_tick, NULL);
    if (status == TENON_OK) {
        status = compute(reactor, &sum);
        (void)tenon_timer_stop(&clock);
    }
    if (status < 0) {
        (void)fprintf(stderr, "blocking: %s\n", tenon_status_text(status));
    } else {
        printf("sum %d\n", (int)sum);
        printf("the loop %s meanwhile\n", ticks > 1 ? "ran" : "stood still");
    }
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return status < 0;
}
