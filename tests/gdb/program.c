/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * For the test of tools/gdb: three tasks that wait at a known depth, and a
 * place to stop at.
 */

#include <stdio.h>

#include <tenon/tenon.h>

static tenon_reactor *reactor;
static tenon_future *never;

__attribute__((noinline)) static tenon_status deepest(void)
{
    tenon_status status = tenon_await(never);
    return status;
}

__attribute__((noinline)) static tenon_status deeper(void)
{
    tenon_status status = deepest();
    return status;
}

static tenon_status wait_deep(void *user)
{
    (void)user;
    return deeper();
}

static tenon_status wait_for_other(void *user)
{
    return tenon_join(user);
}

__attribute__((noinline)) static void stop_here(void)
{
    __asm__ volatile("");
}

static tenon_status look(void *user)
{
    (void)user;
    TENON_TRY(tenon_sleep(TENON_MILLISECOND));
    stop_here();
    return tenon_stop(reactor);
}

static tenon_status spawn(tenon_task_fn *fn, void *user, const char *name,
                          tenon_task **out)
{
    const tenon_task_options options = {.size = sizeof options, .name = name};
    return tenon_spawn(reactor, fn, user, &options, out);
}

int main(void)
{
    tenon_task *deep = NULL;
    if (tenon_reactor_new(&reactor, NULL) < 0 ||
        tenon_future_new(reactor, &never) < 0 ||
        spawn(wait_deep, NULL, "deep", &deep) < 0 ||
        spawn(wait_for_other, deep, "joiner", NULL) < 0 ||
        spawn(look, NULL, "look", NULL) < 0 || tenon_run(reactor) < 0) {
        return 1;
    }
    (void)tenon_tasks_dump(reactor, stdout, TENON_TASKS_TEXT);
    (void)tenon_reactor_close(reactor);
    puts("closed");
    tenon_task_unref(deep);
    tenon_future_unref(never);
    tenon_reactor_unref(reactor);
    return 0;
}
