/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The switch by swapcontext: two system calls each, for processors that we
 * have no code for, and to compare ours with. A suspended context is a
 * ucontext_t on its own stack.
 */

#include "async/context.h"

#ifdef TENON_CONTEXT_UCONTEXT

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

typedef struct start {
    ucontext_t context;
    void (*entry)(void *);
    void *arg;
} start;

const char tenon__context_parked[1] = {0};

void tenon__context_jump(void **save, void *to)
{
    ucontext_t here;
    here.uc_stack = (stack_t){0}; /* nobody else sets it, ASan looks at it */
    *save = &here;
    (void)swapcontext(&here, to);
    *save = NULL;
}

/* makecontext knows arguments of type int alone; a pointer is one or two. */
static void begin(unsigned first, unsigned second)
{
    const unsigned halves[2] = {first, second};
    const start *self;
    memcpy(&self, halves, sizeof self);
    self->entry(self->arg);
}

void *tenon__context_lay(void *base, void *top, void (*entry)(void *),
                         void *arg)
{
    char *place = (char *)top - sizeof(start);
    place -= (uintptr_t)place % 64;
    start *self = (start *)(void *)place;
    unsigned halves[2] = {0, 0};
    memcpy(halves, &self, sizeof self);
    (void)getcontext(&self->context);
    self->entry = entry;
    self->arg = arg;
    self->context.uc_link = NULL;
    self->context.uc_stack.ss_sp = base;
    self->context.uc_stack.ss_size = (size_t)(place - (char *)base);
    makecontext(&self->context, (void (*)(void))begin, 2, halves[0], halves[1]);
    return &self->context;
}

#endif
