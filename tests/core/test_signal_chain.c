/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Signals that others handle too: the handler that was there before ours is
 * called when somebody asked for that, whatever kind it is, and is there again
 * when the last of ours has stopped. And what a handler may meet.
 *
 * ctest: labels=threads
 */

#include "side.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <tenon/foreign.h>

static int before_count;
static int own_count;
static int other_count;

static void before_plain(int signo)
{
    (void)signo;
    before_count++;
}

static void before_info(int signo, siginfo_t *info, void *context)
{
    before_count += info->si_signo == signo && context ? 1 : 100;
}

static void on_own(tenon_signal *signal, uint32_t count, void *user)
{
    (void)signal;
    (void)user;
    own_count += (int)count;
}

static void on_other(void *user)
{
    (void)user;
    other_count++;
}

static struct sigaction of_kind(int kind)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    if (kind == 0) {
        action.sa_handler = before_plain;
    } else if (kind == 1) {
        action.sa_sigaction = before_info;
        action.sa_flags = SA_SIGINFO;
    } else {
        action.sa_handler = kind == 2 ? SIG_IGN : SIG_DFL;
    }
    return action;
}

/* Two signals of ours, of which one is wanted, and PEP 3156's handler of a
 * third; the default action of SIGUSR1 would end us. */
START_TEST(G_the_handler_before_ours)
{
    const struct sigaction before = of_kind(_i / 2);
    struct sigaction after;
    tenon_signal first;
    tenon_signal second;
    tenon_signal another;
    before_count = own_count = other_count = 0;
    native();
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
    tenon_signal_init(&first, reactor);
    tenon_signal_init(&second, reactor);
    tenon_signal_init(&another, reactor);
    uint32_t flags = _i % 2 ? TENON_SIGNAL_CHAIN : 0;
    ck_assert_int_eq(tenon_signal_start(&first, SIGUSR1, flags, on_own, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_signal_start(&second, SIGUSR1, 0, on_own, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_signal_start(&another, SIGUSR2, 0, on_own, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_add_signal_handler(reactor, SIGHUP, on_other, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_remove_signal_handler(reactor, SIGUSR1), TENON_OK);
    raise(SIGUSR1);
    raise(SIGHUP);
    UNTIL(own_count == 2 && other_count == 1);
    ck_assert_int_eq(before_count, _i % 2 && _i / 2 < 2 ? 1 : 0);
    ck_assert_int_eq(tenon_signal_stop(&second), TENON_EXISTED);
    ck_assert_int_eq(tenon_signal_stop(&first), TENON_EXISTED);
    ck_assert_int_eq(tenon_signal_stop(&another), TENON_EXISTED);
    ck_assert_int_eq(tenon_remove_signal_handler(reactor, SIGHUP),
                     TENON_EXISTED);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &after), 0);
    ck_assert(after.sa_handler == before.sa_handler);
    end();
}
END_TEST

/* Somebody replaced our handler: his stays. */
START_TEST(G_a_handler_after_ours)
{
    const struct sigaction his = of_kind(_i);
    const struct sigaction none = of_kind(3);
    struct sigaction after;
    tenon_signal ours;
    native();
    ck_assert_int_eq(sigaction(SIGUSR1, &none, NULL), 0);
    tenon_signal_init(&ours, reactor);
    ck_assert_int_eq(tenon_signal_start(&ours, SIGUSR1, 0, on_own, NULL),
                     TENON_OK);
    ck_assert_int_eq(sigaction(SIGUSR1, &his, NULL), 0);
    ck_assert_int_eq(tenon_signal_stop(&ours), TENON_EXISTED);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &after), 0);
    ck_assert(after.sa_handler == his.sa_handler);
    end();
}
END_TEST

/* Two reactors want the same signal, and the old handler both. */
START_TEST(G_two_reactors)
{
    const struct sigaction before = of_kind(0);
    tenon_reactor *other = NULL;
    tenon_signal ours;
    tenon_signal others;
    struct sigaction after;
    before_count = own_count = 0;
    native();
    ck_assert_int_eq(tenon_reactor_new(&other, &options), TENON_OK);
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
    tenon_signal_init(&ours, reactor);
    tenon_signal_init(&others, other);
    ck_assert_int_eq(
        tenon_signal_start(&ours, SIGUSR1, TENON_SIGNAL_CHAIN, on_own, NULL),
        TENON_OK);
    ck_assert_int_eq(
        tenon_signal_start(&others, SIGUSR1, TENON_SIGNAL_CHAIN, on_own, NULL),
        TENON_OK);
    raise(SIGUSR1);
    ck_assert_int_eq(before_count, 1);
    UNTIL(own_count == 1);
    ck_assert_int_eq(tenon_run_once(other, 0), TENON_OK);
    ck_assert_int_eq(own_count, 2);
    /* The first that came goes first; the other one has it still. */
    ck_assert_int_eq(tenon_signal_stop(&ours), TENON_EXISTED);
    raise(SIGUSR1);
    ck_assert_int_eq(tenon_run_once(other, 0), TENON_OK);
    ck_assert_int_eq(own_count, 3);
    ck_assert_int_eq(tenon_signal_stop(&others), TENON_EXISTED);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &after), 0);
    ck_assert(after.sa_handler == before.sa_handler);
    tenon_reactor_unref(other);
    end();
}
END_TEST

