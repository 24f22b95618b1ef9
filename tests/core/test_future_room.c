/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures with room behind them: one block, zeroed each time, kept for the
 * next one, and given back with the reactor.
 */

#include <stdalign.h>

#include "future_rig.h"

enum { MANY = 1500, KEPT = 1024, BIG = 4096 };

static tenon_future *with(size_t len)
{
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_future_new_with(reactor, len, &f), TENON_OK);
    unsigned char *room = tenon_future_room(f);
    ck_assert_ptr_nonnull(room);
    ck_assert_uint_eq((uintptr_t)room % alignof(max_align_t), 0);
    for (size_t i = 0; i < len; i++) {
        ck_assert_uint_eq(room[i], 0);
    }
    memset(room, 0xA5, len);
    return f;
}

START_TEST(one_block_for_both)
{
    tenon_waiter waiter;
    size_t blocks = guard.heap.count;
    tenon_future *f = with(100);
    ck_assert_uint_eq(guard.heap.count, blocks + 1);
    ck_assert_uint_ge(guard.heap.bytes, sizeof(tenon_future) + 100);
    tell(f, &waiter, "a");
    resolve(f, 1);
    turns(1);
    ck_assert_str_eq(notes, "a");
    tenon_future_unref(f);
    tenon_future *plain = pending();
    ck_assert_ptr_null(tenon_future_room(plain));
    ck_assert_ptr_null(tenon_future_room(NULL));
    tenon_future_unref(plain);
}
END_TEST

START_TEST(the_room_stays_until_nobody_is_on_the_stack)
{
    tenon_future *f = with(16);
    unsigned char *room = tenon_future_room(f);
    tenon_future_unref(f);
    ck_assert_uint_eq(room[15], 0xA5);
    turns(1);
}
END_TEST

/* The second batch costs no memory, and finds none of the first. */
START_TEST(small_blocks_are_used_again)
{
    static tenon_future *all[MANY];
    uint64_t requests[3] = {guard.heap.requests};
    for (int round = 1; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            all[i] = with(40);
        }
        requests[round] = guard.heap.requests;
        for (int i = 0; i < MANY; i++) {
            tenon_future_unref(all[i]);
        }
        turns(1);
    }
    ck_assert_uint_ge(requests[1] - requests[0], MANY);
#ifndef __SANITIZE_ADDRESS__
    ck_assert_uint_le(requests[2] - requests[1], 2 * (MANY - KEPT));
#endif
}
END_TEST

START_TEST(big_blocks_are_given_back)
{
    size_t blocks = guard.heap.count;
    for (int i = 0; i < 3; i++) {
        tenon_future *f = with(BIG);
        ck_assert_uint_eq(guard.heap.count, blocks + 1);
        tenon_future_unref(f);
        turns(1);
        ck_assert_uint_eq(guard.heap.count, blocks);
    }
}
END_TEST

START_TEST(refused_and_without_memory)
{
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_future_new_with(reactor, SIZE_MAX - 8, &f),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_future_new_with(reactor, 8, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_future_new_with(NULL, 8, &f), TENON_INVALID);
    harness_heap_fail(&guard.heap, 1, 1);
    ck_assert_int_eq(tenon_future_new_with(reactor, 8, &f), TENON_NO_MEMORY);
    harness_heap_fail(&guard.heap, 0, 0);
    ck_assert_ptr_null(f);
}
END_TEST

/* What outlives the reactor is freed with its memory; the guard counts. */
START_TEST(the_reactor_may_go_first)
{
    tenon_future *kept = with(8);
    tenon_future *spare = with(8);
    tenon_future_unref(spare);
    turns(1);
    ck_assert_int_ge(tenon_reactor_close(reactor), 0);
    ck_assert_int_eq(tenon_future_state(kept), TENON_FUTURE_FAILED);
    ck_assert_ptr_nonnull(tenon_future_error(kept));
    tenon_future_unref(kept);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_block_for_both,
        the_room_stays_until_nobody_is_on_the_stack,
        small_blocks_are_used_again,
        big_blocks_are_given_back,
        refused_and_without_memory,
        the_reactor_may_go_first,
    };
    return RUN_TESTS("future-room", tests);
}
