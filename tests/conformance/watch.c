/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group W: descriptor watches, PEP 3156's and the embeddable ones. Where a
 * line speaks of a reader, both spellings are tried.
 */

#include "rig.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static void open_pair(void)
{
    socket_pair(pair);
}

static void close_pair(void)
{
    close_fd(&pair[0]);
    close_fd(&pair[1]);
}

static void note_events(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    note("%s%s%s%s%s", (const char *)user, events & TENON_READ ? "r" : "",
         events & TENON_WRITE ? "w" : "", events & TENON_HANGUP ? "h" : "",
         events & TENON_STALE_WATCH ? "s" : "");
}

static void start_watch(tenon_watch *watch, int fd, uint32_t events,
                        const char *word)
{
    tenon_watch_init(watch, rig.reactor, fd);
    REQUIRE_STATUS(
        tenon_watch_start(watch, events, note_events, (void *)(uintptr_t)word),
        TENON_OK);
}

static void add_reader(int fd, void *word, tenon_status status)
{
    REQUIRE_STATUS(tenon_add_reader(rig.reactor, fd, note_call, word), status);
}

static void add_writer(int fd, void *word, tenon_status status)
{
    REQUIRE_STATUS(tenon_add_writer(rig.reactor, fd, note_call, word), status);
}

static void w01_level_triggered(void)
{
    char text[8];
    open_pair();
    add_reader(pair[0], "a", TENON_OK);
    rig_settle();
    REQUIRE_NOTES("");
    put(pair[1], "x");
    PUMP_UNTIL(note_count("a") >= 3);
    drain(pair[0], text, sizeof text);
    notes_clear();
    rig_settle();
    REQUIRE_NOTES("");
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, pair[0]), TENON_EXISTED);
    close_pair();
}

static void w02_read_is_not_write(void)
{
    tenon_watch watch;
    open_pair();
    start_watch(&watch, pair[0], TENON_READ, "");
    rig_settle();
    REQUIRE_NOTES("");
    put(pair[1], "x");
    PUMP_UNTIL(rig.notes[0]);
    REQUIRE(!noted("w") && !noted("rw") && noted("r"));
    tenon_watch_stop(&watch);
    close_pair();
}

static void w03_a_second_reader_replaces(void)
{
    open_pair();
    add_reader(pair[0], "old", TENON_OK);
    add_reader(pair[0], "new", TENON_EXISTED);
    put(pair[1], "x");
    PUMP_UNTIL(noted("new"));
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, pair[0]), TENON_EXISTED);
    REQUIRE(!noted("old"));
    add_writer(pair[0], "old-w", TENON_OK);
    add_writer(pair[0], "new-w", TENON_EXISTED);
    PUMP_UNTIL(noted("new-w"));
    REQUIRE_STATUS(tenon_remove_writer(rig.reactor, pair[0]), TENON_EXISTED);
    REQUIRE(!noted("old-w"));
    close_pair();
}

static void w04_remove_tells(void)
{
    open_pair();
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, pair[0]), TENON_OK);
    REQUIRE_STATUS(tenon_remove_writer(rig.reactor, pair[0]), TENON_OK);
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, 4000), TENON_OK);
    add_reader(pair[0], "a", TENON_OK);
    REQUIRE_STATUS(tenon_remove_writer(rig.reactor, pair[0]), TENON_OK);
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, pair[0]), TENON_EXISTED);
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, pair[0]), TENON_OK);
    close_pair();
}

static void w05_removing_one_keeps_the_other(void)
{
    open_pair();
    add_reader(pair[0], "r", TENON_OK);
    add_writer(pair[0], "w", TENON_OK);
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, pair[0]), TENON_EXISTED);
    put(pair[1], "x");
    PUMP_UNTIL(note_count("w") >= 2);
    REQUIRE(!noted("r"));
    add_reader(pair[0], "r", TENON_OK);
    REQUIRE_STATUS(tenon_remove_writer(rig.reactor, pair[0]), TENON_EXISTED);
    notes_clear();
    PUMP_UNTIL(note_count("r") >= 2);
    REQUIRE(!noted("w"));
    tenon_remove_reader(rig.reactor, pair[0]);
    close_pair();
}

