/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The table of traces: open addressing, by the object's address. A trace is
 * counted, since it may be known by its object, by a callback on the stack,
 * and by the futures that follow that object, longer than the object lives.
 * All of it is a convenience: without memory, or above the limit, a trace is
 * lost and nothing else.
 */

#include <stdlib.h>
#include <string.h>

#include "loop/trace.h"
#include "loop/trace_text.h"

enum { TRACES_MAX = 65536, CAPACITY_MIN = 64 };

/* A chain that follows the newest link for ever, as a loop of then does, is
 * cut behind this many. */
enum { CHAIN = TENON__TRACE_CHAIN };

typedef struct entry {
    const void *key; /* NULL: free */
    tenon__trace *trace;
} entry;

struct tenon__traces {
    uint32_t level;
    uint32_t live; /* traces */
    uint32_t count;
    uint32_t capacity; /* a power of two, or 0 */
    entry *entries;
};

/* ---- traces ---- */

static void release(tenon_reactor *r, tenon__trace *t)
{
    while (t && --t->refs == 0) {
        tenon__trace *from = t->from;
        tenon__free(&r->allocator, t, sizeof *t);
        r->traces->live--;
        t = from;
    }
}

/* ---- the table ---- */

static uint32_t home_of(const tenon__traces *table, const void *key)
{
    uint64_t mixed = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32) & (table->capacity - 1);
}

/* The entry of `key`, or the free one where it belongs. */
static entry *seek(const tenon__traces *table, const void *key)
{
    uint32_t at = home_of(table, key);
    while (table->entries[at].key && table->entries[at].key != key) {
        at = (at + 1) & (table->capacity - 1);
    }
    return &table->entries[at];
}

static tenon__trace *find(const tenon__traces *table, const void *key)
{
    return table->capacity && key ? seek(table, key)->trace : NULL;
}

static bool grow(tenon_reactor *r)
{
    tenon__traces *table = r->traces;
    tenon__traces old = *table;
    uint32_t capacity = old.capacity ? old.capacity * 2 : CAPACITY_MIN;
    entry *entries =
        tenon__alloc(&r->allocator, capacity * sizeof *table->entries);
    if (!entries) {
        return false;
    }
    table->entries = entries;
    table->capacity = capacity;
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.entries[i].key) {
            *seek(table, old.entries[i].key) = old.entries[i];
        }
    }
    tenon__free(&r->allocator, old.entries, old.capacity * sizeof(entry));
    return true;
}

/* Takes over the reference. */
static void put(tenon_reactor *r, const void *key, tenon__trace *trace)
{
    tenon__traces *table = r->traces;
    if (table->count >= table->capacity - table->capacity / 4 && !grow(r)) {
        release(r, trace);
        return;
    }
    entry *at = seek(table, key);
    if (at->key) {
        release(r, at->trace);
    } else {
        table->count++;
    }
    *at = (entry){.key = key, .trace = trace};
}

/* What lies behind the hole moves up, unless it is at home there. */
static void close_hole(tenon__traces *table, uint32_t hole)
{
    uint32_t mask = table->capacity - 1;
    uint32_t at = (hole + 1) & mask;
    for (; table->entries[at].key; at = (at + 1) & mask) {
        uint32_t home = home_of(table, table->entries[at].key);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole] = (entry){.key = NULL};
}

void tenon__trace_remove(tenon_reactor *r, const void *key)
{
    tenon__traces *table = r->traces;
    if (!find(table, key)) {
        return;
    }
    entry *at = seek(table, key);
    release(r, at->trace);
    table->count--;
    close_hole(table, (uint32_t)(at - table->entries));
}

/* ---- what happens to objects ---- */

void tenon__trace_add(tenon_reactor *r, const void *object, const char *what,
                      uint32_t level)
{
    tenon__traces *table = r->traces;
    tenon__trace *trace = NULL;
    if (table->level >= level && table->live < TRACES_MAX) {
        trace = tenon__alloc(&r->allocator, sizeof *trace);
    }
    if (!trace) {
        tenon__trace_remove(r, object);
        return;
    }
    table->live++;
    trace->refs = 1;
    trace->what = what;
    trace->made_count = tenon__places_here(trace->made);
    put(r, object, trace);
}

