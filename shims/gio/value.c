/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Values. A future's pointer and its free function are what GLib calls a
 * pointer and its GDestroyNotify, so most pass as they are; a GValue goes in a
 * box of its own, which is known again by the function that frees it.
 */

#include "outcome.h"

static void box_free(void *box)
{
    g_value_unset(box);
    g_free(box);
}

/* ---- outcomes ---- */

void tenon__gio_outcome_clear(tenon__gio_outcome *outcome)
{
    if (outcome->free_value && outcome->pointer) {
        outcome->free_value(outcome->pointer);
    }
    tenon_error_unref(outcome->error);
    *outcome = (tenon__gio_outcome){.pointer = NULL};
}

void tenon__gio_outcome_take(tenon__gio_outcome *out, tenon_future *future)
{
    *out = (tenon__gio_outcome){.is_number = true};
    tenon_error *error = tenon_future_error(future);
    if (error) {
        out->error = tenon_error_ref(error);
    } else if (tenon_future_int(future, &out->number) < 0) {
        out->is_number = false;
        tenon_status status =
            tenon_future_take(future, &out->pointer, &out->free_value);
        out->error = status < 0 ? tenon_error_of(status, NULL) : NULL;
    }
}

void tenon__gio_outcome_give(tenon__gio_outcome *outcome, tenon_future *future)
{
    tenon_error *error = tenon__gio_error_reason(outcome->error);
    if (tenon_error_status(error) == TENON_CANCELLED) {
        (void)tenon_future_cancel_with(future, error);
    } else if (error) {
        (void)tenon_future_try_fail(future, error);
    } else if (outcome->is_number) {
        (void)tenon_future_try_resolve_int(future, outcome->number);
    } else if (tenon_future_resolve(future, outcome->pointer,
                                    outcome->free_value) == TENON_OK) {
        outcome->free_value = NULL;
    }
    tenon__gio_outcome_clear(outcome);
}

tenon_status tenon__gio_outcome_value(tenon__gio_outcome *outcome, GValue *out)
{
    if (outcome->is_number) {
        g_value_init(out, G_TYPE_INT64);
        g_value_set_int64(out, outcome->number);
    } else if (outcome->free_value == box_free) {
        GValue *box = outcome->pointer;
        *out = *box; /* GLib moves them like this, too */
        g_free(box);
    } else if (outcome->free_value == g_object_unref && outcome->pointer) {
        g_value_init(out, G_OBJECT_TYPE(outcome->pointer));
        g_value_take_object(out, outcome->pointer);
    } else if (!outcome->free_value || !outcome->pointer) {
        g_value_init(out, G_TYPE_POINTER);
        g_value_set_pointer(out, outcome->pointer);
    } else {
        tenon__gio_outcome_clear(outcome);
        return TENON_NOT_SUPPORTED;
    }
    return TENON_OK;
}

/* ---- public ---- */

tenon_status tenon_gio_resolve_object(tenon_future *future, void *object)
{
    if (!object) {
        return TENON_INVALID;
    }
    g_object_ref(object);
    tenon_status status = tenon_future_resolve(future, object, g_object_unref);
    if (status < 0) {
        g_object_unref(object);
    }
    return status;
}

tenon_status tenon_gio_resolve_value(tenon_future *future, const GValue *value)
{
    if (!value || !G_IS_VALUE(value)) {
        return TENON_INVALID;
    }
    GValue *box = g_new0(GValue, 1);
    g_value_init(box, G_VALUE_TYPE(value));
    g_value_copy(value, box);
    tenon_status status = tenon_future_resolve(future, box, box_free);
    if (status < 0) {
        box_free(box);
    }
    return status;
}

tenon_status tenon_gio_take_value(tenon_future *future, GValue *out)
{
    tenon__gio_outcome outcome;
    if (!future || !out) {
        return TENON_INVALID;
    }
    if (!tenon_future_is_done(future)) {
        return TENON_NOT_DONE;
    }
    tenon__gio_outcome_take(&outcome, future);
    if (outcome.error) {
        tenon_status status = tenon_error_status(outcome.error);
        tenon__gio_outcome_clear(&outcome);
        return status;
    }
    return tenon__gio_outcome_value(&outcome, out);
}
