/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Queues in every order of use (interleave.h): two tasks that get, two that
 * put, and a close of either kind in between. An item is the number of the
 * task that put it.
 *
 * ctest: timeout=240
 */

#include "interleave.h"

static tenon_queue queue;
static size_t capacity;
static uint32_t order;

/* ---- the real thing ---- */

static void init(void)
{
    const tenon_queue_options options = {.size = sizeof options,
                                         .order = order};
    SAME(tenon_queue_init(&queue, reactor, capacity, &options), TENON_OK);
}

static void fini(void)
{
    tenon_queue_fini(&queue);
}

static bool puts_items(int actor)
{
    return actor >= 2;
}

static void say_item(char *text, int item)
{
    say(text, item, 'i');
}

static tenon_status acquire(int actor)
{
    void *item = NULL;
    if (puts_items(actor)) {
        return tenon_queue_put(&queue, &cast[actor]);
    }
    tenon_status status = tenon_queue_get(&queue, &item);
    if (status == TENON_OK) {
        say_item(seen, (int)((struct actor *)item - cast));
    }
    return status;
}

static void poke(int which)
{
    SAME(tenon_queue_close(&queue, which == 1), TENON_OK);
}

static void check(const model *m)
{
    SAME(tenon_queue_count(&queue), m->store_count);
    SAME(tenon_waitq_count(&queue.queue), m->waiting_count);
    SAME(tenon_queue_is_closed(&queue), m->mode > 0);
}

/* ---- the model: a list of items, each with its age ---- */

/* Ages are made small again, so that there are few states. */
static uint8_t new_age(model *m)
{
    uint8_t *ages[ITEMS + ACTORS];
    uint8_t ranks[ITEMS + ACTORS];
    int count = 0;
    for (int i = 0; i < m->store_count; i++) {
        ages[count++] = &m->store_age[i];
    }
    for (int i = 0; i < 2; i++) {
        if (m->state[i] == WOKEN) {
            ages[count++] = &m->age[i];
        }
    }
    for (int i = 0; i < count; i++) {
        ranks[i] = 0;
        for (int j = 0; j < count; j++) {
            ranks[i] = (uint8_t)(ranks[i] + (*ages[j] < *ages[i]));
        }
    }
    for (int i = 0; i < count; i++) {
        *ages[i] = ranks[i];
    }
    return (uint8_t)count;
}

static int first_waiting(const model *m, bool putter)
{
    for (int i = 0; i < m->waiting_count; i++) {
        if (puts_items(m->waiting[i]) == putter) {
            return m->waiting[i];
        }
    }
    return -1;
}

static void keep(model *m, int item, uint8_t age)
{
    MUST(m->store_count < ITEMS);
    m->store[m->store_count] = (uint8_t)item;
    m->store_age[m->store_count++] = age;
}

/* The next one to leave. */
static int leave(model *m)
{
    int best = 0;
    for (int i = 1; i < m->store_count; i++) {
        bool younger = m->store_age[i] > m->store_age[best];
        best = younger == (order == TENON_QUEUE_LIFO) ? i : best;
    }
    int item = m->store[best];
    int last = --m->store_count;
    for (int i = best; i < last; i++) {
        m->store[i] = m->store[i + 1];
        m->store_age[i] = m->store_age[i + 1];
    }
    m->store[last] = 0;
    m->store_age[last] = 0;
    return item;
}

static void hand(model *m, int getter, int item, uint8_t age)
{
    m->item[getter] = (uint8_t)item;
    m->age[getter] = age;
    grant(m, getter);
}

static int enter_putter(model *m, int actor)
{
    int getter = first_waiting(m, false);
    if (m->mode > 0) {
        return -1;
    }
    if (getter >= 0) {
        hand(m, getter, actor, new_age(m));
        return 1;
    }
    if (m->store_count >= m->number) {
        return 0;
    }
    keep(m, actor, new_age(m));
    return 1;
}

static int enter(model *m, int actor)
{
    int putter = first_waiting(m, true);
    if (puts_items(actor)) {
        return enter_putter(m, actor);
    }
    if (m->store_count > 0) {
        say_item(expected, leave(m));
        if (putter >= 0 && m->store_count < m->number) {
            keep(m, putter, new_age(m));
            grant(m, putter);
        }
        return 1;
    }
    if (putter >= 0) {
        say_item(expected, putter);
        grant(m, putter);
        return 1;
    }
    return m->mode > 0 ? -1 : 0;
}

static void forget(model *m, int actor)
{
    m->item[actor] = 0;
    m->age[actor] = 0;
}

static void taken(model *m, int actor)
{
    if (!puts_items(actor)) {
        say_item(expected, m->item[actor]);
        forget(m, actor);
    }
}

static void undo(model *m, int actor)
{
    int getter = first_waiting(m, false);
    if (m->mode < 2 && getter >= 0) {
        hand(m, getter, m->item[actor], m->age[actor]);
    } else if (m->mode < 2) {
        keep(m, m->item[actor], m->age[actor]);
    }
    forget(m, actor);
}

static void poked(model *m, int which)
{
    fail_waiting(m);
    m->mode = which == 1 || m->mode == 2 ? 2 : 1;
    while (m->mode == 2 && m->store_count > 0) {
        (void)leave(m);
    }
}

static const object queue_object = {
    .name = "queue",
    .init = init,
    .fini = fini,
    .acquire = acquire,
    .poke = poke,
    .pokes = 2,
    .final = true,
    .check = check,
    .enter = enter,
    .taken = taken,
    .undo = undo,
    .poked = poked,
    .keeps = puts_items,
};

/* ---- the tests ---- */

static void try_both(size_t how_many, uint32_t which)
{
    capacity = how_many;
    order = which;
    try_all_states(&queue_object, (uint8_t)how_many);
    walk(&queue_object, (uint8_t)how_many);
}

START_TEST(a_rendezvous_in_every_order)
{
    try_both(0, TENON_QUEUE_FIFO);
}
END_TEST

START_TEST(a_queue_of_one_in_every_order)
{
    try_both(1, TENON_QUEUE_FIFO);
}
END_TEST

START_TEST(a_queue_of_two_in_every_order)
{
    try_both(2, TENON_QUEUE_FIFO);
}
END_TEST

START_TEST(a_stack_of_two_in_every_order)
{
    try_both(2, TENON_QUEUE_LIFO);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_rendezvous_in_every_order,
        a_queue_of_one_in_every_order,
        a_queue_of_two_in_every_order,
        a_stack_of_two_in_every_order,
    };
    return RUN_TESTS("queue_model", tests);
}
