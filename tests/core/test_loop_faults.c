/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The poller and the inbox where the kernel fails them, numbers that changed
 * hands, and the child of a fork that a callback makes.
 */

#include "side.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tenon/foreign.h>

/* ---- calls of the library's that fail ---- */

static int failing_op; /* of epoll_ctl */
static int failures;   /* so many */
static int failure;

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (failures > 0 && op == failing_op) {
        failures--;
        errno = failure;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

static int failing_writes;

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (failing_writes > 0) {
        failing_writes--;
        errno = failure;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, len);
}

static void fail_next(int op, int error)
{
    failing_op = op;
    failure = error;
    failures = 1;
}

/* ---- watches that write down what they saw ---- */

typedef struct seen {
    tenon_watch watch;
    int fd;
    int calls;
    uint32_t events; /* of the last call */
    void (*fn)(struct seen *s);
} seen;

static void on_watch(tenon_watch *watch, uint32_t events, void *user)
{
    seen *s = user;
    char byte;
    (void)watch;
    s->calls++;
    s->events = events;
    if (s->fn) {
        s->fn(s);
    } else if (events & TENON_READ) {
        (void)!recv(s->fd, &byte, 1, MSG_DONTWAIT);
    }
}

static int pair[2];

static void open_pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                pair),
                     0);
}

static tenon_status watch_it(seen *s, int fd, uint32_t events)
{
    s->fd = fd;
    if (!s->watch.reactor) {
        tenon_watch_init(&s->watch, reactor, fd);
    }
    return tenon_watch_start(&s->watch, events, on_watch, s);
}

/* Another socket gets the number `fd`; its far end is returned. */
static int replace(int fd)
{
    int fresh[2];
    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                fresh),
                     0);
    close(fd);
    ck_assert_int_eq(dup2(fresh[0], fd), fd);
    close(fresh[0]);
    return fresh[1];
}

static void foreign(void)
{
    fds_before = count_fds();
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
}

static void enter_once(void)
{
    ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
}

START_TEST(W_our_own_descriptors)
{
    static const char *const kinds[] = {"anon_inode:[eventpoll]",
                                        "anon_inode:[timerfd]",
                                        "anon_inode:[eventfd]"};
    int found = 0;
    foreign();
    for (int fd = 0; fd < 64; fd++) {
        char name[64];
        char text[64] = "";
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (readlink(name, text, sizeof text - 1) > 0 &&
            strcmp(text, kinds[_i]) == 0) {
            seen s = {.calls = 0};
            ck_assert_int_eq(watch_it(&s, fd, TENON_READ), TENON_OWNED);
            ck_assert(!tenon_watch_is_active(&s.watch));
            found++;
        }
    }
    ck_assert_int_eq(found, 1);
    end();
}
END_TEST

/* The interest that could not be had is not had; the old one is. */
START_TEST(W_an_interest_that_cannot_be_had)
{
    seen s = {.calls = 0};
    native();
    open_pair();
    ck_assert_int_eq(watch_it(&s, pair[0], TENON_READ), TENON_OK);
    fail_next(EPOLL_CTL_MOD, ENOMEM);
    ck_assert_int_eq(watch_it(&s, pair[0], TENON_WRITE), -ENOMEM);
    ck_assert_int_eq(failures, 0);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(s.calls, 0); /* it is writable */
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    UNTIL(s.calls);
    ck_assert_uint_eq(s.events, TENON_READ);
    ck_assert_int_eq(watch_it(&s, pair[0], TENON_WRITE), TENON_OK);
    UNTIL(s.calls == 2);
    ck_assert_uint_eq(s.events, TENON_WRITE);
    tenon_watch_stop(&s.watch);
    close(pair[0]);
    close(pair[1]);
    end();
}
END_TEST

