/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What has come on a stream and was not taken: one block, of which a read
 * hands out the beginning. What it handed out must stay in its place until the
 * next read, though more may come; so the block is then left alone, and a
 * bigger one is begun.
 */

#include <string.h>

#include "net/iostream.h"

enum { ROOM_MIN = 4096, ROOM_KEPT = 65536 };

/* In steps that double, so that a long read costs what it is long. */
static size_t room_for(size_t len)
{
    size_t room = ROOM_MIN;
    while (room < len && room <= SIZE_MAX / 2) {
        room *= 2;
    }
    return room < len ? len : room;
}

static void let_go(tenon_stream *s, void *block, size_t room)
{
    tenon__free(&s->reactor->allocator, block, room);
}

static bool move_to(tenon_stream *s, size_t room)
{
    unsigned char *block = tenon__alloc(&s->reactor->allocator, room);
    size_t live = s->end - s->start;
    if (!block) {
        return false;
    }
    if (live > 0) {
        memcpy(block, s->block + s->start, live);
    }
    if (s->has_view && !s->held) {
        s->held = s->block;
        s->held_room = s->room;
    } else {
        let_go(s, s->block, s->room);
    }
    s->block = block;
    s->room = room;
    s->start = 0;
    s->end = live;
    return true;
}

bool tenon__iostream_reserve(tenon_stream *s, size_t need)
{
    size_t live = s->end - s->start;
    if (s->room - s->end >= need) {
        return true;
    }
    if (!s->has_view && s->start >= live && s->room - live >= need) {
        memmove(s->block, s->block + s->start, live);
        s->start = 0;
        s->end = live;
        return true;
    }
    return need <= SIZE_MAX / 4 - live && move_to(s, room_for(live + need));
}

static void drop_block(tenon_stream *s)
{
    let_go(s, s->block, s->room);
    s->block = NULL;
    s->room = 0;
}

void tenon__iostream_take(tenon_stream *s)
{
    s->start += s->viewed;
    s->viewed = 0;
    s->has_view = false;
    let_go(s, s->held, s->held_room);
    s->held = NULL;
    if (s->start == s->end) {
        s->start = 0;
        s->end = 0;
        if (s->room > ROOM_KEPT) {
            drop_block(s);
        }
    }
}

void tenon__iostream_discard(tenon_stream *s)
{
    s->end = s->start + s->viewed;
}

void tenon__iostream_buffer_free(tenon_stream *s)
{
    let_go(s, s->held, s->held_room);
    s->held = NULL;
    drop_block(s);
    s->start = 0;
    s->end = 0;
    s->viewed = 0;
}
