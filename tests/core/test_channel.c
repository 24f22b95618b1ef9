/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Channels: on one reactor, where each step can be seen, and between two
 * threads, where either may end first.
 *
 * ctest: labels=threads timeout=120
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "future_rig.h"

static tenon_channel *sender, *receiver;
static char letters[] = "abcdef";
static atomic_int freed;

static void on_free(void *item)
{
    (void)item;
    atomic_fetch_add(&freed, 1);
}

static void open_channel(size_t capacity)
{
    const tenon_channel_options chosen = {.size = sizeof chosen,
                                          .allocator = &guard.heap.allocator,
                                          .free_item = on_free,
                                          .name = "channel"};
    ck_assert_int_eq(tenon_channel_new(capacity, &chosen, &sender, &receiver),
                     TENON_OK);
}

static void bind_both(void)
{
    ck_assert_int_eq(tenon_channel_bind(sender, reactor), TENON_OK);
    ck_assert_int_eq(tenon_channel_bind(receiver, reactor), TENON_OK);
}

static void close_both(void)
{
    ck_assert_int_eq(tenon_channel_close(sender), TENON_OK);
    ck_assert_int_eq(tenon_channel_close(receiver), TENON_OK);
    settle();
}

static tenon_task *spawn(tenon_task_fn *fn, void *user)
{
    const tenon_task_options eager = {.size = sizeof eager,
                                      .flags = TENON_TASK_EAGER};
    tenon_task *task = NULL;
    ck_assert_int_eq(tenon_spawn(reactor, fn, user, &eager, &task), TENON_OK);
    return task;
}

static void end_task(tenon_task *task)
{
    ck_assert(tenon_task_is_done(task));
    tenon_task_unref(task);
}

static tenon_status send_it(void *user)
{
    tenon_status status = tenon_channel_send(sender, user);
    put(status == TENON_OK ? '+' : status == TENON_CLOSED ? 'x' : '-');
    return TENON_OK;
}

static tenon_status receive_it(void *user)
{
    void *item = NULL;
    tenon_status status = tenon_channel_receive(receiver, &item);
    (void)user;
    put(status == TENON_OK       ? *(char *)item
        : status == TENON_CLOSED ? 'X'
                                 : '-');
    return TENON_OK;
}

/* ---- on one reactor ---- */

START_TEST(a_full_one_makes_senders_wait)
{
    void *item = NULL;
    open_channel(2);
    bind_both();
    ck_assert_int_eq(tenon_channel_try_receive(receiver, &item), TENON_BUSY);
    ck_assert_int_eq(tenon_channel_try_send(sender, &letters[0]), TENON_OK);
    ck_assert_int_eq(tenon_channel_try_send(sender, &letters[1]), TENON_OK);
    ck_assert_int_eq(tenon_channel_try_send(sender, &letters[2]), TENON_BUSY);
    tenon_task *one = spawn(send_it, &letters[2]);
    tenon_task *two = spawn(send_it, &letters[3]);
    settle();
    ck_assert_str_eq(notes, "");
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(tenon_channel_try_receive(receiver, &item), TENON_OK);
        ck_assert_ptr_eq(item, &letters[i]);
        settle();
    }
    ck_assert_str_eq(notes, "++");
    end_task(one);
    end_task(two);
    close_both();
}
END_TEST

START_TEST(a_receiver_waits_and_hands_on)
{
    open_channel(1);
    bind_both();
    tenon_task *one = spawn(receive_it, NULL);
    tenon_task *two = spawn(receive_it, NULL);
    tenon_task *three = spawn(receive_it, NULL);
    ck_assert_int_eq(tenon_channel_try_send(sender, &letters[0]), TENON_OK);
    turns(1); /* the first has been handed it, and has not gone on */
    (void)tenon_task_cancel(one, NULL);
    settle();
    ck_assert_str_eq(notes, "-a");
    /* Cancelled one after the other, it goes to the end of the line. */
    ck_assert_int_eq(tenon_channel_try_send(sender, &letters[1]), TENON_OK);
    turns(1);
    (void)tenon_task_cancel(three, NULL);
    settle();
    ck_assert_str_eq(notes, "-a-");
    tenon_task *four = spawn(receive_it, NULL);
    settle();
    ck_assert_str_eq(notes, "-a-b");
    end_task(one);
    end_task(two);
    end_task(three);
    end_task(four);
    close_both();
    ck_assert_int_eq(atomic_load(&freed), 0);
}
END_TEST