/* The number is another socket's; `_i`: what of it is found out, and how. */
START_TEST(W_a_number_that_changed_hands)
{
    seen old = {.calls = 0};
    seen fresh = {.calls = 0};
    native();
    open_pair();
    ck_assert_int_eq(watch_it(&old, pair[0], TENON_READ), TENON_OK);
    int far = replace(pair[0]);
    if (_i == 0) { /* by a change: it goes on as one of the new socket's */
        ck_assert_int_eq(watch_it(&old, pair[0], TENON_READ | TENON_WRITE),
                         TENON_OK);
        UNTIL(old.calls);
        ck_assert_uint_eq(old.events, TENON_WRITE);
        ck_assert_int_eq(watch_it(&old, pair[0], TENON_READ), TENON_OK);
        ck_assert_int_eq(send(far, "x", 1, 0), 1);
        UNTIL(old.events == TENON_READ);
    } else { /* by a new one, for which there is no memory at first */
        fail_next(EPOLL_CTL_MOD, ENOMEM);
        ck_assert_int_eq(watch_it(&fresh, pair[0], TENON_READ), -ENOMEM);
        ck_assert_int_eq(failures, 0);
        UNTIL(old.calls);
        ck_assert_uint_eq(old.events, TENON_STALE_WATCH);
        ck_assert(!tenon_watch_is_active(&old.watch));
        ck_assert_int_eq(watch_it(&fresh, pair[0], TENON_READ), TENON_OK);
        ck_assert_int_eq(send(far, "x", 1, 0), 1);
        UNTIL(fresh.calls);
        ck_assert_uint_eq(fresh.events, TENON_READ);
    }
    tenon_watch_stop(&old.watch);
    tenon_watch_stop(&fresh.watch);
    close(pair[0]);
    close(pair[1]);
    close(far);
    end();
}
END_TEST

/* A descriptor that was closed while a duplicate is open, before its watch was
 * stopped: it is reported for ever, by what nobody can end. */
static int make_undead(void)
{
    seen s = {.calls = 0};
    int dead[2];
    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                dead),
                     0);
    ck_assert_int_eq(watch_it(&s, dead[0], TENON_READ), TENON_OK);
    int copy = dup(dead[0]);
    close(dead[0]);
    ck_assert_int_eq(tenon_watch_stop(&s.watch), TENON_EXISTED);
    close(dead[1]); /* it is readable from now on */
    return copy;
}

static uint64_t stale_reports(void)
{
    tenon_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(tenon_reactor_stats(reactor, &stats), TENON_OK);
    return stats.stale_events;
}

static void iterate(int count)
{
    while (count-- > 0) {
        ck_assert_int_eq(tenon_run_once(reactor, TENON_MILLISECOND), TENON_OK);
    }
}

/* The way out is a new epoll, and on it what is not there any more is found:
 * a number without a descriptor, and one with another. */
START_TEST(W08_what_else_is_dead_is_found)
{
    seen gone = {.calls = 0};
    seen live = {.calls = 0};
    int others[2];
    int far = -1;
    native();
    int low = dup(0); /* the number of the new epoll */
    open_pair();
    memcpy(others, pair, sizeof others);
    open_pair();
    ck_assert_int_eq(watch_it(&gone, others[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(watch_it(&live, pair[0], TENON_READ), TENON_OK);
    int copy = make_undead();
    close(low);
    if (_i == 0) {
        close(others[0]);
    } else {
        far = replace(others[0]);
    }
    UNTIL(gone.calls);
    ck_assert_uint_eq(gone.events, TENON_STALE_WATCH);
    uint64_t before = stale_reports();
    ck_assert_uint_le(before, 4);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    UNTIL(live.calls);
    iterate(10);
    ck_assert_uint_eq(stale_reports(), before);
    ck_assert_int_eq(live.calls, 1);
    tenon_watch_stop(&live.watch);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(i == 0 && _i == 0 ? far : others[i]);
    }
    close(copy);
    if (_i == 1) {
        close(far);
    }
    end();
}
END_TEST

/* Nothing is known about them for lack of memory: all stays as it was until
 * the next try. */
START_TEST(W08_no_memory_to_look)
{
    seen live = {.calls = 0};
    native();
    open_pair();
    ck_assert_int_eq(watch_it(&live, pair[0], TENON_READ), TENON_OK);
    int copy = make_undead();
    fail_next(EPOLL_CTL_MOD, ENOMEM);
    UNTIL(failures == 0);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    UNTIL(live.calls);
    ck_assert_uint_eq(live.events, TENON_READ);
    iterate(10);
    uint64_t before = stale_reports();
    iterate(10);
    ck_assert_uint_eq(stale_reports(), before);
    tenon_watch_stop(&live.watch);
    close(pair[0]);
    close(pair[1]);
    close(copy);
    end();
}
END_TEST

/* ---- hosts that cannot be given another descriptor ---- */

static int host_fd;
static int host_closed;

static tenon_status host_open(void *host, tenon_reactor *r, int fd)
{
    (void)host;
    (void)r;
    host_fd = fd;
    return TENON_OK;
}

static void host_close(void *host, tenon_host_closed_fn *done, void *token)
{
    (void)host;
    host_closed++;
    done(token);
}

static tenon_host_ops host_ops = {
    .size = sizeof host_ops, .open = host_open, .close = host_close};

static void hosted(void)
{
    fds_before = count_fds();
    host_closed = 0;
    ck_assert_int_eq(tenon_reactor_attach(&reactor, &host_ops, NULL, &options),
                     TENON_OK);
}

/* By an older table, one with an empty slot, and no table. Told once. */
START_TEST(W08_where_it_does_not_end_it_is_told)
{
    host_ops.size = (uint32_t)(_i == 0 ? offsetof(tenon_host_ops, set_watched)
                                       : sizeof host_ops);
    if (_i < 2) {
        hosted();
    } else {
        foreign();
    }
    int copy = make_undead();
    for (int i = 0; i < 10; i++) {
        enter_once();
    }
    ck_assert_uint_ge(stale_reports(), 9);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, TENON_STALE);
    close(copy);
    enter_once();
    uint64_t before = stale_reports();
    enter_once();
    ck_assert_uint_eq(stale_reports(), before);
    end();
}
END_TEST

/* ---- the epoll itself ---- */

/* Something else stands behind our number: it is not waited for any more. */
START_TEST(H_the_descriptor_was_replaced)
{
    foreign();
    int other = dup(0);
    ck_assert_int_eq(dup2(other, tenon_foreign_fd(reactor)),
                     tenon_foreign_fd(reactor));
    close(other);
    ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_HOST_GONE);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, -EINVAL);
    end();
}
END_TEST

