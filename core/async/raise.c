/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What a task returns: a value, or an error that tells the way it took. The
 * error of the last failure is the task's; a function that hands the failure
 * on wraps it in one that knows the place.
 */

#include "async/task.h"

void tenon__task_set_error(tenon_task *t, tenon_error *error)
{
    if (t->error) {
        tenon_error_unref(t->error);
    }
    t->error = error;
}

static tenon_error *error_at(tenon_task *t, tenon_status status,
                             const char *message, const char *file, int line,
                             tenon_error *cause)
{
    bool system = status < 0 && status > -4096;
    const tenon_error_options options = {
        .size = sizeof options,
        .status = status,
        .system_code = system ? -status : 0,
        .line = line,
        .domain = cause    ? tenon_error_domain(cause)
                  : system ? "system"
                           : "tenon",
        .file = file,
        .message = message ? message : tenon_status_text(status),
        .cause = cause,
        .allocator = &t->future.reactor->allocator,
    };
    return tenon_error_new(&options);
}

tenon_status tenon_raise_at(tenon_status status, const char *message,
                            const char *file, int line)
{
    tenon_task *t = tenon__task_current();
    if (t && status < 0) {
        tenon__task_set_error(t,
                              error_at(t, status, message, file, line, NULL));
    }
    return status;
}

tenon_status tenon_raise_error(tenon_error *error)
{
    tenon_task *t = tenon__task_current();
    if (t && error) {
        tenon_error *last = t->error;
        t->error = tenon_error_ref(error);
        tenon_error_unref(last);
    }
    return tenon_error_status(error);
}

tenon_status tenon_pass_at(tenon_status status, const char *file, int line)
{
    tenon_task *t = tenon__task_current();
    if (!t || status >= 0) {
        return status;
    }
    tenon_error *cause =
        tenon_error_status(t->error) == status ? t->error : NULL;
    tenon_error *error =
        error_at(t, status, cause ? "passed on" : NULL, file, line, cause);
    tenon__task_set_error(t, error);
    return status;
}

tenon_error *tenon_task_error(void)
{
    tenon_task *t = tenon__task_current();
    return t ? t->error : NULL;
}

/* ---- values ---- */

static void drop_value(tenon_task *t)
{
    tenon_free_fn *free_value = t->free_value;
    t->free_value = NULL;
    if (free_value) {
        free_value(t->value);
    }
    t->value = NULL;
    t->returns_int = false;
}

tenon_status tenon_return(void *value, tenon_free_fn *free_value)
{
    tenon_task *t = tenon__task_current();
    if (!t) {
        if (free_value) {
            free_value(value);
        }
        return TENON_INVALID;
    }
    drop_value(t);
    t->value = value;
    t->free_value = free_value;
    return TENON_OK;
}

tenon_status tenon_return_int(int64_t number)
{
    tenon_task *t = tenon__task_current();
    if (!t) {
        return TENON_INVALID;
    }
    drop_value(t);
    t->number = number;
    t->returns_int = true;
    return TENON_OK;
}
