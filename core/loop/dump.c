/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What is inside: counters, and a text that names everything alive.
 */

#include <string.h>

#include "loop/trace.h"

tenon_status tenon_reactor_stats(const tenon_reactor *r, tenon_stats *out)
{
    if (!r || !out || out->size < sizeof out->size) {
        return TENON_INVALID;
    }
    tenon_stats stats = r->stats;
    const tenon_node *lists[] = {&r->ready, &r->round};
    stats.size = out->size < sizeof stats ? out->size : (uint32_t)sizeof stats;
    stats.timer_count = r->heap.count;
    stats.task_count = r->task_count;
    stats.ready_count = 0;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (const tenon_node *n = lists[i]->next; n != lists[i]; n = n->next) {
            stats.ready_count++;
        }
    }
    memcpy(out, &stats, stats.size);
    return TENON_OK;
}

static const char *named(const char *name)
{
    return name ? name : "-";
}

static void dump_head(const tenon_reactor *r, FILE *file)
{
    static const char *const lives[] = {"open", "closing", "ending", "closed"};
    fprintf(file, "reactor %s host=%s %s turns=%llu callbacks=%llu holds=%u\n",
            r->name, r->ops->name, lives[r->life],
            (unsigned long long)r->stats.turns,
            (unsigned long long)r->stats.callbacks, r->holds);
}

static void dump_timers(const tenon_reactor *r, FILE *file)
{
    int64_t now_ns = tenon__clock(r);
    for (uint32_t i = 0; i < r->heap.count; i++) {
        const tenon_timer *t = r->heap.entries[i].timer;
        bool is_call = t->flags & TENON__TIMER_CALL;
        fprintf(file, "%s %s in=%.6fs%s\n", is_call ? "call" : "timer",
                named(t->name),
                (double)(t->deadline_ns - now_ns) / (double)TENON_SECOND,
                t->flags & TENON__TIMER_DAEMON ? " daemon" : "");
        tenon__trace_dump(r, t, file);
    }
}

static void dump_watches(const tenon_reactor *r, FILE *file)
{
    for (uint32_t fd = 0; fd < r->poller.slot_count; fd++) {
        const tenon_watch *w = r->poller.slots[fd].first;
        for (; w; w = w->next) {
            fprintf(file, "watch %s fd=%d%s%s%s%s\n", named(w->name), w->fd,
                    w->interest & TENON_READ ? " read" : "",
                    w->interest & TENON_WRITE ? " write" : "",
                    w->flags & TENON__WATCH_OWNED ? " owned" : "",
                    w->flags & TENON__WATCH_DAEMON ? " daemon" : "");
            tenon__trace_dump(r, w, file);
        }
    }
}

static void dump_objects(const tenon_reactor *r, FILE *file)
{
    tenon_node *n = r->objects.next;
    for (; n != &r->objects; n = n->next) {
        const tenon__object *object = TENON__OF(n, tenon__object, node);
        object->ops->dump(object, file);
        fputc('\n', file);
        tenon__trace_dump(r, object, file);
    }
}

static void dump_signals(const tenon_reactor *r, FILE *file)
{
    tenon_node *n = r->signals.next;
    for (; n != &r->signals; n = n->next) {
        const tenon_signal *s = TENON__OF(n, tenon_signal, node);
        fprintf(file, "signal %d\n", s->signo);
        tenon__trace_dump(r, s, file);
    }
}

tenon_status tenon_reactor_dump(const tenon_reactor *r, FILE *file)
{
    tenon_status status = tenon__check_thread(r);
    if (status < 0 || !file) {
        return status < 0 ? status : TENON_INVALID;
    }
    dump_head(r, file);
    dump_timers(r, file);
    dump_watches(r, file);
    dump_objects(r, file);
    dump_signals(r, file);
    if (r->async) {
        r->async->dump(r, file);
    }
    return TENON_OK;
}
