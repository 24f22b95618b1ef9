/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls on futures, promises and tasks.
 */

#include "calls.h"

#include <signal.h>
#include <stdio.h>

#define F future_of(a)

enum { GUESTS = 4 };
static tenon_waiter *guests[GUESTS]; /* that calls have let wait */
static int guest_count;

void calls_free_waiters(void)
{
    while (guest_count > 0) {
        guest_count--;
        DISOWN(guests[guest_count]);
    }
}

/* ---- futures ---- */

static tenon_future *future_of(actor *a)
{
    enum event event = st.now->callback->event;
    bool inner = st.act->target == SELF
                     ? event == EV_THEN || event == EV_OUTER_DONE
                     : st.act->target == PARENT && event == EV_CHILD_DONE;
    return inner && a->outer ? a->outer : a->future;
}

static tenon_status future_new(void)
{
    tenon_future *future = NULL;
    tenon_status status = tenon_future_new(R, &future);
    tenon_future_unref(future);
    return status;
}

static tenon_status future_new_with(void)
{
    tenon_future *future = NULL;
    tenon_status status = tenon_future_new_with(R, 8, &future);
    tenon_future_unref(future);
    return status;
}

static tenon_status future_init(void)
{
    tenon_future future;
    tenon_status status = tenon_future_init(&future, R);
    if (status >= 0) {
        tenon_future_fini(&future);
    }
    return status;
}

static tenon_status future_ready(int how)
{
    tenon_future *future = NULL;
    tenon_status status = how == 0 ? tenon_future_ready(R, NULL, NULL, &future)
                          : how == 1
                              ? tenon_future_ready_int(R, 1, &future)
                              : tenon_future_failed(R, st.error, &future);
    tenon_future_unref(future);
    return status;
}

static tenon_status future_drop(actor *a)
{
    tenon_future *mine = a->future;
    a->future = NULL;
    a->phase = 9;
    tenon_future_unref(mine);
    return TENON_OK;
}

static tenon_status try_resolve(actor *a)
{
    tenon_status status;
    (void)owed(TENON_OK);
    status = tenon_future_try_resolve(F, a, on_paid_user);
    forgive(status < 0); /* then nothing was done */
    return status;
}

static tenon_status future_value(actor *a)
{
    void *value;
    return tenon_future_value(F, &value);
}

static tenon_status future_int(actor *a)
{
    int64_t number;
    return tenon_future_int(F, &number);
}

static tenon_status future_take(actor *a)
{
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    tenon_status status = tenon_future_take(F, &value, &free_value);
    if (status >= 0 && free_value) {
        free_value(value);
    }
    return status;
}

static void on_more(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)future;
    (void)user;
    (void)waiter;
    pay();
}

static tenon_status wait_more(actor *a)
{
    tenon_waiter *waiter = own(sizeof *waiter);
    tenon_status status = tenon_future_on_done(F, waiter, on_more, NULL);
    WANT(guest_count < GUESTS);
    guests[guest_count++] = waiter;
    return owed(status);
}

static tenon_status forget_more(actor *a)
{
    size_t count = tenon_future_off(F, on_more, NULL);
    forgive(count);
    return TENON_OK;
}

static tenon_status waiter_free(actor *a)
{
    tenon_status status = tenon_waiter_remove(a->waiter);
    DISOWN(a->waiter);
    return status;
}

static tenon_status on_guest_then(tenon_future *source, tenon_future *result,
                                  void *user)
{
    (void)source;
    (void)result;
    (void)user;
    return TENON_OK;
}

static tenon_status then_more(actor *a)
{
    tenon_then_options options = {.size = sizeof options,
                                  .on_value = on_guest_then,
                                  .on_error = on_guest_then,
                                  .free_user = on_paid_user};
    return owed(tenon_future_then(F, &options, NULL));
}

static tenon_status link_from(actor *a)
{
    tenon_future *to = NULL;
    tenon_status status = tenon_future_new(R, &to);
    if (status >= 0) {
        status = tenon_future_link(F, to, 0);
        tenon_future_unref(to);
    }
    return status;
}

static tenon_status link_to(actor *a)
{
    tenon_future *from = NULL;
    tenon_status status = tenon_future_ready_int(R, 3, &from);
    if (status >= 0) {
        status = tenon_future_link(from, F, TENON_LINK_CANCEL);
        tenon_future_unref(from);
    }
    return status;
}

static tenon_status group(actor *a, int how)
{
    tenon_future *both[2] = {F, F};
    tenon_future *out = NULL;
    tenon_status status = how == 0   ? tenon_gather(R, both, 2, 0, &out)
                          : how == 1 ? tenon_any(R, both, 2, &out)
                          : how == 2 ? tenon_race(R, both, 2, &out)
                                     : tenon_wait(R, both, 2, NULL, &out);
    if (status >= 0) {
        (void)tenon_future_error(out);
        tenon_future_unref(out);
    }
    return status;
}