/* The kernel must have forgotten the old socket although a copy lives. */
static void w07_remove_is_at_once(void)
{
    char text[8];
    open_pair();
    put(pair[1], "x");
    add_reader(pair[0], "old", TENON_OK);
    int copy = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    REQUIRE_STATUS(tenon_remove_reader(rig.reactor, pair[0]), TENON_EXISTED);
    close_fd(&pair[0]);
    tenon_stats before = rig_stats();
    rig_pump_for(MS(20));
    REQUIRE_EQ(rig_stats().events, before.events);
    REQUIRE_NOTES("");
    drain(copy, text, sizeof text);
    REQUIRE_STR(text, "x");
    close_fd(&copy);
    close_pair();
}

static void w08_a_reused_number_is_live(void)
{
    tenon_watch stale;
    tenon_watch live;
    int fresh[2];
    open_pair();
    int number = pair[0];
    start_watch(&stale, number, TENON_READ, "stale-");
    rig_settle();
    close(number); /* against the rules, and it happens */
    socket_pair(fresh);
    if (fresh[0] != number) {
        REQUIRE(dup3(fresh[0], number, O_CLOEXEC) == number);
        close_fd(&fresh[0]);
    }
    start_watch(&live, number, TENON_READ, "live-");
    put(fresh[1], "x");
    PUMP_UNTIL(noted("live-r"));
    REQUIRE(noted("stale-s"));
    REQUIRE(!noted("stale-r"));
    REQUIRE(!tenon_watch_is_active(&stale));
    REQUIRE(tenon_watch_is_active(&live));
    tenon_watch_stop(&live);
    close(number);
    close_fd(&fresh[1]);
    close_fd(&pair[1]);
}

/* Both are ready in one batch; the first closes and reopens the second. */
struct swap {
    int *victim;
    int *peer;
    int fresh[2];
    tenon_watch *watch;
};

static void swap_descriptor(void *user)
{
    struct swap *swap = user;
    int number = *swap->victim;
    note("swap");
    tenon_remove_reader(rig.reactor, *swap->peer);
    REQUIRE_STATUS(tenon_watch_stop(swap->watch), TENON_EXISTED);
    close(number);
    socket_pair(swap->fresh);
    REQUIRE_EQ(swap->fresh[0], number);
    start_watch(swap->watch, number, TENON_READ, "fresh-");
}

static void w08_a_number_reused_inside_a_batch(void)
{
    int other[2];
    tenon_watch watch;
    open_pair();
    socket_pair(other);
    struct swap swap = {.victim = &other[0], .peer = &pair[0], .watch = &watch};
    REQUIRE_OK(tenon_add_reader(rig.reactor, pair[0], swap_descriptor, &swap));
    start_watch(&watch, other[0], TENON_READ, "old-");
    rig_settle();
    put(pair[1], "x");
    put(other[1], "x");
    PUMP_UNTIL(noted("swap"));
    rig_settle();
    REQUIRE(!noted("fresh-r"));
    put(swap.fresh[1], "y");
    PUMP_UNTIL(noted("fresh-r"));
    tenon_watch_stop(&watch);
    close_fd(&swap.fresh[0]);
    close_fd(&swap.fresh[1]);
    close_fd(&other[1]);
    close_pair();
}

static void w09_owned_descriptors_are_refused(void)
{
    static const tenon_protocol_ops quiet = {.size = sizeof quiet};
    tenon_transport *transport;
    tenon_watch watch;
    open_pair();
    int fd = pair[0];
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, fd,
                                     tenon_factory_of(&quiet)));
    pair[0] = -1;
    PUMP_UNTIL(rig_stats().transport_count == 1);
    rig_settle();
    tenon_watch_init(&watch, rig.reactor, fd);
    REQUIRE_STATUS(tenon_watch_start(&watch, TENON_READ, note_events, ""),
                   TENON_OWNED);
    add_reader(fd, "x", TENON_OWNED);
    add_writer(fd, "x", TENON_OWNED);
    REQUIRE(!tenon_watch_is_active(&watch));
    REQUIRE_OK(tenon_transport_abort(transport));
    PUMP_UNTIL(rig_stats().transport_count == 0);
    REQUIRE_NOTES("");
    close_pair();
}

