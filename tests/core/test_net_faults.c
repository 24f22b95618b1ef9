/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connections where the kernel fails them: calls that answer what they rarely
 * do, and descriptors that somebody closed.
 */

#include "side.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- calls of the library's that fail ---- */

enum call { NONE, ACCEPT, CONNECT, RECV, RECVMSG, SENDFILE, SETSOCKOPT };

static struct {
    enum call call;
    int left;
    int error;
} fails;

static bool is_due(enum call call)
{
    if (fails.call != call || fails.left == 0) {
        return false;
    }
    fails.left--;
    errno = fails.error;
    return true;
}

static void fail_next(enum call call, int count, int error)
{
    fails.call = call;
    fails.left = count;
    fails.error = error;
}

int accept4(int fd, __SOCKADDR_ARG name, socklen_t *len, int flags)
{
    return is_due(ACCEPT)
               ? -1
               : (int)syscall(SYS_accept4, fd, name.__sockaddr__, len, flags);
}

int connect(int fd, __CONST_SOCKADDR_ARG name, socklen_t len)
{
    return is_due(CONNECT)
               ? -1
               : (int)syscall(SYS_connect, fd, name.__sockaddr__, len);
}

ssize_t recv(int fd, void *to, size_t len, int flags)
{
    return is_due(RECV) ? -1
                        : syscall(SYS_recvfrom, fd, to, len, flags, NULL, NULL);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return is_due(RECVMSG) ? -1 : syscall(SYS_recvmsg, fd, message, flags);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t len)
{
    return is_due(SENDFILE) ? -1 : syscall(SYS_sendfile, to, from, offset, len);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    return is_due(SETSOCKOPT)
               ? -1
               : (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

static const char *unlinked_first; /* by somebody else */

int unlink(const char *path)
{
    if (unlinked_first && strcmp(path, unlinked_first) == 0) {
        (void)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    }
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static int failing_adds; /* of epoll, behind so many that work */
static int working_adds;

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && failing_adds > 0 && working_adds-- <= 0) {
        failing_adds--;
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* ---- two ends, of which the far one is the test's ---- */

static side near;
static int far;

static void adopt_kind(int domain, const tenon_protocol_ops *ops)
{
    int fds[2];
    tenon_transport *t;
    tenon_factory factory = tenon_factory_of(ops);
    factory.shared.self = &near;
    ck_assert_int_eq(
        socketpair(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], factory),
                     TENON_OK);
    near.peer = fds[0];
    far = fds[1];
    UNTIL(near.t);
}

static void adopt(void)
{
    adopt_kind(AF_UNIX, &side_ops);
}

static void finish(void)
{
    UNTIL(is_lost(&near));
    close(far);
    forget(&near);
    end();
}

/* ---- reading and writing ---- */

/* R8: readable again and again, and nothing comes of it. */
START_TEST(R8_ready_without_progress)
{
    native();
    adopt();
    ck_assert_int_eq(write(far, "x", 1), 1);
    fail_next(RECV, INT32_MAX, EAGAIN);
    UNTIL(is_lost(&near));
    fail_next(NONE, 0, 0);
    ck_assert_int_eq(near.lost, TENON_NO_PROGRESS);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, TENON_NO_PROGRESS);
    finish();
}
END_TEST

static int got_fds;

static tenon_status on_fd(void *self, tenon_transport *t, int fd)
{
    (void)self;
    (void)t;
    close(fd);
    got_fds++;
    return TENON_OK;
}

static const tenon_protocol_ops with_fds = {.size = sizeof with_fds,
                                            .connection_made = on_made,
                                            .data_received = on_data,
                                            .connection_lost = on_lost,
                                            .fd_received = on_fd};

static tenon_protocol_ops next_ops;

static tenon_status on_first_fd(void *self, tenon_transport *t, int fd)
{
    close(fd);
    got_fds++;
    ck_assert_int_eq(
        tenon_transport_set_protocol(t, (tenon_protocol){&next_ops, self}),
        TENON_OK);
    return TENON_OK;
}

static const tenon_protocol_ops leaving = {.size = sizeof leaving,
                                           .connection_made = on_made,
                                           .connection_lost = on_lost,
                                           .fd_received = on_first_fd};

static void send_fds(int count)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)"x", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen =
                                 CMSG_SPACE((size_t)count * sizeof(int))};
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    for (int i = 0; i < count; i++) {
        memcpy(CMSG_DATA(&control.head) + (size_t)i * sizeof(int), &far,
               sizeof far);
    }
    ck_assert_int_eq(sendmsg(far, &message, 0), 1);
}

