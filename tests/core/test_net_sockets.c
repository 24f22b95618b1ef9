/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listeners and connectors where the kernel fails them, and sockets that
 * somebody closed behind our back.
 */

#include "net_rig.h"

/* ---- connecting ---- */

static void connect_to(const char *text, const tenon_connect_options *how)
{
    connected = 0;
    ck_assert_int_eq(tenon_connector_start(reactor, NULL, text, as(&near), how),
                     TENON_OK);
}

/* Only a UNIX socket is tried again after EAGAIN: it has no port to lack. */
START_TEST(C_no_port_is_left)
{
    native();
    fail_next(CONNECT, 1, EAGAIN);
    connect_to("tcp:127.0.0.1:1", &told);
    UNTIL(connected);
    ck_assert_int_eq(connect_error, -EAGAIN);
    end();
}
END_TEST

START_TEST(C_no_memory_for_an_attempt)
{
    tenon_connect_options how = told;
    how.attempt_timeout_ns = TENON_SECOND;
    native();
    working_adds = 0;
    failing_adds = 1;
    fail_next(CONNECT, 1, EINPROGRESS);
    connect_to("tcp:127.0.0.1:1", &how);
    UNTIL(connected);
    ck_assert_int_eq(failing_adds, 0);
    ck_assert_int_eq(connect_error, -ENOMEM);
    end();
}
END_TEST

START_TEST(C_no_descriptor_is_left)
{
    native();
    fail_next(SOCKET, 1, EMFILE);
    connect_to("tcp:127.0.0.1:1", &told);
    UNTIL(connected);
    ck_assert_int_eq(connect_error, -EMFILE);
    end();
}
END_TEST

START_TEST(C_from_an_address_that_is_not_ours)
{
    tenon_connect_options how = told;
    how.local = "tcp:192.0.2.1:0";
    native();
    connect_to("tcp:127.0.0.1:1", &how);
    UNTIL(connected);
    ck_assert_int_eq(connect_error, -EADDRNOTAVAIL);
    end();
}
END_TEST

static int full_unix(char *path, size_t len, int clients[4])
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(path, len, "/tmp/tenon-full-%ld", (long)getpid());
    (void)unlink(path);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (int i = 0; i < 4; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(clients[i], (struct sockaddr *)&at, sizeof at);
    }
    return fd;
}

enum { ROOM, SHUT, CHANGED };

/* It is tried again: until there is room, or the number is nobody's, or that
 * of something else, which is left alone. */
START_TEST(C_a_full_backlog)
{
    char path[64];
    char text[80];
    int clients[4];
    native();
    int listener = full_unix(path, sizeof path, clients);
    snprintf(text, sizeof text, "unix:%s", path);
    int number = dup(0);
    close(number); /* of the next socket */
    connect_to(text, &told);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert_int_eq(connected, 0);
    ck_assert_int_ge(fcntl(number, F_GETFD), 0);
    if (_i == ROOM) {
        while (!connected) {
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            ck_assert_int_eq(tenon_run_once(reactor, 5 * TENON_MILLISECOND),
                             TENON_OK);
            close(fd);
            (void)fcntl(listener, F_SETFL, O_NONBLOCK);
        }
        ck_assert_int_eq(connect_error, TENON_OK);
        tenon_transport_abort(near.t);
        UNTIL(is_lost(&near));
        forget(&near);
    } else {
        if (_i == SHUT) {
            close(number);
        } else {
            int other = memfd_create("other", MFD_CLOEXEC);
            ck_assert_int_eq(dup2(other, number), number);
            close(other);
        }
        UNTIL(connected);
        ck_assert_int_eq(connect_error, _i == SHUT ? -EBADF : -ENOTSOCK);
        ck_assert_int_eq(fcntl(number, F_GETFD) >= 0, _i == CHANGED);
    }
    if (_i == CHANGED) {
        close(number);
    }
    for (int i = 0; i < 4; i++) {
        close(clients[i]);
    }
    close(listener);
    (void)unlink(path);
    end();
}
END_TEST

/* ---- listening ---- */

/* Somebody is there, though he takes nobody. */
START_TEST(N17_a_full_listener_is_alive)
{
    char path[64];
    char text[80];
    int clients[4];
    tenon_listener *l = NULL;
    native();
    int listener = full_unix(path, sizeof path, clients);
    snprintf(text, sizeof text, "unix:%s", path);
    ck_assert_int_eq(tenon_listen(reactor, &l, text, as(&near), NULL),
                     TENON_IN_USE);
    for (int i = 0; i < 4; i++) {
        close(clients[i]);
    }
    close(listener);
    /* Now it is stale, and somebody else removes it at the same time. */
    unlinked_first = path;
    ck_assert_int_eq(tenon_listen(reactor, &l, text, as(&near), NULL),
                     TENON_OK);
    unlinked_first = NULL;
    /* So is the file of ours: that is no failure. */
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(tenon_listener_close(l), TENON_OK);
    tenon_listener_unref(l);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(reports, 0);
    end();
}
END_TEST

static int closed;

static void on_closed(tenon_listener *l, void *user)
{
    (void)l;
    (void)user;
    closed++;
}

static tenon_listen_options noting = {
    .size = sizeof noting, .name = "mine", .on_closed = on_closed};

/* The number is nobody's, or not of a socket. While another one of its sockets
 * is there, the listener goes on. */
