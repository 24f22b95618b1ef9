/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Talking to the loop from a thread: ordinary threads, which may wait, ask a
 * reactor to do things and get what comes of them. What the loop owns needs no
 * lock, since it is touched on its thread alone.
 */

#include <pthread.h>
#include <stdio.h>

#include <tenon/tenon.h>

enum { THREADS = 3, ADDITIONS = 1000 };

/* The loop's: an account that every thread pays into. */
static int account;

static tenon_status add_one(tenon_reactor *reactor, tenon_future **out,
                            void *user)
{
    (void)reactor;
    (void)out; /* no future: it is done on return */
    (void)user;
    account++;
    return TENON_OK;
}

static void on_time(void *user)
{
    tenon_future *future = user;
    (void)tenon_future_try_resolve_int(future, 42);
    tenon_future_unref(future);
}

/* A timer of the loop's, awaited by a thread. */
static tenon_status answer_later(tenon_reactor *reactor, tenon_future **out,
                                 void *user)
{
    (void)user;
    tenon_status status = tenon_future_new(reactor, out);
    if (status == TENON_OK) {
        status = tenon_call_later(reactor, 20 * TENON_MILLISECOND, on_time,
                                  tenon_future_ref(*out), NULL);
    }
    if (status < 0) {
        tenon_future_unref(*out); /* on_time's */
    }
    return status;
}

static tenon_status never_answer(tenon_reactor *reactor, tenon_future **out,
                                 void *user)
{
    (void)user;
    return tenon_future_new(reactor, out);
}

static void *pay_in(void *user)
{
    tenon_inbox *inbox = user;
    for (int i = 0; i < ADDITIONS; i++) {
        if (tenon_call_blocking(inbox, add_one, NULL, TENON_FOREVER, NULL) <
            0) {
            break;
        }
    }
    return NULL;
}

static tenon_status stop_loop(tenon_reactor *reactor, tenon_future **out,
                              void *user)
{
    (void)out;
    (void)user;
    return tenon_reactor_release(reactor); /* of main: nothing is left to do */
}

/* The thread that knows when to end. */
static void *lead(void *user)
{
    tenon_inbox *inbox = user;
    pthread_t threads[THREADS];
    tenon_outcome answer = {.size = sizeof answer};
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, pay_in, inbox);
    }
    if (tenon_call_blocking(inbox, answer_later, NULL, TENON_FOREVER,
                            &answer) == TENON_OK) {
        printf("the loop answered %d\n", (int)answer.number);
    }
    tenon_outcome_clear(&answer);
    tenon_status status = tenon_call_blocking(inbox, never_answer, NULL,
                                              20 * TENON_MILLISECOND, NULL);
    printf("the loop did not answer: %s\n", tenon_status_name(status));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    (void)!tenon_call_blocking(inbox, stop_loop, NULL, TENON_FOREVER, NULL);
    return NULL;
}

int main(void)
{
    tenon_reactor *reactor;
    pthread_t leader;
    if (tenon_reactor_new(&reactor, NULL) < 0) {
        return 1;
    }
    tenon_inbox *inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    tenon_reactor_hold(reactor); /* for work that it cannot see */
    pthread_create(&leader, NULL, lead, inbox);
    tenon_status status = tenon_run(reactor);
    tenon_reactor_close(reactor);
    pthread_join(leader, NULL);
    printf("%d from %d threads, without a lock\n", account, THREADS);
    tenon_reactor_unref(reactor);
    tenon_inbox_unref(inbox);
    return status < 0;
}
