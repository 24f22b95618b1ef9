/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Scopes: parts of a task that cancel it for a reason of their own, and take
 * that back at their end. Every request to end that a task gets has a number;
 * a scope remembers its own, and how many there were when it began. So its end
 * can tell whether anybody else wants the task to end, and who came first:
 *
 *   nobody else                      the cancelling is the scope's
 *   a scope around it, but later     as well; that one's is owed once more
 *   a scope around it, and earlier   that one's
 *   who is no scope                  theirs, whenever they came
 *
 * A task is told of all requests by one failed wait. Hence `OWED`: there was
 * an older request that it had not been told of when the scope's came.
 */

#include "async/task.h"

enum { OWED = 1 };

void tenon__scope_begin(tenon_scope *s, const tenon__scope_kind *kind,
                        tenon_task *t)
{
    *s = (tenon_scope){.outer = t->scope,
                       .task = t,
                       .kind = kind,
                       .begun = t->requests,
                       .cancels = t->cancels};
    t->scope = s;
}

void tenon__scope_fire(tenon_scope *s, tenon_error *reason)
{
    tenon_task *t = s->task;
    if (!t || s->fired) {
        return;
    }
    s->flags = t->must_cancel ? OWED : 0;
    s->fired = t->requests + 1;
    (void)tenon__task_cancel(&t->future, reason);
}

static void unlink_scope(tenon_scope *s)
{
    tenon_scope **place = &s->task->scope;
    while (*place != s) {
        place = &(*place)->outer;
    }
    *place = s->outer;
}

/* Those around `s` that have cancelled the task since it began. */
typedef struct around {
    uint32_t count;
    bool before;
} around;

static around look_around(const tenon_scope *s)
{
    around found = {0, false};
    for (const tenon_scope *o = s->outer; o; o = o->outer) {
        if (o->fired > s->begun) {
            found.count++;
            found.before = found.before || o->fired < s->fired;
        }
    }
    return found;
}

/* What came after ours and arrived together with it comes once more. */
static void owe_again(tenon_scope *s)
{
    for (tenon_scope *o = s->outer; o; o = o->outer) {
        if (o->fired > s->fired) {
            o->flags = 0;
        }
    }
    s->task->must_cancel = true;
}

static enum tenon__scope_verdict judge(tenon_scope *s, uint32_t others)
{
    around outer = look_around(s);
    if ((s->flags & OWED) || outer.before || others > outer.count) {
        return TENON__SCOPE_OTHERS;
    }
    if (outer.count > 0) {
        owe_again(s);
    }
    return TENON__SCOPE_OWN;
}

enum tenon__scope_verdict tenon__scope_end(tenon_scope *s)
{
    tenon_task *t = s->task;
    unlink_scope(s);
    if (s->fired && t->cancels > 0) {
        t->cancels--;
        t->must_cancel =
            t->must_cancel && ((s->flags & OWED) || t->requests > s->fired);
    }
    uint32_t others = t->cancels > s->cancels ? t->cancels - s->cancels : 0;
    enum tenon__scope_verdict verdict = TENON__SCOPE_NOBODYS;
    if (s->fired) {
        verdict = judge(s, others);
    } else if (others > 0) {
        verdict = TENON__SCOPE_OTHERS;
    }
    s->task = NULL;
    return verdict;
}

void tenon__scopes_leave(tenon_task *t)
{
    while (t->scope) {
        tenon_scope *s = t->scope;
        t->scope = s->outer;
        s->task = NULL;
        if (!t->abandoned) {
            tenon__report_status(t->future.reactor, "task returned within a",
                                 s->kind->name, t, TENON_BUSY);
        }
        s->kind->leave(s);
    }
}
