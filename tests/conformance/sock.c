/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * W12, socket calls that wait: what they take when they are cancelled, and
 * that they do all of it when they are not.
 */

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "task_rig.h"

enum { MUCH = 1000000 };

static int ends[2];

static tenon_status recv_three(void *user)
{
    char text[8];
    size_t len = 0;
    size_t got = 1;
    (void)user;
    while (len < 3 && got > 0) { /* in a sweep it may come in parts */
        TENON_TRY(
            tenon_sock_recv(ends[0], text + len, sizeof text - len, &got));
        len += got;
        REQUIRE(len == 3 || rig_swept());
    }
    REQUIRE_EQ(len, 3);
    REQUIRE(memcmp(text, "abc", 3) == 0);
    return TENON_OK;
}

static tenon_status cancel_recv(void *user)
{
    (void)user;
    tenon_task *first = spawn(recv_three, NULL);
    TENON_TRY(tenon_yield());
    TENON_TRY(tenon_yield());
    cancel_waiting(first);
    REQUIRE(tenon_watch_find(rig.reactor, ends[0], NULL, NULL) == NULL);
    REQUIRE(write(ends[1], "abc", 3) == 3);
    REQUIRE_STATUS(tenon_join(first), TENON_CANCELLED);
    tenon_task_unref(first);
    tenon_task *second = spawn(recv_three, NULL);
    REQUIRE_OK(tenon_join(second));
    tenon_task_unref(second);
    return TENON_OK;
}

static void open_pair(void)
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                       ends) == 0);
}

static void close_pair(void)
{
    close(ends[0]);
    close(ends[1]);
}

static void w12_a_cancelled_receive_takes_nothing(void)
{
    open_pair();
    require_end(spawn(cancel_recv, NULL), TENON_OK);
    close_pair();
}

static tenon_status send_much(void *user)
{
    static char much[MUCH];
    size_t sent = 0;
    (void)user;
    tenon_status status = tenon_sock_send_all(ends[0], much, MUCH, &sent);
    REQUIRE(status == TENON_OK ? sent == MUCH : sent < MUCH);
    if (status < 0 && status != TENON_CANCELLED) {
        shutdown(ends[0], SHUT_WR); /* who receives need not wait */
        return status;
    }
    REQUIRE(sent > 0);
    TENON_TRY(tenon_return_int((int64_t)sent));
    return status;
}

static tenon_status recv_much(void *user)
{
    static char room[65536];
    int64_t sum = 0;
    size_t got = 0;
    (void)user;
    while (sum < MUCH) {
        TENON_TRY(tenon_sock_recv(ends[1], room, sizeof room, &got));
        if (got == 0) {
            return tenon_raise(TENON_ENDED, "the sender is gone");
        }
        sum += (int64_t)got;
    }
    return tenon_return_int(sum);
}

static void w12_sends_all(void)
{
    open_pair();
    tenon_task *sender = spawn(send_much, NULL);
    require_number(spawn(recv_much, NULL), MUCH);
    require_number(sender, MUCH);
    sender = spawn(send_much, NULL);
    rig_settle();
    cancel_waiting(sender);
    require_end(sender, TENON_CANCELLED);
    close_pair();
}

static tenon_status wait_ready(void *user)
{
    uint32_t ready = 0;
    (void)user;
    REQUIRE_STATUS(tenon_await_ready(ends[0], TENON_ONESHOT, &ready),
                   TENON_INVALID);
    REQUIRE_OK(tenon_await_ready(ends[0], TENON_READ | TENON_WRITE, &ready));
    REQUIRE_EQ(ready, TENON_WRITE);
    TENON_TRY(tenon_await_ready(ends[0], TENON_READ, &ready));
    REQUIRE_EQ(ready & TENON_READ, TENON_READ);
    return TENON_OK;
}

static void w12_readiness(void)
{
    open_pair();
    tenon_task *task = spawn(wait_ready, NULL);
    rig_settle();
    REQUIRE(!tenon_task_is_done(task));
    REQUIRE(write(ends[1], "x", 1) == 1);
    require_end(task, TENON_OK);
    close_pair();
}

static int listening;

static tenon_status accept_one(void *user)
{
    int fd = -1;
    tenon_address from;
    char text[4];
    size_t got = 0;
    (void)user;
    TENON_TRY(tenon_sock_accept(listening, &fd, &from));
    tenon_status status = tenon_sock_recv(fd, text, sizeof text, &got);
    close(fd);
    return status < 0 ? status : tenon_return_int((int64_t)got);
}

static tenon_status connect_one(void *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    tenon_status status = tenon_sock_connect(fd, address);
    if (status == TENON_OK) {
        status = tenon_sock_send_all(fd, "hi", 2, NULL);
    }
    close(fd);
    return status;
}

static void listen_at(tenon_address *address)
{
    REQUIRE_OK(tenon_address_parse(address, "tcp:127.0.0.1:0"));
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(bind(listening, &address->as.any, address->len) == 0);
    REQUIRE(listen(listening, 5) == 0);
    REQUIRE(getsockname(listening, &address->as.any, &address->len) == 0);
}

static void w12_accepts_and_connects(void)
{
    tenon_address address;
    listen_at(&address);
    tenon_task *cancelled = spawn(accept_one, NULL);
    rig_settle();
    cancel_waiting(cancelled);
    require_end(cancelled, TENON_CANCELLED);
    tenon_task *accepting = spawn(accept_one, NULL);
    require_end(spawn(connect_one, &address), TENON_OK);
    require_number(accepting, 2);
    close(listening);
    require_end(spawn(connect_one, &address), -ECONNREFUSED);
}

static tenon_status send_datagram(void *to)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    tenon_status status = tenon_sock_send_to(fd, "12345", 5, to);
    close(fd);
    return status;
}

static tenon_status recv_datagram(void *user)
{
    char text[3];
    size_t got = 0;
    tenon_address from;
    (void)user;
    TENON_TRY(tenon_sock_recv_from(listening, text, sizeof text, &got, &from));
    REQUIRE_EQ(from.kind, TENON_ADDRESS_TCP);
    REQUIRE(memcmp(text, "123", 3) == 0);
    return tenon_return_int((int64_t)got);
}

static void w12_datagrams(void)
{
    tenon_address address;
    REQUIRE_OK(tenon_address_parse(&address, "tcp:127.0.0.1:0"));
    listening = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(bind(listening, &address.as.any, address.len) == 0);
    REQUIRE(getsockname(listening, &address.as.any, &address.len) == 0);
    tenon_task *receiver = spawn(recv_datagram, NULL);
    require_end(spawn(send_datagram, &address), TENON_OK);
    require_number(receiver, 5);
    close(listening);
}

static const rig_case cases[] = {
    {"W12", "a cancelled receive takes nothing",
     w12_a_cancelled_receive_takes_nothing, 0},
    {"W12e", "waiting for a descriptor to be ready", w12_readiness, 0},
    {"W12b", "all is sent, or it is told how much", w12_sends_all, 0},
    {"W12c", "accepting and connecting", w12_accepts_and_connects, NEED_TIME},
    {"W12d", "datagrams", w12_datagrams, NEED_TIME},
};

const rig_group rig_sock = RIG_GROUP(cases);
