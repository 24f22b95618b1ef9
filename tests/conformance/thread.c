/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group X, threads and processes: posts, wrong threads, signal handlers that
 * post, and a forked child.
 */

#include "recorder.h"
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    REQUIRE(pthread_create(thread, NULL, fn, arg) == 0);
}

static void note_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    REQUIRE_STATUS(status, TENON_OK);
    note_call(user);
}

/* ---- waking ---- */

static int64_t posted_ns;

static void *post_after_a_while(void *inbox)
{
    rig_block(MS(40));
    posted_ns = harness_clock_ns();
    REQUIRE_OK(tenon_call_soon_threadsafe(inbox, note_post, "post"));
    return NULL;
}

static void wake_once(void)
{
    pthread_t thread;
    size_t count = note_count("post");
    start_thread(&thread, post_after_a_while, tenon_reactor_inbox(rig.reactor));
    uint64_t iterations = rig.spin.iterations;
    while (note_count("post") == count &&
           rig.spin.iterations - iterations < 8) {
        rig_iterate(TENON_SECOND * 8);
    }
    int64_t done_ns = harness_clock_ns();
    pthread_join(thread, NULL);
    REQUIRE_EQ(note_count("post"), count + 1);
    REQUIRE(rig.spin.iterations - iterations <= 3);
    REQUIRE(done_ns - posted_ns < TENON_SECOND * harness_time_scale());
}

/* Twice: a wake-up must leave all ready for the next one. */
static void x01_wakes_a_blocked_loop(void)
{
    rig_settle();
    tenon_reactor_hold(rig.reactor); /* as who expects a post should */
    wake_once();
    wake_once();
    tenon_reactor_release(rig.reactor);
}

/* ---- order and number ---- */

enum { THREADS = 4, POSTS = 3000 };

struct producer {
    pthread_t thread;
    tenon_inbox *inbox;
    tenon_post_node nodes[POSTS];
    int next; /* what the reactor expects */
    int sent;
};

struct numbered {
    struct producer *producer;
    int number;
};

static void on_numbered(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    struct numbered *numbered = user;
    REQUIRE_STATUS(status, TENON_OK);
    REQUIRE_EQ(numbered->number, numbered->producer->next);
    numbered->producer->next++;
    free(numbered);
}

static void *produce(void *arg)
{
    struct producer *producer = arg;
    for (int i = 0; i < POSTS; i++) {
        struct numbered *numbered = malloc(sizeof *numbered);
        REQUIRE(numbered != NULL);
        *numbered = (struct numbered){producer, i};
        if (i % 2) {
            REQUIRE_OK(tenon_call_soon_threadsafe(producer->inbox, on_numbered,
                                                  numbered));
        } else {
            tenon_post_init(&producer->nodes[i]);
            REQUIRE_OK(tenon_post(producer->inbox, &producer->nodes[i],
                                  on_numbered, numbered));
        }
    }
    tenon_inbox_unref(producer->inbox);
    return NULL;
}

static bool all_came(const struct producer *producers)
{
    for (int i = 0; i < THREADS; i++) {
        if (producers[i].next < POSTS) {
            return false;
        }
    }
    return true;
}

static void x02_each_once_and_in_order(void)
{
    static struct producer producers[THREADS];
    rig_settle();
    for (int i = 0; i < THREADS; i++) {
        producers[i].inbox = tenon_inbox_ref(tenon_reactor_inbox(rig.reactor));
        start_thread(&producers[i].thread, produce, &producers[i]);
    }
    PUMP_UNTIL(all_came(producers));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(producers[i].thread, NULL);
    }
    rig_settle();
    for (int i = 0; i < THREADS; i++) {
        REQUIRE_EQ(producers[i].next, POSTS);
    }
}

static void post_inside(void *user)
{
    tenon_inbox *inbox = tenon_reactor_inbox(rig.reactor);
    tenon_post_node *node = user;
    soon(note_call, "a");
    REQUIRE_OK(tenon_call_soon_threadsafe(inbox, note_post, "b"));
    soon(note_call, "c");
    REQUIRE_OK(tenon_post(inbox, node, note_post, "d"));
    REQUIRE_STATUS(tenon_post(inbox, node, note_post, "d"), TENON_BUSY);
    soon(note_call, "e");
    note("begin");
}