/* ---- the system fails us ---- */

static int setting_fails; /* errno */
static int asking_fails;

int sigaction(int signo, const struct sigaction *action,
              struct sigaction *before)
{
    union {
        void *found;
        int (*call)(int, const struct sigaction *, struct sigaction *);
    } real = {.found = dlsym(RTLD_NEXT, "sigaction")};
    int error = action ? setting_fails : asking_fails;
    if (error) {
        errno = error;
        return -1;
    }
    return real.call(signo, action, before);
}

START_TEST(G_a_handler_that_cannot_be_set)
{
    tenon_signal ours;
    native();
    tenon_signal_init(&ours, reactor);
    /* One of those that libc keeps for itself. */
    ck_assert_int_eq(tenon_signal_start(&ours, 32, 0, on_own, NULL),
                     TENON_INVALID);
    setting_fails = EPERM;
    ck_assert_int_eq(tenon_signal_start(&ours, SIGUSR1, 0, on_own, NULL),
                     -EPERM);
    setting_fails = 0;
    ck_assert(!tenon_signal_is_active(&ours));
    ck_assert_int_eq(tenon_signal_start(&ours, SIGUSR1, 0, on_own, NULL),
                     TENON_OK);
    own_count = 0;
    raise(SIGUSR1);
    UNTIL(own_count == 1);
    /* Whose it is cannot be told: then it stays, and does nothing. */
    asking_fails = EINVAL;
    ck_assert_int_eq(tenon_signal_stop(&ours), TENON_EXISTED);
    asking_fails = 0;
    raise(SIGUSR1);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(own_count, 1);
    end();
}
END_TEST

/* ---- a handler in another thread, in the middle of the table ---- */

static atomic_bool entered;
static atomic_bool yielded;
static atomic_bool stalling;

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (atomic_load(&stalling)) {
        atomic_store(&entered, true);
        while (!atomic_load(&yielded)) {
        }
    }
    return syscall(SYS_write, fd, bytes, len);
}

int sched_yield(void)
{
    atomic_store(&yielded, true);
    return (int)syscall(SYS_sched_yield);
}

static void *raise_here(void *user)
{
    (void)user;
    (void)pthread_kill(pthread_self(), SIGUSR1);
    return NULL;
}

/* Nothing is freed before it has left. */
START_TEST(G_stopped_under_a_handler)
{
    pthread_t thread;
    tenon_signal ours;
    own_count = 0;
    native();
    tenon_signal_init(&ours, reactor);
    ck_assert_int_eq(tenon_signal_start(&ours, SIGUSR1, 0, on_own, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    atomic_store(&stalling, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, raise_here, NULL), 0);
    while (!atomic_load(&entered)) {
    }
    ck_assert_int_eq(tenon_signal_stop(&ours), TENON_EXISTED);
    ck_assert(atomic_load(&yielded));
    atomic_store(&stalling, false);
    pthread_join(thread, NULL);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(own_count, 0);
    end();
}
END_TEST

/* ---- a handler that runs its host ---- */

static int inside;

static void on_nested(tenon_signal *signal, uint32_t count, void *user)
{
    (void)signal;
    (void)user;
    ck_assert_int_eq(inside, 0);
    inside = 1;
    if (own_count == 0) {
        raise(SIGUSR1);
        ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
        ck_assert_int_eq(own_count, 0);
    }
    own_count += (int)count;
    inside = 0;
}

/* It is told of what came meanwhile, but not while it is on the stack. */
START_TEST(G_a_handler_runs_the_loop)
{
    tenon_signal ours;
    own_count = 0;
    fds_before = count_fds();
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    tenon_signal_init(&ours, reactor);
    ck_assert_int_eq(tenon_signal_start(&ours, SIGUSR1, 0, on_nested, NULL),
                     TENON_OK);
    raise(SIGUSR1);
    ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
    ck_assert_int_eq(own_count, 2);
    ck_assert_int_eq(tenon_signal_stop(&ours), TENON_EXISTED);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("signal-chain");
    TCase *tcase = tcase_create("signal-chain");
    tcase_add_loop_test(tcase, G_the_handler_before_ours, 0, 8);
    tcase_add_loop_test(tcase, G_a_handler_after_ours, 0, 3);
    tcase_add_test(tcase, G_two_reactors);
    tcase_add_test(tcase, G_a_handler_that_cannot_be_set);
    tcase_add_test(tcase, G_stopped_under_a_handler);
    tcase_add_test(tcase, G_a_handler_runs_the_loop);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
