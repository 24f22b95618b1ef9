/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The beginnings and ends of contexts; with a sanitizer, its notes of them. The
 * first thing on a new stack is then a function of ours that says where we
 * came from, since the switch that led here has not returned.
 */

#include "async/context.h"

#ifdef TENON__FIBRES
_Thread_local tenon__fibre *tenon__fibre_left
    __attribute__((tls_model("initial-exec")));

typedef struct start {
    tenon__fibre *fibre;
    void (*entry)(void *);
    void *arg;
} start;

static void begin(void *arg)
{
    const start *self = arg;
    tenon__fibre_arrive(self->fibre);
    self->entry(self->arg);
}

void tenon__context_make(tenon__context *self, void *base, size_t size,
                         void (*entry)(void *), void *arg)
{
    *self = (tenon__context){.fibre = {.base = base, .size = size}};
#if defined(TENON__TSAN)
    self->fibre.handle = __tsan_create_fiber(0);
#endif
    start *room =
        (start *)(void *)((char *)base + size - (sizeof(start) + 15) / 16 * 16);
    *room = (start){.fibre = &self->fibre, .entry = entry, .arg = arg};
    self->sp = tenon__context_lay(base, room, begin, room);
}

/* ASan frees what it keeps of a context that is left for good; so its books say
 * that we were there, and leave. Nobody moves. */
TENON__UNCHECKED static void forget(tenon__fibre *fibre)
{
#if defined(TENON__ASAN)
    void *mine = NULL;
    const void *base = NULL;
    size_t size = 0;
    __sanitizer_start_switch_fiber(&mine, fibre->base, fibre->size);
    __sanitizer_finish_switch_fiber(fibre->handle, &base, &size);
    __sanitizer_start_switch_fiber(NULL, base, size);
    __sanitizer_finish_switch_fiber(mine, NULL, NULL);
#else
    __tsan_destroy_fiber(fibre->handle);
#endif
}

void tenon__context_drop(tenon__context *self)
{
    forget(&self->fibre);
    *self = (tenon__context){0};
}
#else
void tenon__context_make(tenon__context *self, void *base, size_t size,
                         void (*entry)(void *), void *arg)
{
    self->sp = tenon__context_lay(base, (char *)base + size, entry, arg);
}

void tenon__context_drop(tenon__context *self)
{
    self->sp = NULL;
}
#endif

void tenon__context_leave(tenon__context *from, tenon__context *to)
{
#ifdef TENON__FIBRES
    from->fibre.ended = true;
    tenon__fibre_depart(&from->fibre, &to->fibre);
#endif
    tenon__context_jump(&from->sp, to->sp);
    __builtin_unreachable();
}