static void x03_from_its_own_thread(void)
{
    tenon_post_node node;
    tenon_post_init(&node);
    rig_settle();
    soon(post_inside, &node);
    soon(note_call, "end");
    PUMP_UNTIL(noted("e"));
    REQUIRE_NOTES("begin end a b c d e");
}

/* ---- races with the end ---- */

static atomic_int accepted;
static atomic_int ran;
static atomic_int dropped;

static void count_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)user;
    REQUIRE(status == TENON_OK || status == TENON_CLOSED);
    atomic_fetch_add(status == TENON_OK ? &ran : &dropped, 1);
}

static void *post_until_refused(void *arg)
{
    tenon_inbox *inbox = arg;
    tenon_status status;
    while ((status = tenon_call_soon_threadsafe(inbox, count_post, NULL)) ==
           TENON_OK) {
        if (atomic_fetch_add(&accepted, 1) > 200000) {
            sched_yield(); /* the loop has no chance to close otherwise */
        }
    }
    REQUIRE_STATUS(status, TENON_CLOSED);
    tenon_inbox_unref(inbox);
    return NULL;
}

static void x04_racing_with_close(void)
{
    for (int round = 0; round < 20; round++) {
        tenon_reactor_options options = rig_options();
        pthread_t thread;
        rig_open(&options);
        rig_settle();
        tenon_inbox *inbox = tenon_reactor_inbox(rig.reactor);
        int before = atomic_load(&ran);
        start_thread(&thread, post_until_refused, tenon_inbox_ref(inbox));
        PUMP_UNTIL(atomic_load(&ran) > before);
        rig_close();
        pthread_join(thread, NULL);
        REQUIRE_EQ(atomic_load(&ran) + atomic_load(&dropped),
                   atomic_load(&accepted));
    }
}

static void the_inbox_outlives_the_reactor(void)
{
    static tenon_post_node node;
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    tenon_inbox *inbox = tenon_inbox_ref(tenon_reactor_inbox(rig.reactor));
    tenon_post_init(&node);
    REQUIRE_OK(tenon_post(inbox, &node, count_post, NULL));
    rig_close();
    REQUIRE_EQ(atomic_load(&ran) + atomic_load(&dropped), 1);
    REQUIRE_STATUS(tenon_post(inbox, &node, count_post, NULL), TENON_CLOSED);
    REQUIRE_STATUS(tenon_call_soon_threadsafe(inbox, count_post, NULL),
                   TENON_CLOSED);
    REQUIRE_EQ(atomic_load(&ran) + atomic_load(&dropped), 1);
    tenon_inbox_unref(inbox);
    tenon_inbox_unref(NULL);
}

/* ---- the wrong thread ---- */

static void on_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    note("timer");
}

static void on_watch(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)user;
    note("watch:%u", events);
}

static void *trespass(void *arg)
{
    static const tenon_protocol_ops quiet = {.size = sizeof quiet};
    tenon_reactor *r = rig.reactor;
    tenon_timer timer;
    tenon_watch watch;
    tenon_listener *listener = NULL;
    tenon_timer_init(&timer, r);
    tenon_watch_init(&watch, r, 0);
    REQUIRE_STATUS(tenon_call_soon(r, note_call, "x"), TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_call_later(r, 1, note_call, "x", NULL),
                   TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_handle_cancel(*(tenon_handle *)arg),
                   TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_timer_start(&timer, 1, on_timer, NULL),
                   TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_watch_start(&watch, TENON_READ, on_watch, NULL),
                   TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_add_reader(r, 0, note_call, "x"), TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_listen(r, &listener, "tcp:127.0.0.1:0",
                                tenon_factory_of(&quiet), NULL),
                   TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_stop(r), TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_reactor_close(r), TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_reactor_hold(r), TENON_WRONG_THREAD);
    return NULL;
}

static void x05_the_wrong_thread_is_refused(void)
{
    pthread_t thread;
    tenon_handle handle;
    later(MS(3600000), note_call, "x", &handle);
    soon(note_call, "turn");
    PUMP_UNTIL(noted("turn"));
    start_thread(&thread, trespass, &handle);
    pthread_join(thread, NULL);
    REQUIRE(tenon_handle_is_pending(handle));
    tenon_handle_cancel(handle);
    REQUIRE(!tenon_reactor_is_closed(rig.reactor));
    REQUIRE_NOTES("turn");
}

