/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Contexts: a stack each, and the one place where one of them stops and
 * another goes on. A switch is an ordinary call for the one that makes it: it
 * keeps the registers that a callee keeps and the control words of floating
 * point (rounding belongs to whoever set it), and nothing more; no signal
 * mask, no system call.
 *
 *   context.c             contexts, in terms of the two functions below
 *   context_x86_64.S      the switch proper, where we have our own,
 *   context_aarch64.S
 *   context_ucontext.c    and by swapcontext elsewhere, or on request
 *                         (TENON_CONTEXT=ucontext): the reference in tests
 *
 * A context belongs to one thread. What a suspended one has saved is described
 * in the .S files; a debugger that sets the stack pointer to `sp` and the
 * program counter to tenon__context_parked can unwind it.
 */

#ifndef TENON_ASYNC_CONTEXT_H
#define TENON_ASYNC_CONTEXT_H

#include "async/sanitize.h"

#if !defined(TENON_CONTEXT_UCONTEXT) &&              \
    !(defined(__x86_64__) && !defined(__ILP32__)) && \
    !(defined(__aarch64__) && !defined(__ILP32__) && !defined(__AARCH64EB__))
#define TENON_CONTEXT_UCONTEXT 1
#endif
#if defined(TENON_CONTEXT_ASM) && defined(TENON_CONTEXT_UCONTEXT)
#error "there is no switch of our own for this processor"
#endif

typedef struct tenon__context {
    void *sp; /* while it is suspended */
#ifdef TENON__FIBRES
    tenon__fibre fibre;
#endif
} tenon__context;

/** Where all is saved already: for debuggers, not to be called. */
extern const char tenon__context_parked[] __attribute__((visibility("hidden")));
/** Saves the caller, leaves what finds it again in `*save`, resumes `to`. */
void tenon__context_jump(void **save, void *to)
    __attribute__((visibility("hidden")));
/** Lays out a stack that ends at `top` so that a jump to what is returned calls
 *  entry(arg). It touches the highest bytes alone. */
void *tenon__context_lay(void *base, void *top, void (*entry)(void *),
                         void *arg) __attribute__((visibility("hidden")));

/** The context of the thread itself, which the first switch away fills. */
static inline void tenon__context_host(tenon__context *self)
{
    *self = (tenon__context){0};
}

/** Prepares `self` so that the first switch to it calls entry(arg) on the stack
 *  [base, base + size), with the floating-point controls of now. `entry` never
 *  returns; it ends with tenon__context_leave. */
void tenon__context_make(tenon__context *self, void *base, size_t size,
                         void (*entry)(void *), void *arg);

/** For one that was made and will not be switched to any more, other than by
 *  tenon__context_leave: the sanitizers forget it. */
void tenon__context_drop(tenon__context *self);

/** Suspends the caller as `from`, and resumes or starts `to`. */
static inline void tenon__context_switch(tenon__context *from,
                                         tenon__context *to)
{
#ifdef TENON__FIBRES
    tenon__fibre_depart(&from->fibre, &to->fibre);
#endif
    tenon__context_jump(&from->sp, to->sp);
#ifdef TENON__FIBRES
    tenon__fibre_arrive(&from->fibre);
#endif
}

/** The last switch of `from`, whose stack is free once `to` runs; `from` itself
 *  has to be there still when `to` goes on. */
_Noreturn void tenon__context_leave(tenon__context *from, tenon__context *to);

#endif
