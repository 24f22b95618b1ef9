/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The room without a network: several native reactors in threads of their own
 * say lines as fast as they can, and must all hear the same ones in one order.
 *
 * ctest: labels=threads
 */

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "room.h"

#define SEATS 4
#define LINES 500
#define ALL   (SEATS * LINES)

typedef struct talker {
    room_seat seat;
    room *room;
    atomic_uint *joined;
    bool keeper;
    bool left;
    unsigned number;
    unsigned said;
    unsigned heard;
    tenon_reactor *reactor;
    uint64_t numbers[ALL];
    char lines[ALL][16];
} talker;

static void speak(void *user);

/* Nobody speaks before all have a seat. */
static void speak_soon(talker *self)
{
    ck_assert_int_eq(tenon_call_soon(self->reactor, speak, self), TENON_OK);
}

static void speak(void *user)
{
    talker *self = user;
    if (atomic_load(self->joined) < SEATS) {
        speak_soon(self);
        return;
    }
    char text[16];
    char nick[8];
    int len = snprintf(text, sizeof text, "%u", self->said++);
    (void)snprintf(nick, sizeof nick, "t%u", self->number);
    ck_assert_int_eq(
        room_say(&self->seat, self->number, nick, text, (size_t)len), TENON_OK);
    if (self->said < LINES) {
        speak_soon(self);
    }
}

static void on_joined(room_seat *seat, tenon_status status, void *user)
{
    (void)seat;
    talker *self = user;
    ck_assert_int_eq(status, TENON_OK);
    atomic_fetch_add(self->joined, 1);
    speak_soon(self);
}

static void on_heard(const room_line *line, void *user)
{
    talker *self = user;
    ck_assert_uint_lt(self->heard, ALL);
    ck_assert_int_eq(line->from == &self->seat, line->speaker == self->number);
    self->numbers[self->heard] = line->number;
    (void)snprintf(self->lines[self->heard], sizeof self->lines[0], "%.*s",
                   (int)line->len, line->text);
    if (++self->heard == ALL && !self->keeper) {
        room_leave(&self->seat);
    }
}

static void *talk(void *user)
{
    talker *self = user;
    ck_assert_int_eq(room_join(&self->seat, self->room, self->reactor,
                               on_joined, on_heard, self),
                     TENON_OK);
    ck_assert_int_eq(tenon_run(self->reactor), TENON_OK);
    tenon_reactor_close(self->reactor);
    tenon_reactor_unref(self->reactor);
    return NULL;
}

/* The keeper stays until it is told to go: the others' leaving needs it. */
static void on_told_to_go(tenon_post_node *post, tenon_status status,
                          void *user)
{
    (void)post;
    talker *self = user;
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_uint_eq(self->heard, ALL);
    room_leave(&self->seat);
}

static void check_same(const talker *first, const talker *other)
{
    ck_assert_uint_eq(other->heard, ALL);
    ck_assert_uint_eq(other->seat.gaps, 0);
    for (unsigned i = 0; i < ALL; i++) {
        ck_assert_uint_eq(other->numbers[i], i);
        ck_assert_str_eq(other->lines[i], first->lines[i]);
    }
}

START_TEST(all_seats_hear_one_order)
{
    talker *talkers = calloc(SEATS, sizeof *talkers);
    pthread_t threads[SEATS];
    atomic_uint joined = 0;
    room place;
    ck_assert_ptr_nonnull(talkers);
    for (unsigned i = 0; i < SEATS; i++) {
        talkers[i].room = &place;
        talkers[i].joined = &joined;
        talkers[i].number = i;
        talkers[i].keeper = i == 0;
        ck_assert_int_eq(tenon_reactor_new(&talkers[i].reactor, NULL),
                         TENON_OK);
    }
    room_open(&place, talkers[0].reactor);
    tenon_inbox *keeper = tenon_inbox_ref(place.keeper);
    for (unsigned i = 0; i < SEATS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, talk, &talkers[i]),
                         0);
    }
    for (unsigned i = SEATS; i-- > 1;) {
        pthread_join(threads[i], NULL);
    }
    tenon_post_node go;
    tenon_post_init(&go);
    ck_assert_int_eq(tenon_post(keeper, &go, on_told_to_go, &talkers[0]),
                     TENON_OK);
    pthread_join(threads[0], NULL);
    for (unsigned i = 0; i < SEATS; i++) {
        check_same(&talkers[0], &talkers[i]);
    }
    tenon_inbox_unref(keeper);
    room_close(&place);
    free(talkers);
}
END_TEST

/* More seats than there are is an answer, not an overrun. */
static void count_status(room_seat *seat, tenon_status status, void *user)
{
    tenon_status *last = user;
    *last = status;
    if (status < 0) {
        room_leave(seat);
    }
}

START_TEST(a_full_room_refuses)
{
    room_seat seats[ROOM_SEATS_MAX + 1];
    tenon_status statuses[ROOM_SEATS_MAX + 1];
    tenon_reactor *reactor;
    room place;
    ck_assert_int_eq(tenon_reactor_new(&reactor, NULL), TENON_OK);
    room_open(&place, reactor);
    for (int i = 0; i <= ROOM_SEATS_MAX; i++) {
        statuses[i] = TENON_PENDING;
        ck_assert_int_eq(room_join(&seats[i], &place, reactor, count_status,
                                   on_heard, &statuses[i]),
                         TENON_OK);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    for (int i = 0; i <= ROOM_SEATS_MAX; i++) {
        ck_assert_int_eq(statuses[i],
                         i < ROOM_SEATS_MAX ? TENON_OK : TENON_LIMIT);
    }
    for (int i = 0; i < ROOM_SEATS_MAX; i++) {
        room_leave(&seats[i]);
    }
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    room_close(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("room");
    TCase *tests = tcase_create("room");
    tcase_set_timeout(tests, 20);
    tcase_add_test(tests, all_seats_hear_one_order);
    tcase_add_test(tests, a_full_room_refuses);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