void tenon__trace_complete(tenon_reactor *r, const void *object)
{
    tenon__trace *trace = find(r->traces, object);
    if (trace && !trace->passed_on) {
        trace->done_count = tenon__places_here(trace->done);
    }
}

/* Whether `trace` may follow `from`: not if that follows it already. */
static bool cut(tenon_reactor *r, const tenon__trace *trace, tenon__trace *from)
{
    for (uint32_t n = 1; from; n++, from = from->from) {
        if (from == trace) {
            return false;
        }
        if (n == CHAIN) {
            release(r, from->from);
            from->from = NULL;
        }
    }
    return true;
}

void tenon__trace_chain(tenon_reactor *r, const void *object,
                        const void *source, bool passed_on)
{
    tenon__trace *trace = find(r->traces, object);
    tenon__trace *from = find(r->traces, source);
    if (!trace || !from) {
        return;
    }
    if (trace->from != from) {
        if (!cut(r, trace, from)) {
            return;
        }
        tenon__trace *old = trace->from;
        from->refs++;
        trace->from = from;
        release(r, old);
    }
    trace->passed_on = passed_on;
}

void tenon__trace_share(tenon_reactor *r, const void *from, const void *to)
{
    tenon__trace *trace = find(r->traces, from);
    if (trace) {
        trace->refs++;
        put(r, to, trace);
    }
}

/* ---- reading them ---- */

char *tenon__trace_text(const tenon_reactor *r, const void *key,
                        const tenon__frame *frame)
{
    const tenon__trace *trace = r->traces ? find(r->traces, key) : NULL;
    if (r->traces && !trace && frame) {
        trace = find(r->traces, frame);
        trace = trace ? trace : find(r->traces, frame->object);
    }
    char *text =
        trace ? tenon__resize(&r->allocator, NULL, 0, TENON__TRACE_TEXT_LEN)
              : NULL;
    if (text) {
        tenon__trace_format(trace, text);
    }
    return text;
}

void tenon__trace_free(const tenon_reactor *r, char *text)
{
    tenon__free(&r->allocator, text, TENON__TRACE_TEXT_LEN);
}

void tenon__trace_print(const tenon_reactor *r, const void *object, FILE *file)
{
    char *text = tenon__trace_text(r, object, NULL);
    if (text) {
        fputs(text, file);
        tenon__trace_free(r, text);
    }
}

/* ---- the level ---- */

static void end(tenon_reactor *r)
{
    tenon__traces *table = r->traces;
    for (uint32_t i = 0; i < table->capacity; i++) {
        release(r, table->entries[i].trace);
    }
    tenon__free(&r->allocator, table->entries, table->capacity * sizeof(entry));
    tenon__free(&r->allocator, table, sizeof *table);
    r->traces = NULL;
}

tenon_status tenon__traces_set(tenon_reactor *r, uint32_t level)
{
    void *places[TENON__TRACE_DEPTH];
    if (level == TENON_DEBUG_OFF) {
        if (r->traces) {
            end(r);
        }
        return TENON_OK;
    }
    /* The first time, libc may load what it needs for this. */
    if (tenon__places_here(places) == 0) {
        return TENON_NOT_SUPPORTED;
    }
    if (!r->traces) {
        r->traces = tenon__alloc(&r->allocator, sizeof *r->traces);
    }
    if (!r->traces) {
        return TENON_NO_MEMORY;
    }
    r->traces->level = level;
    return TENON_OK;
}

/* The environment of a program that changed its user is not to be trusted. */
uint32_t tenon__traces_wanted(uint32_t level)
{
    const char *text = level ? NULL : secure_getenv("TENON_DEBUG");
    if (!text) {
        return level;
    }
    unsigned long number = strtoul(text, NULL, 10);
    return number < TENON_DEBUG_ALL ? (uint32_t)number : TENON_DEBUG_ALL;
}

tenon_status tenon_reactor_set_debug(tenon_reactor *r, uint32_t level)
{
    tenon_status status = tenon__check_thread(r);
    return status < 0 ? status : tenon__traces_set(r, level);
}

uint32_t tenon_reactor_debug(const tenon_reactor *r)
{
    return r->traces ? r->traces->level : TENON_DEBUG_OFF;
}
