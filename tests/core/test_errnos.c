/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What a listener makes of the failures of its system calls, which are
 * replaced here: connections that were gone before they were accepted are
 * passed over, and an address family that the machine has not is left out.
 */

#include "side.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int accept_error;    /* of the next one; 0: none */
static int socket_error[2]; /* of IPv4, IPv6 */
static int bind_failures;   /* so many EADDRINUSE follow */

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *len, int flags)
{
    if (accept_error) {
        errno = accept_error;
        accept_error = 0;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address.__sockaddr__, len, flags);
}

int socket(int family, int type, int protocol)
{
    int error = socket_error[family == AF_INET6];
    if (error && (family == AF_INET || family == AF_INET6)) {
        errno = error;
        return -1;
    }
    return (int)syscall(SYS_socket, family, type, protocol);
}

int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
    const struct sockaddr *at = address.__sockaddr__;
    if (bind_failures > 0 && at->sa_family == AF_INET) {
        bind_failures--;
        errno = EADDRINUSE;
        return -1;
    }
    return (int)syscall(SYS_bind, fd, at, len);
}

static const int passing[] = {EINTR,       ECONNABORTED, EPROTO, ENETDOWN,
                              ENOPROTOOPT, EHOSTDOWN,    ENONET, EHOSTUNREACH,
                              EPERM,       ENETUNREACH};
enum { PASSING = sizeof passing / sizeof passing[0] };

START_TEST(S_a_connection_that_is_gone_is_passed_over)
{
    static side a;
    static side b;
    native();
    accept_error = passing[_i];
    tenon_listener *l = join(&a, &b, "tcp:127.0.0.1:0");
    UNTIL(a.t && b.t);
    ck_assert_int_eq(accept_error, 0);
    ck_assert_int_eq(reports, 0);
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    end();
}
END_TEST

static const int missing[] = {EAFNOSUPPORT, EADDRNOTAVAIL, EPROTONOSUPPORT};

/* One of the two families is not there. */
START_TEST(S_any_address_without_a_family)
{
    static side none;
    tenon_listener *l = NULL;
    native();
    socket_error[_i / 3] = missing[_i % 3];
    ck_assert_int_eq(tenon_listen(reactor, &l, "tcp:*:0", as(&none), NULL),
                     TENON_OK);
    ck_assert_uint_eq(tenon_listener_address_count(l), 1);
    tenon_listener_close(l);
    tenon_listener_unref(l);
    end();
}
END_TEST

START_TEST(S_any_address_without_both)
{
    static side none;
    tenon_listener *l = NULL;
    native();
    socket_error[0] = EAFNOSUPPORT;
    socket_error[1] = _i ? EMFILE : EAFNOSUPPORT;
    ck_assert_int_eq(tenon_listen(reactor, &l, "tcp:*:0", as(&none), NULL),
                     _i ? -EMFILE : -EAFNOSUPPORT);
    ck_assert_ptr_null(l);
    end();
}
END_TEST

/* The second family fails for good: nothing is left of the first. */
START_TEST(S_any_address_with_half_a_failure)
{
    static side none;
    tenon_listener *l = NULL;
    native();
    socket_error[0] = EMFILE;
    ck_assert_int_eq(tenon_listen(reactor, &l, "tcp:*:0", as(&none), NULL),
                     -EMFILE);
    ck_assert_ptr_null(l);
    end();
}
END_TEST

/* The port that one family got is taken in the other: another is tried. */
START_TEST(S_any_address_tries_another_port)
{
    static side none;
    tenon_listener *l = NULL;
    native();
    bind_failures = _i ? 1000 : 2;
    tenon_status status = tenon_listen(reactor, &l, "tcp:*:0", as(&none), NULL);
    ck_assert_int_eq(status, _i ? -EADDRINUSE : TENON_OK);
    if (l) {
        tenon_listener_close(l);
        tenon_listener_unref(l);
    }
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("errnos");
    TCase *tcase = tcase_create("errnos");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, S_a_connection_that_is_gone_is_passed_over, 0,
                        PASSING);
    tcase_add_loop_test(tcase, S_any_address_without_a_family, 0, 6);
    tcase_add_loop_test(tcase, S_any_address_without_both, 0, 2);
    tcase_add_test(tcase, S_any_address_with_half_a_failure);
    tcase_add_loop_test(tcase, S_any_address_tries_another_port, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
