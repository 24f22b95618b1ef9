/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Two reactors on two loops in two threads, which exchange posts: the part of
 * guest.h that is about threads.
 */

#ifndef TENON_HARNESS_GUEST_THREADS_H
#define TENON_HARNESS_GUEST_THREADS_H

#include "guest.h"

enum { GUEST_BALLS = 32, GUEST_HOPS = 3125 };

typedef struct guest_player {
    const guest_host *host;
    tenon_reactor *reactor;
    tenon_inbox *inbox;
    struct guest_player *other;
    tenon_post_node end;
    pthread_t thread;
} guest_player;

typedef struct guest_ball {
    tenon_post_node post;
    guest_player *at;
    int left;
    atomic_int *playing;
} guest_ball;

static inline void guest_game_over(tenon_post_node *post, tenon_status status,
                                   void *user)
{
    guest_player *player = user;
    (void)post;
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_int_eq(tenon_reactor_release(player->reactor), TENON_OK);
}

static inline void guest_hop(tenon_post_node *post, tenon_status status,
                             void *user)
{
    guest_ball *ball = user;
    guest_player *here = ball->at;
    ck_assert_int_eq(status, TENON_OK);
    if (ball->left-- > 0) {
        ball->at = here->other;
        ck_assert_int_eq(tenon_post(here->other->inbox, post, guest_hop, ball),
                         TENON_OK);
        return;
    }
    if (atomic_fetch_sub(ball->playing, 1) == 1) {
        ck_assert_int_eq(
            tenon_post(here->inbox, &here->end, guest_game_over, here),
            TENON_OK);
        ck_assert_int_eq(tenon_post(here->other->inbox, &here->other->end,
                                    guest_game_over, here->other),
                         TENON_OK);
    }
}

/* Made by the main thread, run by this one. */
static inline void *guest_play(void *user)
{
    guest_player *player = user;
    ck_assert_int_eq(tenon_run(player->reactor), TENON_OK);
    tenon_reactor_unref(player->reactor);
    return NULL;
}

/* `first` and `second` each run a loop of their own in a thread of their own;
 * 32 balls go to and fro, 10^5 hops in all. */
static inline void guest_exchange(const guest_host *first,
                                  const guest_host *second)
{
    static guest_player players[2];
    static guest_ball balls[GUEST_BALLS];
    tenon_reactor_options options = guest_options();
    atomic_int playing = GUEST_BALLS;
    for (int i = 0; i < 2; i++) {
        guest_player *player = &players[i];
        player->host = i ? second : first;
        player->other = &players[1 - i];
        ck_assert_int_eq(player->host->make(&player->reactor, &options), 0);
        player->inbox = tenon_inbox_ref(tenon_reactor_inbox(player->reactor));
        ck_assert_int_eq(tenon_reactor_hold(player->reactor), 0);
        tenon_post_init(&player->end);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(
            pthread_create(&players[i].thread, NULL, guest_play, &players[i]),
            0);
    }
    for (int i = 0; i < GUEST_BALLS; i++) {
        guest_ball *ball = &balls[i];
        *ball = (guest_ball){
            .at = &players[i % 2], .left = GUEST_HOPS, .playing = &playing};
        tenon_post_init(&ball->post);
        ck_assert_int_eq(
            tenon_post(ball->at->inbox, &ball->post, guest_hop, ball), 0);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(players[i].thread, NULL), 0);
        tenon_inbox_unref(players[i].inbox);
    }
    ck_assert_int_eq(playing, 0);
}

#endif
