/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A program that goes on calling hiredis itself, on every host: what hiredis'
 * own adapters get wrong, and what only a program can do to a context.
 *
 * ctest: timeout=180
 */

#include <sys/epoll.h>
#include <sys/syscall.h>

#include "server.h"

/* ---- a kernel that says no ---- */

static int refused_fd = -1;

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
    __attribute__((visibility("default")));

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (fd == refused_fd && op == EPOLL_CTL_MOD) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* ---- a program ---- */

static redis_server server;
static redisAsyncContext *context;

static struct {
    int connects;
    int connect_status;
    int disconnects;
    int disconnect_status;
    int replies;
    int nulls;
    int last_integer;
    void (*on_reply)(redisAsyncContext *context);
} seen;

static void on_connect(const redisAsyncContext *c, int status)
{
    (void)c;
    seen.connects++;
    seen.connect_status = status;
}

static void on_disconnect(const redisAsyncContext *c, int status)
{
    (void)c;
    seen.disconnects++;
    seen.disconnect_status = status;
    context = NULL;
}

static void on_reply(redisAsyncContext *c, void *data, void *user)
{
    redisReply *reply = data;
    (void)user;
    seen.replies += reply != NULL;
    seen.nulls += reply == NULL;
    seen.last_integer = reply ? (int)reply->integer : -1;
    if (seen.on_reply && reply) {
        seen.on_reply(c);
    }
}

static void callbacks(redisAsyncContext *c)
{
    ck_assert_int_eq(redisAsyncSetConnectCallback(c, on_connect), REDIS_OK);
    ck_assert_int_eq(redisAsyncSetDisconnectCallback(c, on_disconnect),
                     REDIS_OK);
}

static void attach(redisAsyncContext *c)
{
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(c->err, 0);
    ck_assert_int_eq(tenon_hiredis_attach(stage.reactor, c), TENON_OK);
}

static void command(const char *text)
{
    ck_assert_int_eq(redisAsyncCommand(context, on_reply, NULL, text),
                     REDIS_OK);
}

static bool begin(int host)
{
    if (!(tenon_fixtures[host]->caps & TENON_FIXTURE_REAL_TIME)) {
        return false;
    }
    redis_start(&server);
    ck_assert(host_open(host));
    context = redisAsyncConnect("127.0.0.1", server.port);
    attach(context);
    callbacks(context);
    return true;
}

static void end(void)
{
    if (context) {
        redisAsyncFree(context);
    }
    host_close();
    redis_stop(&server);
}

/* ---- connections ---- */

/* Under libuv hiredis' own adapter never tells of it. */
START_TEST(refused)
{
    if (host_open(_i)) {
        context = redisAsyncConnect("127.0.0.1", free_port());
        attach(context);
        callbacks(context);
        command("PING");
        ck_assert_int_eq(seen.connects, 0);
        PUMP_UNTIL(seen.connects);
        ck_assert_int_eq(seen.connect_status, REDIS_ERR);
        ck_assert_int_eq(seen.nulls, 1);
        ck_assert_int_eq(seen.disconnects, 0);
        host_close();
    }
}
END_TEST

/* Nothing in the hook told the shim that somebody waits for the connection. */
START_TEST(attached_after_the_callbacks_are_set)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 8);
        context = redisAsyncConnect("127.0.0.1", port);
        callbacks(context);
        attach(context);
        PUMP_UNTIL(seen.connects);
        ck_assert_int_eq(seen.connect_status, REDIS_OK);
        redisAsyncFree(context);
        close(listener);
        host_close();
    }
}
END_TEST

START_TEST(reset_with_a_reply_pending)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 8);
        context = redisAsyncConnect("127.0.0.1", port);
        attach(context);
        callbacks(context);
        command("PING");
        command("PING");
        int peer = accept_one(listener);
        take(peer, "PING");
        answer(peer, "+PONG\r\n");
        PUMP_UNTIL(seen.replies == 1);
        cut(peer);
        PUMP_UNTIL(seen.disconnects);
        ck_assert_int_eq(seen.disconnect_status, REDIS_ERR);
        ck_assert_int_eq(seen.nulls, 1);
        close(listener);
        host_close();
    }
}
END_TEST

START_TEST(values_come_and_go)
{
    if (begin(_i)) {
        static char value[300000];
        memset(value, 'v', sizeof value);
        ck_assert_int_eq(redisAsyncCommand(context, on_reply, NULL, "SET k %b",
                                           value, sizeof value),
                         REDIS_OK);
        command("GET k");
        command("STRLEN k");
        PUMP_UNTIL(seen.replies == 3);
        ck_assert_int_eq(seen.last_integer, (int)sizeof value);
        ck_assert_int_eq(seen.connect_status, REDIS_OK);
        redisAsyncDisconnect(context);
        PUMP_UNTIL(seen.disconnects);
        ck_assert_int_eq(seen.disconnect_status, REDIS_OK);
        end();
    }
}
END_TEST

