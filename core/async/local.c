/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Values that tasks carry: a list, newest first, that nobody changes. Setting
 * one puts a link in front, so a task that was spawned before keeps the list
 * it had, and spawning copies one pointer. What else carries such a list is in
 * local.h.
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

/* Where the key is set for this task alone, so that the value can be changed
 * in place: loops that set one do not make the list grow. */
static tenon__local *own(const tenon_task *t, const tenon_local_key *key)
{
    for (tenon__local *l = t->locals; l && l->refs == 1; l = l->next) {
        if (l->key == key) {
            return l;
        }
    }
    return NULL;
}

static void replace(tenon__local *l, void *value, tenon_free_fn *free_value)
{
    void *old = l->value;
    tenon_free_fn *free_old = l->free_value;
    l->value = value;
    l->free_value = free_value;
    if (free_old) {
        free_old(old);
    }
}

static tenon_status add(tenon_task *t, const tenon__local *local)
{
    tenon__local *l = tenon__alloc(&t->future.reactor->allocator, sizeof *l);
    if (!l) {
        return TENON_NO_MEMORY;
    }
    *l = *local;
    t->locals = l;
    return TENON_OK;
}

tenon_status tenon_local_set(const tenon_local_key *key, void *value,
                             tenon_free_fn *free_value)
{
    tenon_task *t = tenon__task_current();
    if (!t || !key) {
        return TENON_INVALID;
    }
    tenon__local *mine = own(t, key);
    if (mine) {
        replace(mine, value, free_value);
        return TENON_OK;
    }
    const tenon__local local = {.next = t->locals,
                                .key = key,
                                .value = value,
                                .free_value = free_value,
                                .refs = 1};
    return add(t, &local);
}

static tenon__local *list_now(const tenon_reactor *r)
{
    const tenon_task *t = tenon__task_current();
    if (t) {
        return t->future.reactor == r ? t->locals : NULL;
    }
    const tenon__frame *frame = r ? r->frames : NULL;
    bool carries = frame && frame->carries && frame->alive;
    return carries ? ((const tenon__object *)frame->object)->locals : NULL;
}

tenon__local *tenon__local_keep(const tenon_reactor *r)
{
    return tenon__local_ref(list_now(r));
}

void *tenon_local_get(const tenon_local_key *key)
{
    const tenon__local *l = list_now(tenon__current);
    while (l && l->key != key) {
        l = l->next;
    }
    return l ? l->value : NULL;
}