static tenon_status promise_new(void)
{
    tenon_promise *promise = NULL;
    tenon_future *future = NULL;
    tenon_status status = tenon_promise_new(R, &promise, &future);
    if (status >= 0) {
        tenon_promise_unref(promise);
        (void)tenon_future_error(future);
        tenon_future_unref(future);
    }
    return status;
}

static tenon_status promise_drop(actor *a)
{
    tenon_promise_unref(a->promise);
    a->promise = NULL;
    return TENON_OK;
}

/* ---- tasks ---- */

static tenon_local_key local_key = {"matrix"};

static tenon_status task_runs(void *user)
{
    (void)user;
    return TENON_OK;
}

static tenon_status task_spawn(uint32_t flags)
{
    const tenon_task_options options = {
        .size = sizeof options, .flags = flags, .free_user = on_paid_user};
    (void)owed(TENON_OK); /* an eager one pays inside */
    tenon_status status = tenon_spawn(R, task_runs, NULL, &options, NULL);
    forgive(status < 0);
    return status;
}

static FILE *nowhere(void)
{
    static FILE *file;
    file = file ? file : fopen("/dev/null", "we");
    WANT(file != NULL);
    return file;
}

static tenon_status tasks_dump(uint32_t format)
{
    return tenon_tasks_dump(R, nowhere(), format);
}

static tenon_status tasks_dump_on_signal(void)
{
    tenon_status status =
        tenon_tasks_dump_on_signal(R, SIGWINCH, nowhere(), TENON_TASKS_TEXT);
    return status < 0 ? status
                      : tenon_tasks_dump_on_signal(R, SIGWINCH, NULL,
                                                   TENON_TASKS_TEXT);
}

static tenon_status task_new(int start)
{
    tenon_task *task = NULL;
    tenon_status status = tenon_task_new(R, task_runs, NULL, NULL, &task);
    if (status >= 0 && start) {
        status = tenon_task_start(task);
    }
    tenon_task_unref(task);
    return status;
}

static tenon_status task_drop(actor *a)
{
    tenon_task *mine = a->task;
    a->task = NULL;
    tenon_task_unref(mine);
    return TENON_OK;
}

static bool task_visit(tenon_task *task, void *user)
{
    (void)user;
    return tenon_task_name(task) != NULL;
}

static tenon_status overflow_both(void)
{
    tenon_status status = tenon_reactor_report_overflow(R, true);
    return status < 0 ? status : tenon_reactor_report_overflow(R, false);
}

static tenon_status await_ready(int number)
{
    int64_t out;
    void *value;
    tenon_future *future = NULL;
    tenon_status status = number ? tenon_future_ready_int(R, 1, &future)
                                 : tenon_future_ready(R, NULL, NULL, &future);
    if (status < 0) {
        return status;
    }
    return number ? tenon_await_int(future, &out)
                  : tenon_await_take(future, &value, NULL);
}

static tenon_status region(int atomic)
{
    tenon_status status = atomic ? tenon_atomic_begin() : tenon_mask_begin();
    if (status < 0) {
        return status;
    }
    return atomic ? tenon_atomic_end() : tenon_mask_end();
}

static tenon_status local_set(void)
{
    return tenon_local_set(&local_key, &local_key, NULL);
}

/* ---- work; the inline executor's, since a thread has no place here ---- */

static tenon_status no_work(tenon_work *work, void *user)
{
    (void)work;
    (void)user;
    return TENON_OK;
}

static tenon_status work_new(void)
{
    return tenon_call_in(R, tenon_executor_inline(), no_work, NULL, NULL);
}

static const tenon_work_options paid_work = {
    .size = sizeof paid_work, .fn = no_work, .free_user = on_paid_user};

static tenon_status work_with(void)
{
    (void)owed(TENON_OK);
    tenon_status status =
        tenon_call_in_with(R, tenon_executor_inline(), &paid_work, NULL);
    forgive(status < 0);
    return status;
}

static tenon_status once_new(void)
{
    tenon_once *once = NULL;
    tenon_future *future = NULL;
    tenon_status status =
        tenon_once_new(R, tenon_executor_inline(), NULL, &once);
    if (status < 0) {
        return status;
    }
    (void)owed(TENON_OK);
    status = tenon_call_once(once, "key", &paid_work, &future);
    forgive(status < 0);
    tenon_once_forget(once, "key");
    tenon_once_free(once);
    tenon_future_unref(future);
    return status;
}

/* ---- the table ---- */

#define CALL(function, variant, on, flags, may, expression) \
    static tenon_status do_##function##_##variant(actor *a) \
    {                                                       \
        (void)a;                                            \
        return (expression);                                \
    }
#include "calls_async.def"

static const call_row rows[] = {
#define CALL(function, variant, on, flags, may, expression) \
    {#function, #variant, on, flags, may, do_##function##_##variant},
#include "calls_async.def"
};
const call_table calls_async = {rows, sizeof rows / sizeof rows[0]};
