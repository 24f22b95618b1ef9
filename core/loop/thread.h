/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Threads of our own in somebody's process: they block all signals, do not
 * have the scheduling of whoever happens to ask, and have a name.
 */

#ifndef TENON_LOOP_THREAD_H
#define TENON_LOOP_THREAD_H

#include <pthread.h>

#include <tenon/status.h>

/** Starts `main(user)`, detached unless `joinable` is given.
 *  Errors: EAGAIN; EINVAL for a stack that is too small. */
tenon_status tenon__thread_start(void *(*main)(void *), void *user,
                                 size_t stack_len, pthread_t *joinable);
/** Names the calling thread, by 15 bytes at most. */
void tenon__thread_name(const char *name);
/** A mutex needs no more than pthread_mutex_init; this is for waits whose time
 *  is the reactor's clock. */
void tenon__condition_init(pthread_cond_t *condition);
/** Waits until `deadline_ns` of that clock (TENON_FOREVER: no limit); false
 *  when that has come. */
bool tenon__condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                           int64_t deadline_ns);
/** That clock, plus `delay_ns`. */
int64_t tenon__deadline(int64_t delay_ns);

#endif
