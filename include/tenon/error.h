/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Errors as values: a status, where it came from, a sentence, and the error
 * that caused it. Counted, immutable once made, and free to cross threads.
 * Making one never fails: without memory a constant stands in for it.
 */

#ifndef TENON_ERROR_H
#define TENON_ERROR_H

#include <tenon/alloc.h>
#include <tenon/status.h>

typedef struct tenon_error tenon_error;

/** What an error is made of. `domain` names who speaks ("tenon", "system",
 *  "http"); it is kept by reference and must be a constant. `cause` may be
 *  NULL; the error takes a reference of its own. */
typedef struct tenon_error_options {
    uint32_t size;
    tenon_status status;
    int system_code;
    int line;
    const char *domain;
    const char *file;
    const char *message;
    tenon_error *cause;
    const tenon_allocator *allocator;
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

TENON_API tenon_error *tenon_error_ref(tenon_error *error);
/** NULL is legal. */
TENON_API void tenon_error_unref(tenon_error *error);

/** Getters. NULL stands for "no error": TENON_OK, "", NULL.
 *  Thread: any. */
TENON_API tenon_status tenon_error_status(const tenon_error *error);
TENON_API const char *tenon_error_domain(const tenon_error *error);
TENON_API const char *tenon_error_message(const tenon_error *error);
TENON_API int tenon_error_system_code(const tenon_error *error);
TENON_API tenon_error *tenon_error_cause(const tenon_error *error);

/** Writes the whole chain, as "connect failed: ECONNREFUSED ... <- ...", into
 *  `text`, always terminated. Returns the length it would have needed.
 *  Thread: any. */
TENON_API size_t tenon_error_format(const tenon_error *error, char *text,
                                    size_t len);

TENON_END

#endif
