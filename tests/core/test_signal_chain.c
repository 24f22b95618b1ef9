/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Signals that others handle too: the handler that was there before ours is
 * called when somebody asked for that, whatever kind it is, and is there again
 * when the last of ours has stopped.
 */

#include "side.h"

#include <signal.h>

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
    ck_assert_int_eq(info->si_signo, signo);
    ck_assert_ptr_nonnull(context);
    before_count++;
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

int main(void)
{
    Suite *suite = suite_create("signal-chain");
    TCase *tcase = tcase_create("signal-chain");
    tcase_add_loop_test(tcase, G_the_handler_before_ours, 0, 8);
    tcase_add_loop_test(tcase, G_a_handler_after_ours, 0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
