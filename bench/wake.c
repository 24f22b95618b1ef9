/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench wake: how long until a sleeping loop has run what another thread
 * sent, and that thread has its answer; ours and uv_async_t, by turns. */
#include "wake.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <tenon/tenon.h>
#include <unistd.h>

extern const bench_side bench_wake_libuv __attribute__((weak));
extern const bench_side bench_wake_tenon_libuv __attribute__((weak));

static pthread_t thread; /* one at a time */

static void *wake_all(void *user)
{
    bench_wake *self = user;
    uint64_t count;
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BENCH_WAKES; i++) {
        self->wake(self);
        if (read(self->answer_fd, &count, sizeof count) != sizeof count) {
            perror("tenon-bench: wake");
        }
    }
    self->each_ns = bench_each_ns(start_ns, bench_now_ns(), BENCH_WAKES);
    return NULL;
}

int bench_wake_begin(bench_wake *self)
{
    self->answered = 0;
    self->answer_fd = eventfd(0, EFD_CLOEXEC);
    return self->answer_fd < 0 ||
           pthread_create(&thread, NULL, wake_all, self) != 0;
}

bool bench_wake_answer(bench_wake *self)
{
    uint64_t one = 1;
    bool wrote = write(self->answer_fd, &one, sizeof one) == sizeof one;
    return ++self->answered == BENCH_WAKES || !wrote;
}

int bench_wake_end(bench_wake *self, double *out)
{
    pthread_join(thread, NULL);
    close(self->answer_fd);
    out[0] = self->each_ns;
    return self->answered != BENCH_WAKES;
}

/* ---- ours ---- */

typedef struct ours {
    tenon_reactor *reactor;
    tenon_inbox *inbox;
    tenon_post_node post;
} ours;

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    bench_wake *self = user;
    (void)post;
    (void)status;
    if (bench_wake_answer(self)) {
        tenon_reactor_release(((ours *)self->user)->reactor);
    }
}

static void wake(bench_wake *self)
{
    ours *o = self->user;
    (void)!tenon_post(o->inbox, &o->post, on_post, self);
}

int bench_wake_tenon(tenon_reactor *reactor, void (*run)(void *loop),
                     void *loop, double *out)
{
    ours o = {.reactor = reactor};
    bench_wake self = {.wake = wake, .user = &o};
    tenon_post_init(&o.post);
    o.inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    tenon_reactor_hold(reactor);
    int failed = bench_wake_begin(&self);
    run(loop);
    failed |= bench_wake_end(&self, out);
    tenon_inbox_unref(o.inbox);
    tenon_reactor_unref(reactor);
    return failed;
}

static void run_native(void *reactor)
{
    (void)!tenon_run(reactor);
}

static int run(double *out)
{
    tenon_reactor *reactor;
    return tenon_reactor_new(&reactor, NULL) < 0 ||
           bench_wake_tenon(reactor, run_native, reactor, out);
}

static const bench_side native = {"tenon_post, native", run};

int bench_wake_main(const bench_options *options)
{
    const bench_table table = {
        .name = "wake",
        .what = "ns until a sleeping loop has answered another thread",
        .columns = {"there and back"},
        .sides = {&native, &bench_wake_tenon_libuv, &bench_wake_libuv}};
    return bench_table_run(&table, options);
}