static void w10_bad_descriptors_are_refused(void)
{
    tenon_watch watch;
    int file = memfd_create("regular", MFD_CLOEXEC);
    REQUIRE(file >= 0);
    add_reader(-1, "x", TENON_INVALID);
    add_writer(-5, "x", TENON_INVALID);
    add_reader(3999, "x", -EBADF);
    add_reader(0x7fffffff, "x", -EBADF);
    add_reader(file, "x", -EPERM);
    tenon_watch_init(&watch, rig.reactor, 3999);
    REQUIRE_STATUS(tenon_watch_start(&watch, TENON_READ, note_events, ""),
                   -EBADF);
    REQUIRE(!tenon_watch_is_active(&watch));
    REQUIRE_STATUS(tenon_watch_stop(&watch), TENON_OK);
    tenon_watch_init(&watch, rig.reactor, -1);
    REQUIRE_STATUS(tenon_watch_start(&watch, TENON_READ, note_events, ""),
                   TENON_INVALID);
    tenon_watch_init(&watch, rig.reactor, 0);
    REQUIRE_STATUS(tenon_watch_start(&watch, 1u << 20, note_events, ""),
                   TENON_INVALID);
    REQUIRE_EQ(rig_stats().watch_count, 0);
    close_fd(&file);
}

/* ---- hang-ups ---- */

static void read_until_end(void *user)
{
    char text[64];
    ssize_t got = read(*(int *)user, text, sizeof text);
    note("%zd", got);
    if (got <= 0) {
        tenon_remove_reader(rig.reactor, *(int *)user);
    }
}

static void w11_hangup_fires_both(void)
{
    open_pair();
    add_reader(pair[0], "r", TENON_OK);
    rig_settle();
    put(pair[1], "unread");
    close_fd(&pair[1]);
    add_writer(pair[0], "w", TENON_OK);
    PUMP_UNTIL(noted("r") && noted("w"));
    tenon_remove_writer(rig.reactor, pair[0]);
    notes_clear();
    REQUIRE_STATUS(
        tenon_add_reader(rig.reactor, pair[0], read_until_end, &pair[0]),
        TENON_EXISTED);
    PUMP_UNTIL(noted("0"));
    REQUIRE_NOTES("6 0");
    close_pair();
}

/* A pipe whose writer is gone reports nothing but the hang-up, for ever. */
static void w11_a_hangup_does_not_spin(void)
{
    int fds[2];
    tenon_watch watch;
    REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    start_watch(&watch, fds[0], TENON_READ, "");
    close_fd(&fds[1]);
    PUMP_UNTIL(rig.notes[0]);
    REQUIRE(noted("rh") || noted("r") || noted("h"));
    uint64_t before = rig_stats().callbacks;
    for (int i = 0; i < 500; i++) {
        rig_iterate(0);
    }
    REQUIRE(rig_stats().callbacks - before <= 20);
    if (rig.reports) {
        rig_take_report(TENON_NO_PROGRESS);
    }
    tenon_watch_stop(&watch);
    close_fd(&fds[0]);
}

/* Interest none is no registration: epoll would report the hang-up still. */
static void w11_no_interest_no_hangup(void)
{
    tenon_watch watch;
    open_pair();
    start_watch(&watch, pair[0], TENON_READ, "");
    rig_settle();
    REQUIRE_OK(tenon_watch_start(&watch, 0, note_events, ""));
    put(pair[1], "x");
    close_fd(&pair[1]);
    uint64_t before = rig_stats().events;
    rig_pump_for(MS(20));
    REQUIRE_NOTES("");
    REQUIRE_EQ(rig_stats().events, before);
    REQUIRE_OK(tenon_watch_start(&watch, TENON_READ, note_events, ""));
    PUMP_UNTIL(rig.notes[0]);
    tenon_watch_stop(&watch);
    close_pair();
}

