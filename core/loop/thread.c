/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Threads, and waiting in them: the resolver, the watchers of processes and
 * the pools make theirs here.
 */

#include "loop/thread.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "loop/engine.h"

tenon_status tenon__thread_start(void *(*main)(void *), void *user,
                                 size_t stack_len, pthread_t *joinable)
{
    pthread_attr_t how;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&how);
    pthread_attr_setinheritsched(&how, PTHREAD_EXPLICIT_SCHED);
    if (!joinable) {
        pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    }
    int result = pthread_attr_setstacksize(&how, stack_len);
    if (result == 0) {
        pthread_sigmask(SIG_SETMASK, &all, &before);
        result = pthread_create(&thread, &how, main, user);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&how);
    if (result == 0 && joinable) {
        *joinable = thread;
    }
    return -result;
}

void tenon__thread_name(const char *name)
{
    char shorter[16];
    snprintf(shorter, sizeof shorter, "%s", name);
    (void)pthread_setname_np(pthread_self(), shorter);
}

void tenon__condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool tenon__condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                           int64_t deadline_ns)
{
    if (deadline_ns == TENON_FOREVER) {
        pthread_cond_wait(condition, lock);
        return true;
    }
    struct timespec until = {.tv_sec = deadline_ns / TENON_SECOND,
                             .tv_nsec = deadline_ns % TENON_SECOND};
    return pthread_cond_timedwait(condition, lock, &until) == 0;
}

int64_t tenon__deadline(int64_t delay_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ns = (int64_t)now.tv_sec * TENON_SECOND + now.tv_nsec;
    return tenon__add_ns(now_ns, delay_ns > 0 ? delay_ns : 0);
}