/* The rest of them goes to a protocol that has no use for it, whether its
 * table is too short, has an empty slot, or has one: then it is closed. */
START_TEST(P_descriptors_and_another_protocol)
{
    native();
    next_ops = with_fds;
    next_ops.size =
        (uint32_t)(_i == 0 ? offsetof(tenon_protocol_ops, fd_received)
                           : sizeof next_ops);
    next_ops.fd_received = _i == 1 ? NULL : on_fd;
    adopt_kind(AF_UNIX, &leaving);
    send_fds(3);
    UNTIL(near.len == 1);
    ck_assert_int_eq(got_fds, _i == 2 ? 3 : 1);
    close_it(&near);
    finish(); /* counts descriptors */
}
END_TEST

/* Who asks for credentials is sent a message that is not about descriptors. */
START_TEST(P_other_messages_are_not_descriptors)
{
    int one = 1;
    native();
    adopt_kind(AF_UNIX, &with_fds);
    ck_assert_int_eq(
        setsockopt(near.peer, SOL_SOCKET, SO_PASSCRED, &one, sizeof one), 0);
    fail_next(RECVMSG, 1, EINTR);
    ck_assert_int_eq(write(far, "x", 1), 1);
    UNTIL(near.len == 1);
    ck_assert_int_eq(fails.left, 0);
    ck_assert_int_eq(got_fds, 0);
    close_it(&near);
    finish();
}
END_TEST

/* Nothing is read that there is no room for: the buffer, or the descriptors. */
START_TEST(P_no_memory_for_descriptors)
{
    native();
    adopt_kind(AF_UNIX, &with_fds);
    send_fds(1);
    fail_at = _i;
    UNTIL(is_lost(&near));
    fail_at = -1;
    ck_assert_int_eq(near.lost, TENON_NO_MEMORY);
    ck_assert_int_eq(got_fds, 0);
    finish();
}
END_TEST

/* ---- files ---- */

static int file_of(size_t len)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    char *bytes = pattern(len);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    free(bytes);
    return fd;
}

static int sent_status = 1;

static void on_sent(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)user;
    sent_status = status;
}

static size_t read_far(char *to, size_t room)
{
    size_t len = 0;
    ssize_t got;
    while (len < room && (got = read(far, to + len, room - len)) > 0) {
        len += (size_t)got;
    }
    return len;
}

/* What cannot be sent from a file is read from it, piece by piece. */
START_TEST(B_files_that_have_to_be_read)
{
    enum { LEN = 200000 };
    static const int errors[] = {EINVAL, ENOSYS};
    char *got = malloc(LEN);
    char *wanted = pattern(LEN);
    size_t len = 0;
    native();
    adopt();
    int file = file_of(LEN);
    fail_next(SENDFILE, 1, errors[_i]);
    ck_assert_int_ge(
        tenon_transport_send_file(near.t, file, 0, LEN, on_sent, NULL), 0);
    UNTIL((len += read_far(got + len, LEN - len)) == LEN);
    ck_assert_int_eq(fails.left, 0);
    ck_assert_mem_eq(got, wanted, LEN);
    UNTIL(sent_status == TENON_OK);
    close(file);
    close_it(&near);
    finish();
    free(got);
    free(wanted);
}
END_TEST

/* A SIGPIPE of ours is nobody's; one that waited before, or that is blocked,
 * is left as it was. */
START_TEST(B_a_file_to_nobody)
{
    sigset_t pipe_only;
    sigset_t pending;
    bool blocked = _i > 0;
    bool before = _i == 2;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    native();
    adopt();
    int file = file_of(1000);
    pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &pipe_only, NULL);
    if (before) {
        raise(SIGPIPE);
    }
    ck_assert_int_eq(shutdown(far, SHUT_RD), 0);
    ck_assert_int_ge(
        tenon_transport_send_file(near.t, file, 0, 1000, on_sent, NULL), 0);
    UNTIL(is_lost(&near));
    ck_assert_int_eq(near.lost, -EPIPE);
    ck_assert_int_eq(sent_status, -EPIPE);
    sigpending(&pending);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), before);
    pthread_sigmask(SIG_SETMASK, NULL, &pending);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), blocked);
    close(file);
    finish();
}
END_TEST

