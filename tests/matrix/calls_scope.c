/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls on what stands on futures and tasks: limits, groups, attempts, work in
 * slices.
 */

#include "calls.h"

/* ---- futures ---- */

static tenon_status forget(tenon_status status, tenon_future *out)
{
    if (status >= 0) {
        (void)tenon_future_error(out);
        tenon_future_unref(out);
    }
    return status;
}

static tenon_status limited(actor *a, uint32_t flags)
{
    tenon_future *out = NULL;
    tenon_status status =
        tenon_with_timeout(a->future, TENON_FOREVER, flags, &out);
    return forget(status, out);
}

static tenon_status shielded(actor *a)
{
    tenon_future *out = NULL;
    tenon_status status = tenon_shield(a->future, &out);
    return forget(status, out);
}

static tenon_status named(actor *a)
{
    const tenon_named_future both[] = {{"x", a->future}, {"y", a->future}};
    tenon_future *out = NULL;
    tenon_status status =
        tenon_gather_named(R, both, 2, TENON_GATHER_QUIET, &out);
    return forget(status, out);
}

static tenon_status completed(actor *a)
{
    tenon_future *out = NULL;
    tenon_status status =
        tenon_as_completed(R, &a->future, 1, TENON_FOREVER, &out);
    return forget(status, out);
}

static tenon_status next_of(actor *a)
{
    tenon_future *out = NULL;
    return tenon_completed_next(a->future, &out);
}

static tenon_status attempt(size_t number, tenon_future **out, void *user)
{
    (void)number;
    (void)user;
    return tenon_future_ready_int(R, 1, out);
}

static tenon_status staggered(void)
{
    const tenon_stagger_options options = {.size = sizeof options,
                                           .count = 2,
                                           .fn = attempt,
                                           .free_user = on_paid_user};
    tenon_future *out = NULL;
    tenon_status status = owed(tenon_stagger(R, &options, &out));
    return forget(status, out);
}

static tenon_status retried(void)
{
    const tenon_retry_options options = {.size = sizeof options,
                                         .free_user = on_paid_user};
    tenon_future *out = NULL;
    tenon_status status = owed(tenon_retry_future(R, attempt, &options, &out));
    return forget(status, out);
}

/* ---- work in slices ---- */

static tenon_status one_step(tenon_coop *coop, void *user)
{
    (void)coop;
    (void)user;
    return TENON_OK;
}

static tenon_status coop_look(tenon_coop *coop)
{
    WANT(tenon_future_state(tenon_coop_future(coop)) == TENON_FUTURE_PENDING);
    return TENON_OK;
}

static tenon_status coop_pause(tenon_coop *coop)
{
    tenon_status status = tenon_coop_pause(coop);
    return status < 0 ? status : tenon_coop_resume(coop);
}

static tenon_status coop_count(tenon_coop *coop)
{
    tenon_coop_unref(tenon_coop_ref(coop));
    return TENON_OK;
}

static tenon_status coop(tenon_status (*then)(tenon_coop *coop))
{
    const tenon_coop_options options = {
        .size = sizeof options, .fn = one_step, .free_user = on_paid_user};
    tenon_coop *out = NULL;
    tenon_status status = owed(tenon_coop_start(R, &options, &out));
    if (status >= 0 && then) {
        status = then(out);
    }
    tenon_coop_unref(out);
    return status;
}

/* ---- groups ---- */

static tenon_status task_runs(void *user)
{
    (void)user;
    return TENON_OK;
}

static tenon_status group_look(tenon_group *group)
{
    WANT(tenon_group_count(group) == 0 && !tenon_group_is_cancelled(group));
    WANT(!tenon_future_is_done(tenon_group_future(group)));
    return TENON_OK;
}

static tenon_status group_hold(tenon_group *group)
{
    tenon_group_unref(tenon_group_ref(group));
    return TENON_OK;
}

static tenon_status group_cancel(tenon_group *group)
{
    return tenon_group_cancel(group, "matrix");
}

/* `user` is freed in every case. */
static tenon_status group_spawn(tenon_group *group)
{
    const tenon_task_options options = {.size = sizeof options,
                                        .free_user = on_paid_user};
    (void)owed(TENON_OK);
    return tenon_group_spawn(group, task_runs, NULL, &options, NULL);
}

static tenon_status group_refuse(tenon_group *group)
{
    tenon_status status = tenon_group_cancel(group, NULL);
    WANT(status < 0 || group_spawn(group) < 0);
    return status;
}

static tenon_status group(tenon_status (*then)(tenon_group *group))
{
    tenon_group *out = NULL;
    tenon_status status = tenon_group_new(R, &out);
    if (status >= 0 && then) {
        status = then(out);
    }
    tenon_group_unref(out);
    return status;
}

static tenon_status group_ended(void)
{
    tenon_group *out = NULL;
    tenon_status status = tenon_group_begin(&out);
    return status < 0 ? status : tenon_group_end(out, TENON_OK);
}

/* ---- in tasks ---- */

static tenon_status limit(int what)
{
    tenon_timeout scope;
    tenon_status status = what == 1
                              ? tenon_timeout_begin_at(&scope, TENON_FOREVER)
                              : tenon_timeout_begin(&scope, TENON_SECOND);
    if (status < 0) {
        return status;
    }
    status = what == 2   ? tenon_timeout_move(&scope, TENON_FOREVER)
             : what == 3 ? tenon_timeout_move_at(&scope, TENON_FOREVER)
                         : TENON_OK;
    WANT(what != 4 || tenon_timeout_when(&scope) > 0);
    WANT(!tenon_timeout_expired(&scope));
    return tenon_timeout_end(&scope, status);
}

/* ---- the table ---- */

#define CALL(function, variant, on, flags, may, expression) \
    static tenon_status do_##function##_##variant(actor *a) \
    {                                                       \
        (void)a;                                            \
        return (expression);                                \
    }
#include "calls_scope.def"

static const call_row rows[] = {
#define CALL(function, variant, on, flags, may, expression) \
    {#function, #variant, on, flags, may, do_##function##_##variant},
#include "calls_scope.def"
};
const call_table calls_scope = {rows, sizeof rows / sizeof rows[0]};