static void *first_turn(void *arg)
{
    (void)arg;
    PUMP_UNTIL(noted("ran"));
    soon(note_call, "mine");
    PUMP_UNTIL(noted("mine"));
    return NULL;
}

static void x05_it_belongs_to_its_first_turn(void)
{
    pthread_t thread;
    soon(note_call, "ran");
    start_thread(&thread, first_turn, NULL);
    pthread_join(thread, NULL);
    REQUIRE_STATUS(tenon_call_soon(rig.reactor, note_call, "x"),
                   TENON_WRONG_THREAD);
    REQUIRE_STATUS(tenon_reactor_rebind(rig.reactor), TENON_OK);
    soon(note_call, "back");
    PUMP_UNTIL(noted("back"));
    REQUIRE_NOTES("ran mine back");
}

static void rebind_inside(void *user)
{
    (void)user;
    REQUIRE_STATUS(tenon_reactor_rebind(rig.reactor), TENON_BUSY);
    note("busy");
}

static void rebind_in_a_turn_is_refused(void)
{
    soon(rebind_inside, NULL);
    PUMP_UNTIL(noted("busy"));
}

/* ---- from signal handlers ---- */

enum { STORM = 400 };

static tenon_inbox *signal_inbox;
static tenon_post_node storm[STORM];
static atomic_int storm_next;
static int storm_came;

static void on_storm(tenon_post_node *post, tenon_status status, void *user)
{
    (void)user;
    REQUIRE_STATUS(status, TENON_OK);
    REQUIRE(post == &storm[storm_came]);
    storm_came++;
}

static void post_in_handler(int signo)
{
    (void)signo;
    if (tenon_post(signal_inbox, &storm[storm_next], on_storm, NULL) ==
        TENON_OK) {
        storm_next++;
    }
}

static void *raise_storm(void *arg)
{
    pthread_t *target = arg;
    for (int i = 0; i < STORM / 2; i++) {
        int before = storm_next;
        pthread_kill(*target, SIGUSR1);
        while (storm_next == before) {
            sched_yield();
        }
    }
    return NULL;
}

static void x06_posts_from_signal_handlers(void)
{
    struct sigaction action = {.sa_handler = post_in_handler};
    pthread_t self = pthread_self();
    pthread_t thread;
    /* Of its own: a handler may still come when a case ends early. */
    signal_inbox = tenon_inbox_ref(tenon_reactor_inbox(rig.reactor));
    for (int i = 0; i < STORM; i++) {
        tenon_post_init(&storm[i]);
    }
    rig_settle();
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    start_thread(&thread, raise_storm, &self);
    PUMP_UNTIL(storm_came == STORM / 2);
    pthread_join(thread, NULL);
    for (int i = 0; i < STORM / 2; i++) {
        raise(SIGUSR1);
    }
    PUMP_UNTIL(storm_came == STORM);
    signal(SIGUSR1, SIG_DFL);
    tenon_inbox_unref(signal_inbox);
}

/* ---- fork ---- */

static void on_signal_word(tenon_signal *handler, uint32_t count, void *user)
{
    (void)handler;
    (void)count;
    note_call(user);
}

static void in_the_child(tenon_inbox *inbox)
{
    tenon_handle handle;
    if (rig.fixture->after_fork) {
        rig.fixture->after_fork(rig.loop);
    }
    REQUIRE_STATUS(tenon_call_soon(rig.reactor, note_call, "x"), TENON_FORKED);
    REQUIRE_STATUS(tenon_call_later(rig.reactor, 1, note_call, "x", &handle),
                   TENON_FORKED);
    REQUIRE_STATUS(tenon_call_soon_threadsafe(inbox, note_post, "x"),
                   TENON_FORKED);
    raise(SIGUSR1);
    int64_t cpu_ns = harness_cpu_ns();
    int64_t end_ns = harness_clock_ns() + MS(150);
    bool waits = rig.fixture->caps & TENON_FIXTURE_REAL_TIME;
    for (int i = 0; i < 64 && harness_clock_ns() < end_ns; i++) {
        rig.fixture->iterate(rig.loop, waits ? MS(20) : 0);
    }
    REQUIRE(harness_cpu_ns() - cpu_ns < MS(60) * harness_time_scale());
    REQUIRE_NOTES("");
    _exit(0);
}