/* The kernel goes on reporting a descriptor that was closed too early while a
 * duplicate is open. That ends, or where it cannot, is told. */
static void w08_a_duplicate_does_not_spin(void)
{
    tenon_watch watch;
    tenon_watch other;
    int others[2];
    open_pair();
    memcpy(others, pair, sizeof others);
    open_pair();
    start_watch(&watch, pair[0], TENON_READ, "dead");
    start_watch(&other, others[0], TENON_READ | TENON_ONESHOT, "live");
    rig_settle();
    int copy = dup(pair[0]);
    close_fd(&pair[0]);
    put(pair[1], "x");
    REQUIRE_STATUS(tenon_watch_stop(&watch), TENON_EXISTED);
    uint64_t before = rig_stats().stale_events;
    int64_t end_ns = tenon_now(rig.reactor) + MS(20);
    while (tenon_now(rig.reactor) < end_ns && !rig.reports) {
        rig_iterate(MS(20));
    }
    if (rig.reports) {
        REQUIRE_EQ(rig.report_status, TENON_STALE);
        rig.reports = 0;
        close_fd(&copy);
    } else {
        REQUIRE(rig_stats().stale_events - before <= 4);
    }
    REQUIRE_NOTES("");
    put(others[1], "x");
    later(MS(5), note_call, "timer", NULL);
    PUMP_UNTIL(noted("liver") && noted("timer"));
    tenon_watch_stop(&other);
    close_fd(&copy);
    close_fd(&pair[1]);
    memcpy(pair, others, sizeof others);
    close_pair();
}

/* ---- beyond the lines ---- */

static void several_per_descriptor(void)
{
    tenon_watch watches[3];
    open_pair();
    start_watch(&watches[0], pair[0], TENON_READ, "a");
    start_watch(&watches[1], pair[0], TENON_READ, "b");
    start_watch(&watches[2], pair[0], TENON_WRITE, "c");
    put(pair[1], "x");
    PUMP_UNTIL(noted("ar") && noted("br") && noted("cw"));
    REQUIRE(!noted("arw") && !noted("crw"));
    tenon_watch_stop(&watches[0]);
    notes_clear();
    PUMP_UNTIL(noted("br") && noted("cw"));
    REQUIRE(!noted("ar"));
    tenon_watch_stop(&watches[2]);
    tenon_watch_stop(&watches[1]);
    notes_clear();
    rig_settle();
    REQUIRE_NOTES("");
    close_pair();
}

static void oneshot(void)
{
    tenon_watch watch;
    open_pair();
    put(pair[1], "x");
    start_watch(&watch, pair[0], TENON_READ | TENON_ONESHOT, "");
    PUMP_UNTIL(noted("r"));
    rig_settle();
    REQUIRE_NOTES("r");
    REQUIRE(!tenon_watch_is_active(&watch));
    REQUIRE_STATUS(tenon_watch_stop(&watch), TENON_OK);
    start_watch(&watch, pair[0], TENON_READ | TENON_ONESHOT, "");
    PUMP_UNTIL(note_count("r") == 2);
    close_pair();
}

static void changing_the_interest(void)
{
    tenon_watch watch;
    open_pair();
    start_watch(&watch, pair[0], TENON_READ, "");
    rig_settle();
    REQUIRE_OK(tenon_watch_start(&watch, TENON_WRITE, note_events, ""));
    PUMP_UNTIL(noted("w"));
    put(pair[1], "x");
    REQUIRE_OK(tenon_watch_start(&watch, TENON_READ, note_events, ""));
    notes_clear();
    PUMP_UNTIL(noted("r"));
    REQUIRE(!noted("w") && !noted("rw"));
    tenon_watch_stop(&watch);
    close_pair();
}

