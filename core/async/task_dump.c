/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Who waits for whom: every task, what it waits for and where, and the task
 * that could end that wait, if it is known; rings of such, which never end, are
 * named. As text for people, as JSON for their tools.
 */

#include "async/task.h"

/* ---- the graph ---- */

static tenon_task *blocker_of(const tenon_task *t)
{
    const tenon__wait *w = t->state == TENON__TASK_WAITING ? t->wait : NULL;
    return w && w->kind->blocker ? w->kind->blocker(w) : NULL;
}

/* Whether the way from `t` comes back to it, and `t` is the oldest on it, so
 * that each ring is told once. Two walkers, one of them twice as fast, since
 * the way may end in a ring that `t` is not on. */
static bool leads_ring(const tenon_task *t)
{
    const tenon_task *slow = t;
    const tenon_task *fast = t;
    do {
        fast = blocker_of(fast);
        if (!fast || fast == t || fast->serial < t->serial) {
            return fast == t;
        }
        fast = blocker_of(fast);
        if (!fast || fast == t || fast->serial < t->serial) {
            return fast == t;
        }
        slow = blocker_of(slow);
    } while (slow != fast);
    return false;
}

static const char *state_of(const tenon_task *t)
{
    static const char *const states[] = {"new", "ready", "running", "waiting",
                                         "done"};
    return states[t->state];
}

static const char *site_of(const char *site)
{
    return site && site[0] ? site : "-";
}

/* ---- text ---- */

static void text_task(const tenon_task *t, FILE *file)
{
    const tenon__wait *w = t->state == TENON__TASK_WAITING ? t->wait : NULL;
    const tenon_task *blocker = blocker_of(t);
    fprintf(file, "task #%llu %s %s", (unsigned long long)t->serial, t->name,
            state_of(t));
    if (w) {
        fprintf(file, " for %s at %s", w->kind->name, site_of(w->site));
    }
    if (blocker) {
        fprintf(file, " -> #%llu %s", (unsigned long long)blocker->serial,
                blocker->name);
    }
    if (t->cancels > 0) {
        fprintf(file, " cancelled=%u", t->cancels);
    }
    fprintf(file, " made at %s\n", site_of(t->future.site));
}

static void text_ring(const tenon_task *first, FILE *file)
{
    const tenon_task *t = first;
    fputs("ring", file);
    do {
        fprintf(file, " #%llu %s ->", (unsigned long long)t->serial, t->name);
        t = blocker_of(t);
    } while (t != first);
    fprintf(file, " #%llu\n", (unsigned long long)first->serial);
}

static void dump_text(const struct tenon__tasks *tasks, FILE *file)
{
    const tenon_task *t = NULL;
    while ((t = tenon__tasks_next(tasks, t)) != NULL) {
        text_task(t, file);
    }
    while ((t = tenon__tasks_next(tasks, t)) != NULL) {
        if (leads_ring(t)) {
            text_ring(t, file);
        }
    }
}

void tenon__tasks_dump(const tenon_reactor *r, FILE *file)
{
    if (r->tasks) {
        dump_text(r->tasks, file);
    }
}

/* ---- JSON ---- */

static void json_string(const char *text, FILE *file)
{
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(file, "\\%c", *c);
        } else if (*c < 0x20 || *c > 0x7e) {
            fprintf(file, "\\u%04x", *c);
        } else {
            fputc(*c, file);
        }
    }
    fputc('"', file);
}

static void json_field(const char *key, const char *text, FILE *file)
{
    fprintf(file, ",\"%s\":", key);
    json_string(text, file);
}

static void json_wait(const tenon_task *t, FILE *file)
{
    const tenon__wait *w = t->state == TENON__TASK_WAITING ? t->wait : NULL;
    const tenon_task *blocker = blocker_of(t);
    if (w) {
        json_field("for", w->kind->name, file);
        json_field("at", site_of(w->site), file);
        fprintf(file, ",\"object\":\"%p\"", w->object);
    }
    if (blocker) {
        fprintf(file, ",\"task\":%llu", (unsigned long long)blocker->serial);
    }
}

static void json_task(const tenon_task *t, FILE *file)
{
    fprintf(file, "{\"id\":%llu", (unsigned long long)t->serial);
    json_field("name", t->name, file);
    json_field("state", state_of(t), file);
    json_wait(t, file);
    json_field("made", site_of(t->future.site), file);
    fprintf(file, ",\"cancels\":%u,\"stack\":%zu,\"used\":%zu}", t->cancels,
            tenon_task_stack_size(t), tenon_task_stack_used(t));
}

static void json_ring(const tenon_task *first, FILE *file)
{
    const tenon_task *t = first;
    const char *before = "[";
    do {
        fprintf(file, "%s%llu", before, (unsigned long long)t->serial);
        before = ",";
        t = blocker_of(t);
    } while (t != first);
    fputc(']', file);
}

typedef void dump_fn(const tenon_task *task, FILE *file);

/* Those for which `wanted` holds (NULL: all), with commas between. */
static void json_list(const struct tenon__tasks *tasks,
                      bool (*wanted)(const tenon_task *), dump_fn *print,
                      FILE *file)
{
    const tenon_task *t = NULL;
    const char *before = "";
    while (tasks && (t = tenon__tasks_next(tasks, t)) != NULL) {
        if (!wanted || wanted(t)) {
            fputs(before, file);
            print(t, file);
            before = ",\n ";
        }
    }
}

static void dump_json(const tenon_reactor *r, FILE *file)
{
    fputs("{\"reactor\":", file);
    json_string(r->name, file);
    fputs(",\"tasks\":[\n ", file);
    json_list(r->tasks, NULL, json_task, file);
    fputs("],\"rings\":[", file);
    json_list(r->tasks, leads_ring, json_ring, file);
    fputs("]}\n", file);
}

/* ---- public ---- */

tenon_status tenon_tasks_dump(const tenon_reactor *r, FILE *file,
                              uint32_t format)
{
    tenon_status status = tenon__check_thread(r);
    if (status < 0 || !file || format > TENON_TASKS_JSON) {
        return status < 0 ? status : TENON_INVALID;
    }
    if (format == TENON_TASKS_JSON) {
        dump_json(r, file);
    } else {
        tenon__tasks_dump(r, file);
    }
    fflush(file);
    return TENON_OK;
}

static void on_signal(tenon_signal *signal, uint32_t count, void *user)
{
    const struct tenon__tasks *tasks = user;
    (void)signal;
    (void)count;
    (void)tenon_tasks_dump(tasks->reactor, tasks->dump_file,
                           tasks->dump_format);
}

tenon_status tenon_tasks_dump_on_signal(tenon_reactor *r, int signo, FILE *file,
                                        uint32_t format)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || (file && format > TENON_TASKS_JSON)) {
        return status < 0 ? status : TENON_INVALID;
    }
    status = tenon__tasks_need(r);
    if (status < 0) {
        return status;
    }
    struct tenon__tasks *tasks = r->tasks;
    (void)tenon_signal_stop(&tasks->dump_signal);
    if (!file) {
        return TENON_OK;
    }
    tasks->dump_file = file;
    tasks->dump_format = format;
    return tenon_signal_start(&tasks->dump_signal, signo, 0, on_signal, tasks);
}