START_TEST(what_was_sent_is_had_after_the_end)
{
    open_channel(3);
    bind_both();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_channel_try_send(sender, &letters[i]), TENON_OK);
    }
    ck_assert_int_eq(tenon_channel_close(sender), TENON_OK);
    for (int i = 0; i < 4; i++) {
        end_task(spawn(receive_it, NULL));
    }
    ck_assert_str_eq(notes, "abcX");
    ck_assert_int_eq(tenon_channel_close(receiver), TENON_OK);
}
END_TEST

START_TEST(an_end_tells_who_waits_at_the_other)
{
    open_channel(1);
    bind_both();
    tenon_task *task = spawn(receive_it, NULL);
    ck_assert_int_eq(tenon_channel_close(sender), TENON_OK);
    settle();
    ck_assert_str_eq(notes, "X");
    end_task(task);
    ck_assert_int_eq(tenon_channel_close(receiver), TENON_OK);
    open_channel(1);
    bind_both();
    ck_assert_int_eq(tenon_channel_try_send(sender, &letters[0]), TENON_OK);
    task = spawn(send_it, &letters[1]);
    ck_assert_int_eq(tenon_channel_close(receiver), TENON_OK);
    settle();
    ck_assert_str_eq(notes, "Xx");
    end_task(task);
    ck_assert_int_eq(atomic_load(&freed), 1);
    ck_assert_int_eq(tenon_channel_try_send(sender, letters), TENON_CLOSED);
    ck_assert_int_eq(tenon_channel_close(sender), TENON_OK);
    settle();
}
END_TEST

START_TEST(ends_that_were_never_bound)
{
    open_channel(1);
    ck_assert_int_eq(tenon_channel_try_send(sender, letters), TENON_INVALID);
    ck_assert_int_eq(tenon_channel_bind(sender, reactor), TENON_OK);
    ck_assert_int_eq(tenon_channel_bind(sender, reactor), TENON_BUSY);
    ck_assert_int_eq(tenon_channel_try_send(sender, letters), TENON_OK);
    ck_assert_int_eq(tenon_channel_close(receiver), TENON_OK);
    ck_assert_int_eq(atomic_load(&freed), 1);
    ck_assert_int_eq(tenon_channel_close(sender), TENON_OK);
    ck_assert_int_eq(tenon_channel_close(NULL), TENON_OK);
    ck_assert_int_eq(tenon_channel_new(0, NULL, &sender, &receiver),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_channel_new(SIZE_MAX / 4, NULL, &sender, &receiver),
                     TENON_NO_MEMORY);
    settle();
}
END_TEST

static tenon_status use_wrong_ends(void *user)
{
    ck_assert_int_eq(tenon_channel_send(receiver, user), TENON_INVALID);
    ck_assert_int_eq(tenon_channel_receive(sender, &user), TENON_INVALID);
    ck_assert_int_eq(tenon_channel_try_send(receiver, user), TENON_INVALID);
    ck_assert_int_eq(tenon_channel_try_receive(sender, &user), TENON_INVALID);
    tenon_case wrong = {.op = TENON_CASE_SEND, .object = receiver};
    ck_assert_int_eq(tenon_select(&wrong, 1, 0, NULL), TENON_OK);
    ck_assert_int_eq(wrong.status, TENON_INVALID);
    wrong = (tenon_case){.op = TENON_CASE_RECEIVE, .object = sender};
    ck_assert_int_eq(tenon_select(&wrong, 1, 0, NULL), TENON_OK);
    ck_assert_int_eq(wrong.status, TENON_INVALID);
    return TENON_OK;
}

static void on_ticket(tenon_ticket *ticket, tenon_status status, void *user)
{
    (void)user;
    ck_assert_int_eq(status, TENON_OK);
    put(*(char *)tenon_ticket_item(ticket));
}

START_TEST(callbacks_send_and_receive)
{
    tenon_ticket in, out;
    open_channel(1);
    bind_both();
    end_task(spawn(use_wrong_ends, letters));
    ck_assert_int_eq(
        tenon_channel_request_receive(receiver, &out, on_ticket, NULL), 0);
    ck_assert_int_eq(
        tenon_channel_request_send(sender, &letters[3], &in, on_ticket, NULL),
        0);
    ck_assert_int_eq(
        tenon_channel_request_receive(sender, &out, on_ticket, NULL),
        TENON_INVALID);
    ck_assert_int_eq(
        tenon_channel_request_send(receiver, letters, &in, on_ticket, NULL),
        TENON_INVALID);
    settle();
    ck_assert_str_eq(notes, "dd");
    close_both();
}
END_TEST

static tenon_status select_both(void *user)
{
    size_t chosen = 9;
    tenon_case ends[2] = {
        {.op = TENON_CASE_SEND, .object = sender, .item = user},
        {.op = TENON_CASE_RECEIVE, .object = receiver},
    };
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(tenon_select(ends, 2, 0, &chosen), TENON_OK);
        ck_assert_int_eq(ends[chosen].status, TENON_OK);
        ck_assert_ptr_eq(ends[chosen].item, user);
    }
    put('s');
    return TENON_OK;
}

