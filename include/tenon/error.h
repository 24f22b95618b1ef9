/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Errors as values: a status, where it came from, a sentence, and the error
 * that caused it. Counted, immutable once made, and free to cross threads.
 * Making one never fails: without memory a constant stands in for it.
 *
 * An error may have children: the failures that happened side by side, of
 * which it tells as one (a group of tasks, a race that nobody won).
 */

#ifndef TENON_ERROR_H
#define TENON_ERROR_H

#include <tenon/alloc.h>
#include <tenon/status.h>

/** An error: opaque, counted, immutable. */
typedef struct tenon_error tenon_error;

/** What an error is made of. `domain` names who speaks ("tenon", "system",
 *  "http"); it is kept by reference and must be a constant. `cause` may be
 *  NULL; the error takes a reference of its own. */
typedef struct tenon_error_options {
    uint32_t size;
    tenon_status status; /**< a failure, hence negative */
    int system_code;     /**< an errno value, or 0 */
    int line;            /**< of `file`; 0: not known */
    const char *domain;  /**< see above; NULL: "tenon" */
    const char *file;    /**< where it arose; a constant, or NULL */
    const char *message; /**< copied; NULL: "" */
    tenon_error *cause;  /**< may be NULL */
    const tenon_allocator *allocator; /**< NULL: malloc and free */
    tenon_error *const *children;     /**< it takes references of its own; the
                                       first is the cause if that is NULL */
    size_t child_count;               /**< 0: none */
} tenon_error_options;

TENON_BEGIN

/** Makes an error; the message is copied. Never NULL: when there is no memory
 *  it is the constant out-of-memory error.
 *  Ownership: the caller holds one reference.
 *  Thread: any. */
TENON_API tenon_error *tenon_error_new(const tenon_error_options *options);

/** An error of `status` alone, in domain "tenon" or "system".
 *  Ownership: the caller holds one reference.
 *  Thread: any. */
TENON_API tenon_error *tenon_error_of(tenon_status status, const char *message);

/** Another reference, for the caller. NULL is legal.
 *  Thread: any. */
TENON_API tenon_error *tenon_error_ref(tenon_error *error);
/** NULL is legal. */
TENON_API void tenon_error_unref(tenon_error *error);

/** Getters. NULL stands for "no error": TENON_OK, "", NULL.
 *  Thread: any. */
TENON_API tenon_status tenon_error_status(const tenon_error *error);
/** Who speaks. */
TENON_API const char *tenon_error_domain(const tenon_error *error);
/** What it says. */
TENON_API const char *tenon_error_message(const tenon_error *error);
/** The errno value behind it, or 0. */
TENON_API int tenon_error_system_code(const tenon_error *error);
/** What caused it, borrowed, or NULL. */
TENON_API tenon_error *tenon_error_cause(const tenon_error *error);

/** How many errors stand side by side in it; 0 for an ordinary one.
 *  Thread: any. */
TENON_API size_t tenon_error_child_count(const tenon_error *error);
/** One of them, borrowed, in the order in which they arose; NULL beyond the
 *  end. */
TENON_API tenon_error *tenon_error_child(const tenon_error *error,
                                         size_t index);

/** Writes the whole chain, as "connect failed: ECONNREFUSED ... <- ...", into
 *  `text`, always terminated. Children stand in brackets, as [... | ...], and
 *  below the eighth level as [...]. Returns the length it would have needed.
 *  Thread: any. */
TENON_API size_t tenon_error_format(const tenon_error *error, char *text,
                                    size_t len);

TENON_END

#endif
