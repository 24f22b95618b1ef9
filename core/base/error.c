/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Errors: immutable, counted with an atomic, allocated in one block with their
 * message. The out-of-memory error is a constant that counting leaves alone,
 * so making an error cannot fail. Children are an array in the same block.
 */

#include <tenon/error.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

struct tenon_error {
    atomic_uint refs;
    tenon_status status;
    int system_code;
    int line;
    const char *domain;
    const char *file;
    tenon_error *cause;
    tenon_allocator allocator;
    size_t len;
    size_t child_count;
    tenon_error **children; /* behind this struct, in the same block */
    const char *message;    /* behind them */
    tenon_error *dead;      /* while it is being freed: the next */
};

enum { DEPTH = 8 }; /* of children in a text */

static const tenon_error no_memory = {.refs = 1,
                                      .status = TENON_NO_MEMORY,
                                      .system_code = ENOMEM,
                                      .domain = "tenon",
                                      .message = "out of memory"};

static bool is_constant(const tenon_error *error)
{
    return error == &no_memory;
}

static tenon_error *constant(void)
{
    /* Never written through: is_constant guards every write. */
    union {
        const tenon_error *read;
        tenon_error *any;
    } view = {.read = &no_memory};
    return view.any;
}

/* Callers of before there were children have a shorter struct. */
static size_t children_of(const tenon_error_options *options)
{
    const size_t needed = offsetof(tenon_error_options, child_count) +
                          sizeof options->child_count;
    return options->size >= needed && options->children ? options->child_count
                                                        : 0;
}

static void take_children(tenon_error *error,
                          const tenon_error_options *options)
{
    for (size_t i = 0; options->children && i < error->child_count; i++) {
        error->children[i] = tenon_error_ref(options->children[i]);
    }
    if (!error->cause && error->child_count > 0) {
        error->cause = tenon_error_ref(error->children[0]);
    }
}

tenon_error *tenon_error_new(const tenon_error_options *options)
{
    const tenon_allocator *allocator =
        options->allocator ? options->allocator : &tenon__malloc;
    const char *message = options->message ? options->message : "";
    size_t text_len = strlen(message) + 1;
    size_t child_count = children_of(options);
    size_t len =
        sizeof(tenon_error) + child_count * sizeof(tenon_error *) + text_len;
    tenon_error *error = tenon__alloc(allocator, len);
    if (!error) {
        return constant();
    }
    atomic_init(&error->refs, 1);
    error->status = options->status;
    error->system_code = options->system_code;
    error->line = options->line;
    error->domain = options->domain ? options->domain : "tenon";
    error->file = options->file;
    error->cause = options->cause ? tenon_error_ref(options->cause) : NULL;
    error->allocator = *allocator;
    error->len = len;
    error->child_count = child_count;
    error->children = (tenon_error **)(void *)(error + 1);
    error->message = memcpy(error->children + child_count, message, text_len);
    take_children(error, options);
    return error;
}

tenon_error *tenon_error_of(tenon_status status, const char *message)
{
    bool system = status < 0 && status > -4096;
    tenon_error_options options = {
        .size = sizeof options,
        .status = status,
        .system_code = system ? -status : 0,
        .domain = system ? "system" : "tenon",
        .message = message ? message : tenon_status_text(status),
    };
    return tenon_error_new(&options);
}

tenon_error *tenon_error_ref(tenon_error *error)
{
    if (error && !is_constant(error)) {
        atomic_fetch_add_explicit(&error->refs, 1, memory_order_relaxed);
    }
    return error;
}

static void drop(tenon_error *error, tenon_error **dead)
{
    if (error && !is_constant(error) &&
        atomic_fetch_sub_explicit(&error->refs, 1, memory_order_acq_rel) == 1) {
        error->dead = *dead;
        *dead = error;
    }
}

/* Errors may be nested as deep as the program likes: no recursion. */
void tenon_error_unref(tenon_error *error)
{
    tenon_error *dead = NULL;
    drop(error, &dead);
    while (dead) {
        tenon_allocator allocator = dead->allocator;
        error = dead;
        dead = error->dead;
        drop(error->cause, &dead);
        for (size_t i = 0; i < error->child_count; i++) {
            drop(error->children[i], &dead);
        }
        tenon__free(&allocator, error, error->len);
    }
}

tenon_status tenon_error_status(const tenon_error *error)
{
    return error ? error->status : TENON_OK;
}

const char *tenon_error_domain(const tenon_error *error)
{
    return error ? error->domain : "";
}

const char *tenon_error_message(const tenon_error *error)
{
    return error ? error->message : "";
}

int tenon_error_system_code(const tenon_error *error)
{
    return error ? error->system_code : 0;
}

tenon_error *tenon_error_cause(const tenon_error *error)
{
    return error ? error->cause : NULL;
}

size_t tenon_error_child_count(const tenon_error *error)
{
    return error ? error->child_count : 0;
}

tenon_error *tenon_error_child(const tenon_error *error, size_t index)
{
    return error && index < error->child_count ? error->children[index] : NULL;
}

/* A text that is cut where its room ends, but counted whole. */
typedef struct line {
    char *text;
    size_t len;
    size_t used;
} line;

static void put(line *to, const char *part)
{
    size_t len = strlen(part);
    if (to->used < to->len) {
        size_t room = to->len - to->used - 1;
        size_t step = len < room ? len : room;
        memcpy(to->text + to->used, part, step);
        to->text[to->used + step] = '\0';
    }
    to->used += len;
}

static void put_place(line *to, const tenon_error *error)
{
    char number[16];
    snprintf(number, sizeof number, ":%d", error->line);
    put(to, " at ");
    put(to, error->file);
    put(to, number);
}

static void put_error(line *to, const tenon_error *error)
{
    put(to, error->domain);
    put(to, ": ");
    put(to, error->message);
    put(to, " (");
    put(to, tenon_status_name(error->status));
    put(to, ")");
    if (error->file) {
        put_place(to, error);
    }
}

static void put_chain(line *to, const tenon_error *error, int depth);

static void put_children(line *to, const tenon_error *error, int depth)
{
    put(to, " <- [");
    for (size_t i = 0; depth > 0 && i < error->child_count; i++) {
        put(to, i > 0 ? " | " : "");
        put_chain(to, error->children[i], depth - 1);
    }
    put(to, depth > 0 ? "]" : "...]");
}

/* The cause of one with children is the first of these. */
static void put_chain(line *to, const tenon_error *error, int depth)
{
    const char *between = "";
    for (; error; error = error->child_count > 0 ? NULL : error->cause) {
        put(to, between);
        put_error(to, error);
        between = " <- ";
        if (error->child_count > 0) {
            put_children(to, error, depth);
        }
    }
}

size_t tenon_error_format(const tenon_error *error, char *text, size_t len)
{
    line to = {text, len, 0};
    if (len) {
        text[0] = '\0';
    }
    put_chain(&to, error, DEPTH);
    return to.used;
}