static void visit(const tenon_watch_info *info, void *user)
{
    const tenon_watch **found = user;
    REQUIRE_EQ(info->fd, pair[0]);
    REQUIRE_EQ(info->interest & (TENON_READ | TENON_WRITE), TENON_READ);
    REQUIRE_STR(info->name, "named");
    REQUIRE(*found == NULL);
    *found = info->watch;
}

static void watches_can_be_listed(void)
{
    tenon_watch watch;
    const tenon_watch *found = NULL;
    open_pair();
    start_watch(&watch, pair[0], TENON_READ, "");
    tenon_watch_set_name(&watch, "named");
    REQUIRE_OK(tenon_reactor_foreach_watch(rig.reactor, visit, &found));
    REQUIRE(found == &watch);
    tenon_watch_stop(&watch);
    close_pair();
}

static void watches_can_be_found(void)
{
    static char a[] = "a";
    static char b[] = "b";
    tenon_watch first;
    tenon_watch second;
    open_pair();
    REQUIRE(!tenon_watch_find(rig.reactor, pair[0], note_events, a));
    start_watch(&first, pair[0], TENON_READ, a);
    start_watch(&second, pair[0], TENON_READ, b);
    REQUIRE(tenon_watch_find(rig.reactor, pair[0], note_events, a) == &first);
    REQUIRE(tenon_watch_find(rig.reactor, pair[0], note_events, b) == &second);
    REQUIRE(!tenon_watch_find(rig.reactor, pair[0], note_events, pair));
    REQUIRE(!tenon_watch_find(rig.reactor, pair[1], note_events, a));
    REQUIRE(!tenon_watch_find(rig.reactor, -1, note_events, a));
    REQUIRE(!tenon_watch_find(rig.reactor, INT32_MAX, note_events, a));
    REQUIRE(!tenon_watch_find(NULL, pair[0], note_events, a));
    tenon_watch_stop(&first);
    REQUIRE(!tenon_watch_find(rig.reactor, pair[0], note_events, a));
    tenon_watch_stop(&second);
    close_pair();
}

static const rig_case cases[] = {
    {"W01", "a reader fires while there is something to read",
     w01_level_triggered, 0},
    {"W02", "a reader never sees write readiness", w02_read_is_not_write, 0},
    {"W03", "a second reader replaces the first", w03_a_second_reader_replaces,
     0},
    {"W04", "removing tells whether there was one", w04_remove_tells, 0},
    {"W05", "removing the reader keeps the writer, and vice versa",
     w05_removing_one_keeps_the_other, 0},
    {"W07", "removing takes effect in the kernel at once",
     w07_remove_is_at_once, 0},
    {"W08", "a reused number gets a live watch, the stale one is told",
     w08_a_reused_number_is_live, 0},
    {"W08b", "a number reused inside a batch is not confused",
     w08_a_number_reused_inside_a_batch, 0},
    {"W08c", "a duplicate of what was closed too early does not spin",
     w08_a_duplicate_does_not_spin, 0},
    {"W09", "a transport's descriptor is refused",
     w09_owned_descriptors_are_refused, 0},
    {"W10", "bad descriptors are refused", w10_bad_descriptors_are_refused, 0},
    {"W11", "a hang-up fires reader and writer", w11_hangup_fires_both, 0},
    {"W11b", "a hang-up that nobody takes does not spin",
     w11_a_hangup_does_not_spin, 0},
    {"W11c", "without interest there is no hang-up", w11_no_interest_no_hangup,
     0},
    {"W20", "several watches per descriptor", several_per_descriptor, 0},
    {"W21", "a oneshot watch fires once", oneshot, 0},
    {"W22", "a started watch can change its interest", changing_the_interest,
     0},
    {"W23", "started watches can be listed", watches_can_be_listed, 0},
    {"W24", "started watches can be found", watches_can_be_found, 0},
};

const rig_group rig_watch = RIG_GROUP(cases);
