/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures with room behind them, for what their maker keeps of the work. They
 * come and go by the hundred, as the commands of a pipeline do, in the order
 * that malloc likes least: all are made, then all are dropped. So small blocks
 * are kept for the next ones until the reactor's memory goes, up to a limit.
 */

#include "async/future.h"

#include <string.h>

/* Where use after free is looked for, memory is given back at once. */
#ifdef __SANITIZE_ADDRESS__
enum { SMALL = 256, SPARES_MAX = 0 };
#else
enum { SMALL = 256, SPARES_MAX = 1024 };
#endif

typedef struct roomy {
    tenon_future future; /* first: it is the block */
    size_t len;          /* of it all */
    max_align_t room[];
} roomy;

struct tenon__spare {
    tenon__spare *next;
};

static void *take_spare(tenon_reactor *r)
{
    tenon__spare *spare = r->spares;
    r->spares = spare->next;
    r->spare_count--;
    return spare;
}

static void free_roomy(tenon_future *f)
{
    tenon_reactor *r = f->reactor;
    roomy *with = (roomy *)(void *)f;
    if (with->len != SMALL || r->spare_count == SPARES_MAX) {
        tenon__free(&r->allocator, with, with->len);
        return;
    }
    tenon__spare *spare = (tenon__spare *)(void *)f;
    spare->next = r->spares;
    r->spares = spare;
    r->spare_count++;
}

void tenon__futures_trim(tenon_reactor *r)
{
    while (r->spares) {
        tenon__free(&r->allocator, take_spare(r), SMALL);
    }
}

static const tenon__future_kind with_room = {.name = "future",
                                             .free = free_roomy};

tenon_status tenon_future_new_with_at(tenon_reactor *r, size_t len,
                                      tenon_future **out, const char *site)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !out || len > PTRDIFF_MAX - sizeof(roomy)) {
        return status < 0 ? status : TENON_INVALID;
    }
    size_t all = sizeof(roomy) + len;
    all = all < SMALL ? SMALL : all;
    bool reused = all == SMALL && r->spares;
    roomy *with = reused ? take_spare(r) : tenon__alloc(&r->allocator, all);
    if (!with) {
        return TENON_NO_MEMORY;
    }
    if (reused) {
        memset(with->room, 0, len);
    }
    with->len = all;
    tenon__future_setup(&with->future, r, &with_room, site);
    *out = &with->future;
    return TENON_OK;
}

void *tenon_future_room(tenon_future *f)
{
    return f && f->kind == &with_room ? ((roomy *)(void *)f)->room : NULL;
}
