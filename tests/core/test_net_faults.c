/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connections where the kernel fails them: calls that answer what they rarely
 * do, and the child of a fork that a callback makes.
 */

#include "net_rig.h"

/* ---- reading and writing ---- */

/* R8: readable again and again, and nothing comes of it. */
START_TEST(R8_ready_without_progress)
{
    native();
    adopt();
    ck_assert_int_eq(write(far, "x", 1), 1);
    fail_next(RECV, INT32_MAX, EAGAIN);
    pending_error = _i == 0 ? 0 : ECONNRESET;
    UNTIL(is_lost(&near));
    fail_next(NONE, 0, 0);
    ck_assert_int_eq(near.lost, _i == 0 ? TENON_NO_PROGRESS : -ECONNRESET);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, near.lost);
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

/* No room at first: it goes with its byte all the same. */
START_TEST(P_a_descriptor_that_has_to_wait)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    native();
    adopt();
    ck_assert_int_eq(tenon_transport_send_fd(near.t, far), TENON_OK);
    fail_next(SENDMSG, 1, EAGAIN);
    ck_assert_int_eq(tenon_transport_write(near.t, "x", 1), TENON_OK);
    UNTIL(recvmsg(far, &message, MSG_DONTWAIT) == 1);
    ck_assert_int_eq(fails.left, 0);
    ck_assert_int_eq(byte, 'x');
    ck_assert_uint_eq(message.msg_controllen, CMSG_SPACE(sizeof(int)));
    int got;
    memcpy(&got, CMSG_DATA(&control.head), sizeof got);
    close(got);
    close_it(&near);
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

/* ---- the child of a fork ---- */

static bool in_child;

static void fork_here(side *s)
{
    int how;
    pid_t pid = fork();
    in_child = pid == 0;
    s->on['D'] = NULL;
    if (!in_child) {
        ck_assert_int_eq(waitpid(pid, &how, 0), pid);
        ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
}

static void fork_and_fail(side *s)
{
    fork_here(s);
    s->answer['D'] = in_child ? -EIO : TENON_OK;
}

/* Out of the first of many bytes, the end of the input, and with a failure. */
START_TEST(X15_a_connection_forks)
{
    enum { BYTES, END, FAILURE };
    static const char text[] = "more than there is room for at a time";
    options.read_buffer_len = 16;
    native();
    near.on['D'] = _i == BYTES     ? fork_here
                   : _i == FAILURE ? fork_and_fail
                                   : NULL;
    near.on['E'] = _i == END ? fork_here : NULL;
    adopt();
    if (_i == END) {
        ck_assert_int_eq(shutdown(far, SHUT_WR), 0);
        ck_assert_int_eq(tenon_transport_write_eof(near.t), TENON_OK);
    } else {
        ck_assert_int_eq(write(far, text, sizeof text), sizeof text);
    }
    tenon_status status = TENON_OK;
    while (near.log_len < 2 && status == TENON_OK) {
        status = tenon_run_once(reactor, TENON_SECOND);
    }
    if (in_child) {
        bool good = near.len == (_i == END ? 0 : 16) &&
                    reports == (_i == FAILURE) && !is_lost(&near) &&
                    !tenon_transport_is_closing(near.t);
        exit(status == TENON_FORKED && good ? 0 : 1);
    }
    if (_i != END) { /* in the parent it is alive */
        UNTIL(near.len == sizeof text);
        ck_assert_mem_eq(near.bytes, text, sizeof text);
        close_it(&near);
    }
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net faults");
    TCase *tcase = tcase_create("net faults");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, R8_ready_without_progress, 0, 2);
    tcase_add_loop_test(tcase, P_descriptors_and_another_protocol, 0, 3);
    tcase_add_test(tcase, P_other_messages_are_not_descriptors);
    tcase_add_loop_test(tcase, P_no_memory_for_descriptors, 0, 2);
    tcase_add_test(tcase, P_a_descriptor_that_has_to_wait);
    tcase_add_loop_test(tcase, B_files_that_have_to_be_read, 0, 2);
    tcase_add_loop_test(tcase, B_a_file_to_nobody, 0, 3);
    tcase_add_loop_test(tcase, O_what_the_kernel_says_of_an_option, 0, 3);
    tcase_add_loop_test(tcase, X15_a_connection_forks, 0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
