/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Errors: immutable, counted with an atomic, allocated in one block with their
 * message. The out-of-memory error is a constant that counting leaves alone,
 * so making an error cannot fail.
 */

#include <tenon/error.h>

#include <stdatomic.h>
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
    const char *message; /* behind this struct, in the same block */
};

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

tenon_error *tenon_error_new(const tenon_error_options *options)
{
    const tenon_allocator *allocator =
        options->allocator ? options->allocator : &tenon__malloc;
    const char *message = options->message ? options->message : "";
    size_t text_len = strlen(message) + 1;
    size_t len = sizeof(tenon_error) + text_len;
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
    error->message = memcpy(error + 1, message, text_len);
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

void tenon_error_unref(tenon_error *error)
{
    while (error && !is_constant(error) &&
           atomic_fetch_sub_explicit(&error->refs, 1, memory_order_acq_rel) ==
               1) {
        tenon_error *cause = error->cause;
        tenon_allocator allocator = error->allocator;
        tenon__free(&allocator, error, error->len);
        error = cause;
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

size_t tenon_error_format(const tenon_error *error, char *text, size_t len)
{
    line to = {text, len, 0};
    if (len) {
        text[0] = '\0';
    }
    for (; error; error = error->cause) {
        put(&to, to.used ? " <- " : "");
        put_error(&to, error);
    }
    return to.used;
}
