/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The life of a place. The main thread starts and stops it and waits, never
 * without a limit; it speaks to the reactor through its inbox alone.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "place.h"

#define PLACE_PATIENCE_S 4

void hall_init(demo_hall *hall)
{
    memset(hall, 0, sizeof *hall);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&hall->lock, NULL);
    pthread_cond_init(&hall->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void hall_fini(demo_hall *hall)
{
    pthread_cond_destroy(&hall->changed);
    pthread_mutex_destroy(&hall->lock);
}

void hall_wait_interrupt(demo_hall *hall)
{
    pthread_mutex_lock(&hall->lock);
    while (!hall->interrupted) {
        pthread_cond_wait(&hall->changed, &hall->lock);
    }
    pthread_mutex_unlock(&hall->lock);
}

/* ---- on the place's own thread ---- */

static int64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * TENON_SECOND + now.tv_nsec;
}

static void place_enter(demo_place *place, enum place_state state,
                        tenon_status status)
{
    pthread_mutex_lock(&place->hall->lock);
    place->state = state;
    place->status = status;
    pthread_cond_broadcast(&place->hall->changed);
    pthread_mutex_unlock(&place->hall->lock);
}

static void on_interrupt(tenon_signal *signal, uint32_t count, void *user)
{
    (void)signal;
    (void)count;
    demo_hall *hall = user;
    pthread_mutex_lock(&hall->lock);
    hall->interrupted = true;
    pthread_cond_broadcast(&hall->changed);
    pthread_mutex_unlock(&hall->lock);
}

static tenon_status handle_signals(demo_place *place, tenon_reactor *reactor)
{
    static const int numbers[2] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        tenon_signal_init(&place->signals[i], reactor);
        tenon_status status = tenon_signal_start(&place->signals[i], numbers[i],
                                                 0, on_interrupt, place->hall);
        if (status < 0) {
            return status;
        }
    }
    return TENON_OK;
}

static void on_ready(chat_server *server, tenon_status status, void *user)
{
    demo_place *place = user;
    tenon_address address;
    if (status >= 0) {
        status = tenon_listener_address(server->listener, &address);
    }
    if (status < 0) {
        place->status = status; /* read when the loop has returned */
        chat_stop(server);
        return;
    }
    place->port = tenon_address_port(&address);
    place->cpu_ns = thread_cpu_ns();
    place_enter(place, PLACE_UP, TENON_OK);
}

static void on_stop(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    demo_place *place = user;
    if (status == TENON_OK) {
        place->cpu_ns = thread_cpu_ns() - place->cpu_ns;
        chat_stop(&place->server);
    }
}

tenon_status place_open(demo_place *place, tenon_reactor *reactor)
{
    (void)snprintf(place->version, sizeof place->version, "%s",
                   tenon_reactor_host_version(reactor));
    place->inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    tenon_post_init(&place->stop);
    if (place->keeper) {
        room_open(&place->hall->room, reactor);
        if (place->hall->handle_signals) {
            tenon_status status = handle_signals(place, reactor);
            if (status < 0) {
                return status;
            }
        }
    }
    return chat_start(&place->server, reactor, &place->hall->room,
                      "tcp:127.0.0.1:0", on_ready, place);
}

static void *place_main(void *user)
{
    demo_place *place = user;
    tenon_status status = place->host->run(place);
    place_enter(place, PLACE_ENDED, status < 0 ? status : place->status);
    return NULL;
}

/* ---- on the main thread ---- */

/* Waits until the place has got to `state`; false when it takes too long. */
static bool place_wait(demo_place *place, enum place_state state)
{
    struct timespec limit;
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_sec += PLACE_PATIENCE_S;
    int failed = 0;
    pthread_mutex_lock(&place->hall->lock);
    while (place->state < state && failed == 0) {
        failed = pthread_cond_timedwait(&place->hall->changed,
                                        &place->hall->lock, &limit);
    }
    bool there = place->state >= state;
    pthread_mutex_unlock(&place->hall->lock);
    return there;
}

tenon_status place_start(demo_place *place, demo_hall *hall, bool keeper)
{
    place->hall = hall;
    place->keeper = keeper;
    place->state = PLACE_STARTING;
    int failed = pthread_create(&place->thread, NULL, place_main, place);
    if (failed != 0) {
        place->state = PLACE_IDLE;
        return tenon_status_of_errno(failed);
    }
    if (!place_wait(place, PLACE_UP)) {
        return TENON_TIMED_OUT;
    }
    pthread_mutex_lock(&hall->lock);
    tenon_status status = place->status;
    if (place->state == PLACE_ENDED && status >= 0) {
        status = TENON_STOPPED;
    }
    pthread_mutex_unlock(&hall->lock);
    return status;
}

tenon_status place_stop(demo_place *place)
{
    if (place->state == PLACE_IDLE) {
        return TENON_OK;
    }
    if (place->inbox != NULL) {
        tenon_status told =
            tenon_post(place->inbox, &place->stop, on_stop, place);
        (void)told; /* TENON_CLOSED: it has ended by itself */
    }
    if (!place_wait(place, PLACE_ENDED)) {
        return TENON_TIMED_OUT;
    }
    pthread_join(place->thread, NULL);
    tenon_inbox_unref(place->inbox);
    if (place->keeper) {
        room_close(&place->hall->room);
    }
    return place->status;
}
