/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench calls: what a callback, a future and a post of another thread
 * cost by themselves, in batches of a thousand. */
#include <tenon/tenon.h>

#include <pthread.h>
#include <stdlib.h>

#include "table.h"

enum { BATCH = 1000, BATCHES = 1000, POSTS = 1000000 };

static const tenon_reactor_options quiet = {.size = sizeof quiet,
                                            .slow_callback_ns = -1};

static size_t called;

static void on_call(void *user)
{
    (void)user;
    called++;
}

/* Scheduled, and called in the next turn. */
static int call_soon(double *out)
{
    tenon_reactor *reactor;
    int failed = tenon_reactor_new(&reactor, &quiet) < 0;
    called = 0;
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BATCHES && !failed; i++) {
        for (size_t j = 0; j < BATCH; j++) {
            failed |= tenon_call_soon(reactor, on_call, NULL) < 0;
        }
        failed |= tenon_run_once(reactor, 0) < 0;
    }
    out[0] = bench_each_ns(start_ns, bench_now_ns(), BATCH * BATCHES);
    tenon_reactor_unref(reactor);
    return failed || called != BATCH * BATCHES;
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    (void)user;
    called++;
}

typedef struct futures {
    tenon_future *made[BATCH];
    tenon_future embedded[BATCH];
    tenon_waiter waiters[BATCH];
} futures;

static int batch_of_made(tenon_reactor *reactor, futures *all)
{
    int failed = 0;
    for (size_t i = 0; i < BATCH; i++) {
        failed |= tenon_future_new(reactor, &all->made[i]) < 0 ||
                  tenon_future_on_done(all->made[i], &all->waiters[i], on_done,
                                       NULL) < 0 ||
                  tenon_future_resolve_int(all->made[i], 1) < 0;
    }
    failed |= tenon_run_once(reactor, 0) < 0;
    for (size_t i = 0; i < BATCH; i++) {
        tenon_future_unref(all->made[i]);
    }
    return failed;
}

static int batch_of_embedded(tenon_reactor *reactor, futures *all)
{
    int failed = 0;
    for (size_t i = 0; i < BATCH; i++) {
        failed |= tenon_future_init(&all->embedded[i], reactor) < 0 ||
                  tenon_future_on_done(&all->embedded[i], &all->waiters[i],
                                       on_done, NULL) < 0 ||
                  tenon_future_resolve_int(&all->embedded[i], 1) < 0;
    }
    failed |= tenon_run_once(reactor, 0) < 0;
    for (size_t i = 0; i < BATCH; i++) {
        tenon_future_fini(&all->embedded[i]);
    }
    return failed;
}

static int run_futures(double *out,
                       int (*batch)(tenon_reactor *reactor, futures *all))
{
    tenon_reactor *reactor;
    futures *all = calloc(1, sizeof *all);
    int failed = !all || tenon_reactor_new(&reactor, &quiet) < 0;
    called = 0;
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BATCHES && !failed; i++) {
        failed = batch(reactor, all);
    }
    out[0] = bench_each_ns(start_ns, bench_now_ns(), BATCH * BATCHES);
    tenon_reactor_unref(reactor);
    free(all);
    return failed || called != BATCH * BATCHES;
}

static int future_made(double *out)
{
    return run_futures(out, batch_of_made);
}

static int future_embedded(double *out)
{
    return run_futures(out, batch_of_embedded);
}

/* ---- posts ---- */

typedef struct poster {
    tenon_reactor *reactor;
    tenon_inbox *inbox;
    tenon_post_node *posts;
    size_t arrived;
    double post_ns;
    int failed;
} poster;

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    poster *self = user;
    (void)post;
    (void)status;
    if (++self->arrived == POSTS) {
        tenon_stop(self->reactor);
    }
}

static void *post_all(void *user)
{
    poster *self = user;
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < POSTS; i++) {
        self->failed |=
            tenon_post(self->inbox, &self->posts[i], on_post, self) < 0;
    }
    self->post_ns = bench_each_ns(start_ns, bench_now_ns(), POSTS);
    return NULL;
}

/* From the first post until the last was called. */
static int post(double *out)
{
    pthread_t thread;
    poster self = {.posts = calloc(POSTS, sizeof *self.posts)};
    if (!self.posts || tenon_reactor_new(&self.reactor, &quiet) < 0) {
        return 1;
    }
    for (size_t i = 0; i < POSTS; i++) {
        tenon_post_init(&self.posts[i]);
    }
    self.inbox = tenon_inbox_ref(tenon_reactor_inbox(self.reactor));
    tenon_reactor_hold(self.reactor);
    uint64_t start_ns = bench_now_ns();
    if (pthread_create(&thread, NULL, post_all, &self) != 0) {
        return 1;
    }
    self.failed |= tenon_run(self.reactor) < 0;
    out[0] = bench_each_ns(start_ns, bench_now_ns(), POSTS);
    pthread_join(thread, NULL);
    tenon_inbox_unref(self.inbox);
    tenon_reactor_unref(self.reactor);
    free(self.posts);
    return self.failed;
}

int bench_calls_main(const bench_options *options)
{
    static const bench_side soon = {"tenon_call_soon", call_soon};
    static const bench_side made = {"future, made", future_made};
    static const bench_side embedded = {"future, embedded", future_embedded};
    static const bench_side posts = {"tenon_post", post};
    const bench_table table = {
        .name = "calls",
        .what = "ns each: schedule and call; make, resolve and call; post "
                "from a thread and call",
        .columns = {"each"},
        .sides = {&soon, &made, &embedded, &posts}};
    return bench_table_run(&table, options);
}