static void x15_a_forked_child_is_dead(void)
{
    tenon_signal handler;
    int fds[2];
    socket_pair(fds);
    tenon_inbox *inbox = tenon_inbox_ref(tenon_reactor_inbox(rig.reactor));
    tenon_signal_init(&handler, rig.reactor);
    REQUIRE_OK(
        tenon_signal_start(&handler, SIGUSR1, 0, on_signal_word, "signal"));
    REQUIRE_OK(tenon_add_reader(rig.reactor, fds[0], note_call, "readable"));
    later(MS(30), note_call, "timer", NULL);
    rig_settle();
    pid_t child = fork();
    if (child == 0) {
        in_the_child(inbox);
    }
    REQUIRE(child > 0);
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE_EQ(status, 0);
    PUMP_UNTIL(noted("timer"));
    REQUIRE_OK(tenon_call_soon_threadsafe(inbox, note_post, "post"));
    PUMP_UNTIL(noted("post"));
    REQUIRE_NOTES("timer post");
    put(fds[1], "x");
    PUMP_UNTIL(noted("readable"));
    tenon_remove_reader(rig.reactor, fds[0]);
    tenon_signal_stop(&handler);
    tenon_inbox_unref(inbox);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

static pid_t forked = -1;

/* Both processes come back from the fork inside the callback; the child with
 * an error, which in the parent would end the connection. */
static tenon_status fork_once(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    char text[16] = "";
    (void)self;
    (void)transport;
    memcpy(text, data, len < sizeof text - 1 ? len : sizeof text - 1);
    note("%s", text);
    if (forked < 0) {
        forked = fork();
    }
    return forked == 0 ? TENON_ABORTED : TENON_OK;
}

static void x15_forked_in_a_callback(void)
{
    static const tenon_protocol_ops ops = {.size = sizeof ops,
                                           .data_received = fork_once,
                                           .connection_lost = rig_lost};
    tenon_transport *transport;
    int fds[2];
    int status = -1;
    char byte;
    tcp_pair(fds);
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, fds[0],
                                     tenon_factory_of(&ops)));
    later(MS(40), note_call, "timer", NULL);
    rig_settle();
    put(fds[1], "first");
    PUMP_UNTIL(forked >= 0);
    if (forked == 0) {
        bool dead = tenon_call_soon(rig.reactor, note_call, "") == TENON_FORKED;
        _exit(dead ? 0 : 1); /* lint: child */
    }
    REQUIRE(waitpid(forked, &status, 0) == forked);
    REQUIRE_EQ(status, 0);
    PUMP_UNTIL(noted("timer"));
    put(fds[1], "second");
    PUMP_UNTIL(noted("second"));
    REQUIRE_NOTES("first timer second");
    /* Clean, although the child's end of it was not. */
    tenon_transport_close(transport);
    rig_settle();
    REQUIRE_EQ(recv(fds[1], &byte, 1, 0), 0);
    close_fd(&fds[1]);
}

static const rig_case cases[] = {
    {"X01", "a post wakes a blocked loop within one wake-up",
     x01_wakes_a_blocked_loop, NEED_TIME},
    {"X02", "posts run exactly once, each thread's in order",
     x02_each_once_and_in_order, 0},
    {"X03", "a post from the owner joins the ready queue",
     x03_from_its_own_thread, 0},
    {"X04", "a post that races with close is run or told",
     x04_racing_with_close, BARE},
    {"X04b", "the inbox outlives the reactor", the_inbox_outlives_the_reactor,
     BARE},
    {"X05", "calls from the wrong thread are refused",
     x05_the_wrong_thread_is_refused, 0},
    {"X05b", "a reactor belongs to the thread of its first turn",
     x05_it_belongs_to_its_first_turn, 0},
    {"X05c", "rebind during a turn is refused", rebind_in_a_turn_is_refused, 0},
    {"X06", "signal handlers may post", x06_posts_from_signal_handlers, 0},
    {"X15", "a forked child's reactor is dead, the parent's is not",
     x15_a_forked_child_is_dead, 0},
    {"X15b", "a fork inside a callback leaves the parent as it was",
     x15_forked_in_a_callback, 0},
};

const rig_group rig_thread = RIG_GROUP(cases);