START_TEST(N_a_listening_socket_is_gone)
{
    static const int errors[] = {EBADF, ENOTSOCK};
    tenon_listener *l;
    tenon_address at;
    native();
    ck_assert_int_eq(
        tenon_listen(reactor, &l, "tcp:127.0.0.1:0", as(&near), &noting),
        TENON_OK);
    ck_assert_int_eq(tenon_listener_address(l, &at), TENON_OK);
    if (_i >= 2) {
        ck_assert_int_eq(tenon_listener_add(l, "tcp:127.0.0.2:0"), TENON_OK);
    }
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    int number = dup(0) - 1 - (_i >= 2); /* of its socket */
    close(number + 1 + (_i >= 2));
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, &at.as.any, at.len), 0);
    fail_next(ACCEPT, 1, errors[_i % 2]);
    UNTIL(reports);
    ck_assert_int_eq(reported, TENON_STALE);
    ck_assert_int_eq(fails.left, 0);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(closed, _i < 2);
    tenon_listener_close(l);
    tenon_listener_unref(l);
    close(client);
    close(number); /* it is not the listener's any more */
    end();
}
END_TEST

/* Both families or none. */
START_TEST(N_the_second_family_fails)
{
    tenon_listener *l = NULL;
    native();
    working_adds = 1;
    failing_adds = 1;
    tenon_status status = tenon_listen(reactor, &l, "tcp:*:0", as(&near), NULL);
    if (failing_adds > 0) { /* a machine of one family */
        failing_adds = 0;
        ck_assert_int_eq(status, TENON_OK);
        tenon_listener_close(l);
        tenon_listener_unref(l);
    } else {
        ck_assert_int_eq(status, -ENOMEM);
        ck_assert_ptr_null(l);
    }
    end();
}
END_TEST

/* What is adopted stays its owner's on failure. */
START_TEST(N10_an_adopted_one_cannot_be_watched)
{
    tenon_listener *l = NULL;
    native();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    working_adds = 0;
    failing_adds = 1;
    ck_assert_int_eq(tenon_listen_adopt(reactor, &l, fd, as(&near), NULL),
                     -ENOMEM);
    ck_assert_ptr_null(l);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    close(fd);
    end();
}
END_TEST

/* A dump says so, and it goes on when there is room. */
START_TEST(R9_a_parked_listener)
{
    tenon_listener *l;
    tenon_address at;
    char dump[4096] = "";
    native();
    ck_assert_int_eq(
        tenon_listen(reactor, &l, "tcp:127.0.0.1:0", as(&near), &noting),
        TENON_OK);
    ck_assert_int_eq(tenon_listener_address(l, &at), TENON_OK);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, &at.as.any, at.len), 0);
    fail_next(ACCEPT, INT32_MAX, EMFILE);
    UNTIL(reports);
    ck_assert_int_eq(reported, -EMFILE);
    FILE *file = fmemopen(dump, sizeof dump, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(dump, ", parked"));
    fail_next(NONE, 0, 0);
    UNTIL(near.t);
    ck_assert_int_eq(reports, 1);
    tenon_listener_close(l);
    tenon_listener_unref(l);
    close(client);
    UNTIL(is_lost(&near));
    forget(&near);
    end();
}
END_TEST

/* ---- closed behind our back ---- */

/* It is found when the engine has to look: see W08 in the tests of the loop. */
START_TEST(P_the_socket_of_a_connection_is_gone)
{
    tenon_watch watch;
    int dead[2];
    native();
    int low = dup(0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, dead),
                     0);
    adopt();
    tenon_watch_init(&watch, reactor, dead[0]);
    ck_assert_int_eq(tenon_watch_start(&watch, TENON_READ, NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(
        tenon_add_reader(reactor, dead[0], (tenon_call_fn *)abort, NULL),
        TENON_OK);
    int copy = dup(dead[0]);
    close(dead[0]);
    ck_assert_int_eq(tenon_remove_reader(reactor, dead[0]), TENON_EXISTED);
    close(dead[1]);
    close(low);
    close(near.peer);
    UNTIL(is_lost(&near));
    ck_assert_int_eq(near.lost, TENON_STALE);
    close(copy);
    finish();
}
END_TEST

START_TEST(P_adopted_twice)
{
    tenon_transport *t = NULL;
    native();
    adopt();
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, near.peer, as(&near)),
                     TENON_OWNED);
    ck_assert_ptr_null(t);
    close_it(&near);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net sockets");
    TCase *tcase = tcase_create("net sockets");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, C_no_port_is_left);
    tcase_add_test(tcase, C_no_memory_for_an_attempt);
    tcase_add_test(tcase, C_no_descriptor_is_left);
    tcase_add_test(tcase, C_from_an_address_that_is_not_ours);
    tcase_add_loop_test(tcase, C_a_full_backlog, 0, 3);
    tcase_add_test(tcase, N17_a_full_listener_is_alive);
    tcase_add_loop_test(tcase, N_a_listening_socket_is_gone, 0, 4);
    tcase_add_test(tcase, N10_an_adopted_one_cannot_be_watched);
    tcase_add_test(tcase, R9_a_parked_listener);
    tcase_add_test(tcase, N_the_second_family_fails);
    tcase_add_test(tcase, P_the_socket_of_a_connection_is_gone);
    tcase_add_test(tcase, P_adopted_twice);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