/* ---- options ---- */

START_TEST(O_what_the_kernel_says_of_an_option)
{
    static const struct {
        int error;
        tenon_status told;
    } answers[] = {{EOPNOTSUPP, TENON_NOT_SUPPORTED},
                   {ENOPROTOOPT, TENON_NOT_SUPPORTED},
                   {ENOBUFS, -ENOBUFS}};
    const tenon_keepalive keepalive = {.size = sizeof keepalive};
    const tenon_keepalive shorter = {.size = sizeof keepalive - 1};
    native();
    adopt();
    fail_next(SETSOCKOPT, 1, answers[_i].error);
    ck_assert_int_eq(tenon_transport_set_buffers(near.t, 5000, 0),
                     answers[_i].told);
    ck_assert_int_eq(tenon_transport_set_buffers(near.t, 5000, 5000), TENON_OK);
    fail_next(SETSOCKOPT, 1, answers[_i].error);
    ck_assert_int_eq(tenon_transport_set_keepalive(near.t, &keepalive),
                     answers[_i].told);
    ck_assert_int_eq(tenon_transport_set_keepalive(near.t, &shorter),
                     TENON_INVALID);
    close_it(&near);
    finish();
}
END_TEST

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

/* ---- the child of a fork ---- */

static bool in_child;

static void fork_here(side *s)
{
    int how;
    (void)s;
    pid_t pid = fork();
    in_child = pid == 0;
    if (!in_child) {
        ck_assert_int_eq(waitpid(pid, &how, 0), pid);
        ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
}

/* Out of the bytes, the end of the input, and a refusal. */
START_TEST(X15_a_connection_forks)
{
    native();
    near.on[_i == 1 ? 'E' : 'D'] = fork_here;
    adopt();
    if (_i == 1) {
        ck_assert_int_eq(shutdown(far, SHUT_WR), 0);
        ck_assert_int_eq(tenon_transport_write_eof(near.t), TENON_OK);
    } else {
        ck_assert_int_eq(write(far, "x", 1), 1);
    }
    tenon_status status = TENON_OK;
    while (near.log_len < 2 && status == TENON_OK) {
        status = tenon_run_once(reactor, TENON_SECOND);
    }
    if (in_child) {
        exit(status == TENON_FORKED && !is_lost(&near) ? 0 : 1);
    }
    near.on['D'] = NULL;
    if (_i == 0) { /* it is alive in the parent */
        ck_assert_int_eq(write(far, "y", 1), 1);
        UNTIL(near.len == 2);
        close_it(&near);
    }
    finish();
}
END_TEST

static void add_sockets(TCase *tcase)
{
    tcase_add_test(tcase, C_no_port_is_left);
    tcase_add_test(tcase, C_no_memory_for_an_attempt);
    tcase_add_test(tcase, C_from_an_address_that_is_not_ours);
    tcase_add_loop_test(tcase, C_a_full_backlog, 0, 3);
    tcase_add_test(tcase, N17_a_full_listener_is_alive);
    tcase_add_loop_test(tcase, N_a_listening_socket_is_gone, 0, 4);
    tcase_add_test(tcase, N_the_second_family_fails);
    tcase_add_test(tcase, P_the_socket_of_a_connection_is_gone);
    tcase_add_test(tcase, P_adopted_twice);
}

int main(void)
{
    Suite *suite = suite_create("net faults");
    TCase *tcase = tcase_create("net faults");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, R8_ready_without_progress);
    tcase_add_loop_test(tcase, P_descriptors_and_another_protocol, 0, 3);
    tcase_add_test(tcase, P_other_messages_are_not_descriptors);
    tcase_add_loop_test(tcase, P_no_memory_for_descriptors, 0, 2);
    tcase_add_loop_test(tcase, B_files_that_have_to_be_read, 0, 2);
    tcase_add_loop_test(tcase, B_a_file_to_nobody, 0, 3);
    tcase_add_loop_test(tcase, O_what_the_kernel_says_of_an_option, 0, 3);
    add_sockets(tcase);
    tcase_add_loop_test(tcase, X15_a_connection_forks, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