/* ---- several watches of one descriptor ---- */

static seen *changed;
static uint32_t wanted;

static void change_it(seen *s)
{
    s->fn = NULL;
    ck_assert_int_eq(watch_it(changed, pair[0], wanted), TENON_OK);
}

/* A report that waits for its turn goes to who wants it still. */
START_TEST(W_an_interest_changes_before_the_report)
{
    seen first = {.fn = change_it};
    seen other = {.calls = 0};
    changed = &other;
    wanted = _i == 0 ? TENON_READ | TENON_WRITE : TENON_WRITE;
    native();
    open_pair();
    ck_assert_int_eq(watch_it(&first, pair[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(watch_it(&other, pair[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    UNTIL(other.calls);
    ck_assert_uint_eq(other.events, _i == 0 ? TENON_READ : TENON_WRITE);
    tenon_watch_stop(&first.watch);
    tenon_watch_stop(&other.watch);
    close(pair[0]);
    close(pair[1]);
    end();
}
END_TEST

static void change_under_itself(seen *s)
{
    char byte;
    s->fn = NULL;
    enter_once(); /* it is disarmed */
    ck_assert_int_eq(watch_it(s, pair[0], TENON_READ | TENON_WRITE), TENON_OK);
    enter_once();
    ck_assert_int_eq(s->calls, 1);
    ck_assert_int_eq(recv(s->fd, &byte, 1, 0), 1);
}

START_TEST(W_an_interest_changes_while_it_is_on_the_stack)
{
    seen s = {.fn = change_under_itself};
    foreign();
    open_pair();
    ck_assert_int_eq(watch_it(&s, pair[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    ck_assert_int_eq(tenon_reactor_set_budget(reactor, 0, 1), TENON_OK);
    for (int i = 0; i < 5 && s.calls < 2; i++) {
        enter_once();
    }
    ck_assert_int_ge(s.calls, 2);
    ck_assert_uint_eq(s.events, TENON_WRITE);
    tenon_watch_stop(&s.watch);
    close(pair[0]);
    close(pair[1]);
    end();
}
END_TEST

static seen second;

/* It is disarmed, and told of nothing while the other one is. */
static void nest(seen *s)
{
    char byte;
    s->fn = NULL;
    enter_once();
    int before = second.calls;
    enter_once();
    ck_assert_int_eq(s->calls, 1);
    ck_assert_int_gt(second.calls, before);
    (void)!recv(s->fd, &byte, 1, MSG_DONTWAIT);
}

static void leave_it(seen *s)
{
    (void)s;
}

START_TEST(W_one_on_the_stack_and_one_without_interest)
{
    seen first = {.fn = nest};
    seen idle = {.calls = 0};
    second = (seen){.fn = leave_it};
    foreign();
    open_pair();
    ck_assert_int_eq(watch_it(&idle, pair[0], 0), TENON_OK);
    ck_assert_int_eq(watch_it(&first, pair[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(watch_it(&second, pair[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    enter_once();
    ck_assert_int_eq(first.calls, 1);
    ck_assert_int_eq(idle.calls, 0);
    tenon_watch_stop(&second.watch);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    enter_once();
    ck_assert_int_eq(first.calls, 2); /* armed again */
    tenon_watch_stop(&first.watch);
    tenon_watch_stop(&idle.watch);
    close(pair[0]);
    close(pair[1]);
    end();
}
END_TEST

START_TEST(W_finding_one)
{
    seen one = {.calls = 0};
    seen two = {.calls = 0};
    native();
    open_pair();
    ck_assert_int_eq(watch_it(&one, pair[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(watch_it(&two, pair[0], TENON_READ), TENON_OK);
    ck_assert_ptr_eq(tenon_watch_find(reactor, pair[0], on_watch, &two),
                     &two.watch);
    ck_assert_ptr_null(tenon_watch_find(reactor, pair[0], on_watch, NULL));
    ck_assert_ptr_null(tenon_watch_find(reactor, pair[0], NULL, &two));
    ck_assert_ptr_null(tenon_watch_find(reactor, pair[1], on_watch, &two));
    ck_assert_ptr_null(tenon_watch_find(reactor, -1, on_watch, &two));
    ck_assert_ptr_null(tenon_watch_find(reactor, 1 << 20, on_watch, &two));
    tenon_watch_stop(&one.watch);
    tenon_watch_stop(&two.watch);
    close(pair[0]);
    close(pair[1]);
    end();
}
END_TEST

static void count_it(void *user)
{
    ++*(int *)user;
}

/* The reader of what was closed is ended by the one of its successor. */
START_TEST(W_a_reader_of_a_number_that_changed_hands)
{
    int before = 0;
    int after = 0;
    native();
    open_pair();
    ck_assert_int_eq(tenon_add_reader(reactor, pair[0], count_it, &before),
                     TENON_OK);
    int far = replace(pair[0]);
    ck_assert_int_eq(tenon_add_reader(reactor, pair[0], count_it, &after),
                     TENON_OK);
    ck_assert_int_eq(send(far, "x", 1, 0), 1);
    UNTIL(after);
    ck_assert_int_eq(before, 0);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, TENON_STALE);
    ck_assert_int_eq(tenon_remove_reader(reactor, pair[0]), TENON_EXISTED);
    close(pair[0]);
    close(pair[1]);
    close(far);
    end();
}
END_TEST

/* ---- wake-ups ---- */

static int posted;

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)user;
    posted += status == TENON_OK;
}

/* EAGAIN: it is readable already. Any other failure: the next one tries. */
START_TEST(R11_a_wake_up_that_fails)
{
    static const int errors[] = {EAGAIN, ENOMEM, EINTR};
    tenon_post_node posts[2];
    foreign();
    struct pollfd at = {.fd = tenon_foreign_fd(reactor), .events = POLLIN};
    enter_once();
    for (int i = 0; i < 2; i++) {
        tenon_post_init(&posts[i]);
        failure = errors[_i];
        failing_writes = i == 0;
        errno = EDOM;
        ck_assert_int_eq(
            tenon_post(tenon_reactor_inbox(reactor), &posts[i], on_post, NULL),
            TENON_OK);
        ck_assert_int_eq(errno, EDOM);
        ck_assert_int_eq(failing_writes, 0);
        ck_assert_int_eq(poll(&at, 1, 0), errors[_i] == EINTR    ? 1
                                          : errors[_i] == EAGAIN ? 0
                                                                 : i);
    }
    enter_once();
    ck_assert_int_eq(posted, 2);
    end();
}
END_TEST

/* ---- the child of a fork ---- */

static bool in_child;

static void fork_here(void)
{
    int how;
    pid_t pid = fork();
    in_child = pid == 0;
    if (!in_child) {
        ck_assert_int_eq(waitpid(pid, &how, 0), pid);
        ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
}

static void fork_while_disarmed(seen *s)
{
    char byte;
    s->fn = NULL;
    enter_once(); /* it is reported again, and disarmed */
    fork_here();
    if (!in_child) {
        ck_assert_int_eq(recv(s->fd, &byte, 1, 0), 1);
    }
}

/* What unwinds in the child takes nothing from its parent's epoll. */
START_TEST(X15_forked_under_a_disarmed_watch)
{
    seen s = {.fn = fork_while_disarmed};
    foreign();
    open_pair();
    ck_assert_int_eq(watch_it(&s, pair[0], TENON_READ), TENON_OK);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    tenon_status status = tenon_turn(reactor, NULL);
    if (in_child) {
        exit(status == TENON_FORKED && s.calls == 1 ? 0 : 1);
    }
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_int_eq(s.calls, 1);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    enter_once();
    ck_assert_int_eq(s.calls, 2);
    tenon_watch_stop(&s.watch);
    close(pair[0]);
    close(pair[1]);
    end();
}
END_TEST

static int own_signals;

static void on_own_signal(tenon_signal *s, uint32_t count, void *user)
{
    (void)s;
    (void)user;
    own_signals += (int)count;
}

/* The host of a child is left, once; a parent's reactor gets neither its
 * signals nor its posts. */
START_TEST(X15_a_host_in_a_child)
{
    tenon_signal handler;
    tenon_post_node post;
    tenon_turn_result result;
    hosted();
    tenon_signal_init(&handler, reactor);
    tenon_post_init(&post);
    ck_assert_int_eq(
        tenon_signal_start(&handler, SIGUSR1, 0, on_own_signal, NULL),
        TENON_OK);
    enter_once();
    fork_here();
    if (in_child) {
        raise(SIGUSR1);
        bool good = tenon_post(tenon_reactor_inbox(reactor), &post, on_post,
                               NULL) == TENON_FORKED;
        for (int i = 0; i < 2; i++) {
            good = good && host_closed == i;
            good = good && (_i == 0 ? tenon_turn(reactor, NULL)
                                    : tenon_turn_peek(reactor, &result)) ==
                               TENON_FORKED;
        }
        good = good && host_closed == 1;
        exit(good ? 0 : 1);
    }
    ck_assert_int_eq(host_closed, 0);
    enter_once();
    ck_assert_int_eq(own_signals, 0);
    ck_assert_int_eq(posted, 0);
    raise(SIGUSR1);
    enter_once();
    ck_assert_int_eq(own_signals, 1);
    ck_assert_int_eq(tenon_signal_stop(&handler), TENON_EXISTED);
    end();
}
END_TEST

static void add_watches(TCase *tcase)
{
    tcase_add_loop_test(tcase, W_our_own_descriptors, 0, 3);
    tcase_add_test(tcase, W_an_interest_that_cannot_be_had);
    tcase_add_loop_test(tcase, W_a_number_that_changed_hands, 0, 2);
    tcase_add_loop_test(tcase, W08_what_else_is_dead_is_found, 0, 2);
    tcase_add_test(tcase, W08_no_memory_to_look);
    tcase_add_loop_test(tcase, W08_where_it_does_not_end_it_is_told, 0, 3);
    tcase_add_test(tcase, W_one_on_the_stack_and_one_without_interest);
    tcase_add_loop_test(tcase, W_an_interest_changes_before_the_report, 0, 2);
    tcase_add_test(tcase, W_an_interest_changes_while_it_is_on_the_stack);
    tcase_add_test(tcase, W_finding_one);
    tcase_add_test(tcase, W_a_reader_of_a_number_that_changed_hands);
}

int main(void)
{
    Suite *suite = suite_create("loop faults");
    TCase *tcase = tcase_create("loop faults");
    tcase_set_timeout(tcase, 30);
    add_watches(tcase);
    tcase_add_test(tcase, H_the_descriptor_was_replaced);
    tcase_add_loop_test(tcase, R11_a_wake_up_that_fails, 0, 3);
    tcase_add_test(tcase, X15_forked_under_a_disarmed_watch);
    tcase_add_loop_test(tcase, X15_a_host_in_a_child, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
