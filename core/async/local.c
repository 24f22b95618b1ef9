/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Values that tasks carry: a list, newest first, that nobody changes. Setting
 * one puts a link in front, so a task that was spawned before keeps the list
 * it had, and spawning copies one pointer.
 */

#include "async/task.h"

/* Not recursive: such a list may be long. */
void tenon__local_unref(tenon_reactor *r, tenon__local *list)
{
    while (list && --list->refs == 0) {
        tenon__local *next = list->next;
        if (list->free_value) {
            list->free_value(list->value);
        }
        tenon__free(&r->allocator, list, sizeof *list);
        list = next;
    }
}

tenon_status tenon_local_set(const tenon_local_key *key, void *value,
                             tenon_free_fn *free_value)
{
    tenon_task *t = tenon__task_current();
    if (!t || !key) {
        return TENON_INVALID;
    }
    tenon__local *local =
        tenon__alloc(&t->future.reactor->allocator, sizeof *local);
    if (!local) {
        return TENON_NO_MEMORY;
    }
    *local = (tenon__local){.next = t->locals,
                            .key = key,
                            .value = value,
                            .free_value = free_value,
                            .refs = 1};
    t->locals = local;
    return TENON_OK;
}

void *tenon_local_get(const tenon_local_key *key)
{
    const tenon_task *t = tenon__task_current();
    const tenon__local *l = t ? t->locals : NULL;
    while (l && l->key != key) {
        l = l->next;
    }
    return l ? l->value : NULL;
}
