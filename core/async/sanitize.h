/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tools that watch a program's memory have to be told of stacks that
 * are not the system's: AddressSanitizer and ThreadSanitizer of each switch,
 * LeakSanitizer where pointers may be, valgrind where stacks are. Without the
 * tools nothing of it is left, but for valgrind's requests, which are a few
 * instructions where a stack is mapped and are there if its header was.
 */

#ifndef TENON_ASYNC_SANITIZE_H
#define TENON_ASYNC_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENON__ASAN 1
#elif __has_feature(thread_sanitizer)
#define TENON__TSAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TENON__ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TENON__TSAN 1
#endif

#if defined(TENON__ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#elif defined(TENON__TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/* Nobody runs a sanitizer's build under valgrind. */
#if defined(__has_include) && !defined(TENON__ASAN) && !defined(TENON__TSAN)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define TENON__VALGRIND 1
#endif
#endif

/* A function that reads what is on a stack, whosever it is. */
#if defined(__clang__)
#define TENON__UNCHECKED __attribute__((no_sanitize("address", "thread")))
#else
#define TENON__UNCHECKED \
    __attribute__((no_sanitize_address, no_sanitize_thread))
#endif

#define TENON__INLINE static inline __attribute__((always_inline))

#if defined(TENON__ASAN) || defined(TENON__TSAN)
#define TENON__FIBRES 1

/* A stack, as the sanitizers know it. */
typedef struct tenon__fibre {
    const void *base; /* NULL: the system's, and not yet known */
    size_t size;
    void *handle; /* ASan: its fake stack; TSan: the fibre */
    bool ended;
} tenon__fibre;

/* Who left last; for whoever arrives. */
extern _Thread_local tenon__fibre *tenon__fibre_left
    __attribute__((tls_model("initial-exec")));

/* Inlined, since TSan's notes on calls and returns belong to one fibre, and
 * these begin on one and end on the other. */
TENON__INLINE void tenon__fibre_depart(tenon__fibre *from, tenon__fibre *to)
{
    tenon__fibre_left = from;
#if defined(TENON__ASAN)
    __sanitizer_start_switch_fiber(from->ended ? NULL : &from->handle, to->base,
                                   to->size);
#else
    if (!from->handle) {
        from->handle = __tsan_get_current_fiber();
    }
    __tsan_switch_to_fiber(to->handle, 0);
#endif
}

TENON__INLINE void tenon__fibre_arrive(tenon__fibre *self)
{
    tenon__fibre *left = tenon__fibre_left;
#if defined(TENON__ASAN)
    __sanitizer_finish_switch_fiber(self->handle, &left->base, &left->size);
#else
    (void)self;
    if (left->ended) {
        __tsan_destroy_fiber(left->handle);
        left->handle = NULL;
    }
#endif
}
#endif

/* What the tools know of one stack while it is mapped. */
typedef struct tenon__stack_note {
    unsigned id; /* valgrind's */
} tenon__stack_note;

TENON__INLINE void tenon__stack_mapped(tenon__stack_note *note, void *base,
                                       size_t size)
{
#if defined(TENON__VALGRIND)
    note->id = VALGRIND_STACK_REGISTER(base, (char *)base + size);
#else
    (void)note;
    (void)base;
    (void)size;
#endif
}

TENON__INLINE void tenon__stack_unmapped(tenon__stack_note *note)
{
#if defined(TENON__VALGRIND)
    VALGRIND_STACK_DEREGISTER(note->id);
#else
    (void)note;
#endif
}

/* Somebody gets it: there may be pointers on it. */
TENON__INLINE void tenon__stack_begins(void *base, size_t size)
{
    (void)base;
    (void)size;
#if defined(TENON__ASAN)
    __lsan_register_root_region(base, size);
#endif
#if defined(TENON__VALGRIND)
    (void)VALGRIND_MAKE_MEM_UNDEFINED(base, size);
#endif
}

/* Its last functions have not returned: nothing that the tools remember of it
 * holds any more. */
TENON__INLINE void tenon__stack_ends(void *base, size_t size)
{
    (void)base;
    (void)size;
#if defined(TENON__ASAN)
    __lsan_unregister_root_region(base, size);
    ASAN_UNPOISON_MEMORY_REGION(base, size);
#endif
}

/* Around a look at all of a stack, which is not to valgrind's taste. */
TENON__INLINE void tenon__stack_look_begins(void)
{
#if defined(TENON__VALGRIND)
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

TENON__INLINE void tenon__stack_look_ends(void)
{
#if defined(TENON__VALGRIND)
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

#endif