/* ---- freeing ---- */

static void free_context(redisAsyncContext *c)
{
    redisAsyncFree(c);
}

static void disconnect(redisAsyncContext *c)
{
    redisAsyncDisconnect(c);
}

START_TEST(freed_inside_a_reply)
{
    if (begin(_i)) {
        seen.on_reply = free_context;
        command("PING");
        command("PING");
        PUMP_UNTIL(seen.disconnects);
        ck_assert_int_eq(seen.replies, 1);
        ck_assert_int_eq(seen.nulls, 1);
        end();
    }
}
END_TEST

START_TEST(disconnected_inside_a_reply)
{
    if (begin(_i)) {
        seen.on_reply = disconnect;
        command("PING");
        command("PING");
        PUMP_UNTIL(seen.disconnects);
        ck_assert_int_eq(seen.replies, 2);
        ck_assert_int_eq(seen.nulls, 0);
        end();
    }
}
END_TEST

START_TEST(freed_while_connecting)
{
    if (begin(_i)) {
        command("PING");
        redisAsyncFree(context);
        context = NULL; /* never connected: nobody is told */
        ck_assert_int_eq(seen.nulls, 1);
        host_run_for(5 * MS);
        end();
    }
}
END_TEST

/* ---- descriptors ---- */

START_TEST(closed_before_the_removal)
{
    if (begin(_i)) {
        command("PING");
        PUMP_UNTIL(seen.replies);
        close(context->c.fd);
        context->c.fd = -1;
        command("PING");
        PUMP_UNTIL(seen.nulls == 1 && !context);
        ck_assert_int_eq(seen.disconnect_status, REDIS_ERR);
        end();
    }
}
END_TEST

/* Two contexts in turn, then one whose number was closed behind its back. */
START_TEST(a_number_used_again)
{
    if (begin(_i)) {
        command("PING");
        PUMP_UNTIL(seen.replies == 1);
        int fd = context->c.fd;
        redisAsyncFree(context);
        context = redisAsyncConnect("127.0.0.1", server.port);
        ck_assert_int_eq(context->c.fd, fd);
        attach(context);
        callbacks(context);
        command("PING");
        PUMP_UNTIL(seen.replies == 2);

        redisAsyncContext *old = context;
        close(fd);
        context = redisAsyncConnectUnix(server.path);
        ck_assert_int_eq(context->c.fd, fd);
        attach(context);
        command("PING");
        PUMP_UNTIL(seen.replies == 3);
        redisAsyncContext *now = context;
        old->c.fd = -1; /* it is not its own to close */
        redisAsyncFree(old);
        context = now;
        command("PING");
        PUMP_UNTIL(seen.replies == 4);
        redisAsyncFree(context);
        context = NULL;
        end();
    }
}
END_TEST

/* ---- ends ---- */

START_TEST(the_reactor_ends_first)
{
    if (begin(_i)) {
        command("PING");
        PUMP_UNTIL(seen.replies);
        command("PING");
        host_end_reactor();
        command("PING");
        ck_assert_int_eq(seen.nulls, 0);
        redisAsyncFree(context);
        ck_assert_int_eq(seen.nulls, 2);
        end();
    }
}
END_TEST

START_TEST(the_host_ends_first)
{
    if (begin(_i)) {
        command("PING");
        PUMP_UNTIL(seen.replies);
        command("PING");
        if (stage.fixture->caps & TENON_FIXTURE_DIES) {
            stage.fixture->loop_free(stage.loop);
            stage.loop = NULL;
            command("PING");
            ck_assert_int_ge(tenon_reactor_close(stage.reactor), 0);
            tenon_reactor_unref(stage.reactor);
            stage.reactor = NULL;
        }
        end();
    }
}
END_TEST

/* ---- loops inside of replies ---- */

static void run_inside(redisAsyncContext *c)
{
    seen.on_reply = NULL;
    ck_assert_int_eq(redisAsyncCommand(c, on_reply, NULL, "PING"), REDIS_OK);
    stage.fixture->nested(stage.loop, 20 * MS);
    ck_assert_int_eq(seen.replies, 1); /* a context is not entered twice */
}

static void free_inside(redisAsyncContext *c)
{
    seen.on_reply = NULL;
    ck_assert_int_eq(redisAsyncCommand(c, on_reply, NULL, "PING"), REDIS_OK);
    redisAsyncFree(c);
    stage.fixture->nested(stage.loop, 20 * MS);
}

START_TEST(a_loop_inside_a_reply)
{
    if (begin(_i)) {
        if (stage.fixture->caps & TENON_FIXTURE_NESTED) {
            seen.on_reply = run_inside;
            command("PING");
            PUMP_UNTIL(seen.replies == 2);
            seen.on_reply = free_inside;
            command("PING");
            PUMP_UNTIL(seen.disconnects);
        }
        end();
    }
}
END_TEST