START_TEST(a_select_takes_either_end)
{
    open_channel(1);
    bind_both();
    tenon_task *task = spawn(select_both, letters);
    settle();
    ck_assert_str_eq(notes, "s");
    end_task(task);
    close_both();
}
END_TEST

START_TEST(the_end_of_the_reactor_is_that_of_its_end)
{
    tenon_reactor *other = NULL;
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_manual_new(&other, &chosen), TENON_OK);
    open_channel(1);
    ck_assert_int_eq(tenon_channel_bind(sender, other), TENON_OK);
    ck_assert_int_eq(tenon_channel_bind(receiver, reactor), TENON_OK);
    ck_assert_int_eq(tenon_channel_try_send(sender, letters), TENON_OK);
    tenon_task *one = spawn(receive_it, NULL);
    tenon_task *two = spawn(receive_it, NULL);
    settle();
    tenon_reactor_unref(other);
    settle();
    ck_assert_str_eq(notes, "aX");
    end_task(one);
    end_task(two);
    close_both();
}
END_TEST

/* ---- between threads ---- */

enum { ITEMS = 20000 };

typedef struct side {
    tenon_channel *end;
    int count;     /* of items; the thread ends with its reactor then */
    int done;      /* of them */
    bool closes;   /* its end, before the reactor ends */
    bool in_order; /* so far */
} side;

static int numbers[ITEMS];

static tenon_status send_all(void *user)
{
    side *s = user;
    while (s->done < s->count) {
        if (tenon_channel_send(s->end, &numbers[s->done]) < 0) {
            break;
        }
        s->done++;
    }
    return TENON_OK;
}

static tenon_status receive_all(void *user)
{
    side *s = user;
    void *item = NULL;
    s->in_order = true;
    while (s->done < s->count) {
        if (tenon_channel_receive(s->end, &item) < 0) {
            break;
        }
        s->in_order = s->in_order && item == &numbers[s->done];
        s->done++;
    }
    return TENON_OK;
}

static void run_side(side *s, tenon_task_fn *fn)
{
    tenon_reactor *r = NULL;
    tenon_task *task = NULL;
    if (tenon_reactor_new(&r, NULL) < 0 || tenon_channel_bind(s->end, r) < 0 ||
        tenon_spawn(r, fn, s, NULL, &task) < 0 ||
        tenon_run_until(r, tenon_task_future(task), TENON_FOREVER) < 0) {
        abort();
    }
    tenon_task_unref(task);
    if (s->closes) {
        (void)tenon_channel_close(s->end);
    }
    tenon_reactor_unref(r);
    if (!s->closes) {
        (void)tenon_channel_close(s->end);
    }
}

static void *send_thread(void *user)
{
    run_side(user, send_all);
    return NULL;
}

static void *receive_thread(void *user)
{
    run_side(user, receive_all);
    return NULL;
}

static void run_both(size_t capacity, side *from, side *to)
{
    pthread_t threads[2];
    atomic_store(&freed, 0);
    open_channel(capacity);
    from->end = sender;
    to->end = receiver;
    ck_assert_int_eq(pthread_create(&threads[0], NULL, send_thread, from), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, receive_thread, to), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    ck_assert(to->in_order);
    ck_assert_int_eq(from->done, to->done + atomic_load(&freed));
}

START_TEST(every_item_arrives_in_order)
{
    static const size_t capacities[] = {1, 2, 64};
    for (size_t i = 0; i < 3; i++) {
        side from = {.count = ITEMS, .closes = i == 1};
        side to = {.count = ITEMS};
        run_both(capacities[i], &from, &to);
        ck_assert_int_eq(to.done, ITEMS);
    }
}
END_TEST

/* Either end goes first, in one way or the other, at any point. */
START_TEST(either_may_end_first)
{
    for (int i = 0; i < 60; i++) {
        side from = {.count = i % 2 ? 400 : 7 * i, .closes = i % 4 < 2};
        side to = {.count = i % 2 ? 7 * i : 400, .closes = i % 8 < 4};
        run_both((size_t)i % 3 + 1, &from, &to);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_full_one_makes_senders_wait,
        a_receiver_waits_and_hands_on,
        what_was_sent_is_had_after_the_end,
        an_end_tells_who_waits_at_the_other,
        ends_that_were_never_bound,
        callbacks_send_and_receive,
        a_select_takes_either_end,
        the_end_of_the_reactor_is_that_of_its_end,
        every_item_arrives_in_order,
        either_may_end_first,
    };
    return RUN_TESTS("channel", tests);
}