static void run_on_failure(redisAsyncContext *c, void *reply, void *user)
{
    (void)c, (void)user;
    ck_assert_ptr_null(reply);
    seen.nulls++;
    stage.fixture->nested(stage.loop, 20 * MS);
}

/* The write fails, and while that is told the descriptor reports, too. */
START_TEST(a_loop_inside_a_failed_write)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 8);
        context = redisAsyncConnect("127.0.0.1", port);
        attach(context);
        callbacks(context);
        int peer = accept_one(listener);
        PUMP_UNTIL(seen.connects);
        if (stage.fixture->caps & TENON_FIXTURE_NESTED) {
            cut(peer);
            ck_assert_int_eq(
                redisAsyncCommand(context, run_on_failure, NULL, "PING"),
                REDIS_OK);
            PUMP_UNTIL(seen.disconnects);
            ck_assert_int_eq(seen.nulls, 1);
        } else {
            close(peer);
            PUMP_UNTIL(seen.disconnects);
        }
        close(listener);
        host_close();
    }
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused_contexts)
{
    if (begin(_i)) {
        ck_assert_int_eq(tenon_hiredis_attach(stage.reactor, context),
                         TENON_BUSY);
        ck_assert_int_eq(tenon_hiredis_attach(NULL, context), TENON_INVALID);
        ck_assert_int_eq(tenon_hiredis_attach(stage.reactor, NULL),
                         TENON_INVALID);
        redisAsyncContext *none = redisAsyncConnectUnix("/nowhere/at/all");
        ck_assert_int_ne(none->err, 0);
        ck_assert_int_eq(tenon_hiredis_attach(stage.reactor, none),
                         TENON_INVALID);
        redisAsyncFree(none);
        end();
    }
}
END_TEST

/* A hook cannot say no; so the connection ends, and that is told. */
START_TEST(the_kernel_refuses_to_watch)
{
    if (begin(_i)) {
        static char value[8 << 20];
        memset(value, 'v', sizeof value);
        command("PING");
        PUMP_UNTIL(seen.replies == 1);
        refused_fd = context->c.fd;
        ck_assert_int_eq(redisAsyncCommand(context, on_reply, NULL, "SET k %b",
                                           value, sizeof value),
                         REDIS_OK);
        PUMP_UNTIL(seen.disconnects);
        ck_assert_int_eq(seen.disconnect_status, REDIS_ERR);
        ck_assert_int_eq(seen.nulls, 1);
        refused_fd = -1;
        end();
    }
}
END_TEST

START_TEST(out_of_memory)
{
    if (begin(_i)) {
        redisAsyncContext *c = redisAsyncConnectUnix(server.path);
        tenon_status status = TENON_NO_MEMORY;
        int failures = 0;
        for (uint64_t nth = 1; status < 0; nth++) {
            harness_heap_fail(&stage.guard.heap, nth, 1);
            status = tenon_hiredis_attach(stage.reactor, c);
            harness_heap_fail(&stage.guard.heap, 0, 0);
            ck_assert(status == TENON_OK || !c->ev.data);
            failures += status == TENON_NO_MEMORY;
        }
        ck_assert_int_ge(failures, 3);
        redisAsyncFree(c);
        end();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("attach");
    int hosts = host_count();
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, refused, 0, hosts);
    tcase_add_loop_test(tcase, attached_after_the_callbacks_are_set, 0, hosts);
    tcase_add_loop_test(tcase, reset_with_a_reply_pending, 0, hosts);
    tcase_add_loop_test(tcase, values_come_and_go, 0, hosts);
    tcase_add_loop_test(tcase, freed_inside_a_reply, 0, hosts);
    tcase_add_loop_test(tcase, disconnected_inside_a_reply, 0, hosts);
    tcase_add_loop_test(tcase, freed_while_connecting, 0, hosts);
    tcase_add_loop_test(tcase, closed_before_the_removal, 0, hosts);
    tcase_add_loop_test(tcase, a_number_used_again, 0, hosts);
    tcase_add_loop_test(tcase, the_reactor_ends_first, 0, hosts);
    tcase_add_loop_test(tcase, the_host_ends_first, 0, hosts);
    tcase_add_loop_test(tcase, a_loop_inside_a_reply, 0, hosts);
    tcase_add_loop_test(tcase, a_loop_inside_a_failed_write, 0, hosts);
    tcase_add_loop_test(tcase, refused_contexts, 0, hosts);
    tcase_add_loop_test(tcase, the_kernel_refuses_to_watch, 0, hosts);
    tcase_add_loop_test(tcase, out_of_memory, 0, hosts);
    return host_main(tcase);
}
