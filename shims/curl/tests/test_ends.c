/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The ends of the curl shim, on every host: freed inside of libcurl, the
 * reactor or the host ends first, descriptors that go or change behind its
 * back, no memory.
 *
 * ctest: timeout=180
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "web.h"

enum { MANY = 5 };

static transfer all[MANY];
static peer peers[MANY];

/* ---- a kernel that says no ---- */

static bool refusing;

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
    __attribute__((visibility("default")));

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    int domain = 0;
    socklen_t len = sizeof domain;
    if (refusing && op == EPOLL_CTL_ADD &&
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
        domain == AF_INET) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* ---- at all stages together ---- */

static const char *const said[MANY] = {NULL, NULL, "", HEAD_OF_100,
                                       HEAD_OF_100 "some"};

/* The last one has not begun at all. */
static void begin_all(void)
{
    for (int i = 1; i < MANY; i++) {
        peer_open(&peers[i]);
        fetch_from(&all[i], peers[i].port, "/");
        if (said[i]) {
            peer_take_request(&peers[i]);
            peer_say(&peers[i], said[i]);
        }
    }
    peer_open(&peers[0]);
    fetch_from(&all[0], peers[0].port, "/");
}

static void end_all(enum tenon_future_state state, tenon_status status)
{
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(all[i].done, 1);
        ck_assert_int_eq(tenon_future_state(all[i].future), state);
        ck_assert_int_eq(tenon_error_status(tenon_future_error(all[i].future)),
                         status);
        drop(&all[i]);
        peer_close(&peers[i]);
    }
}

START_TEST(freed_with_transfers)
{
    if (web_open(_i)) {
        begin_all();
        tenon_curl_free(curl);
        curl = NULL;
        PUMP_UNTIL(all[0].done && all[MANY - 1].done);
        end_all(TENON_FUTURE_CANCELLED, TENON_CANCELLED);
        web_close();
    }
}
END_TEST

START_TEST(the_reactor_ends_first)
{
    if (web_open(_i)) {
        tenon_future *late = NULL;
        begin_all();
        host_end_reactor();
        end_all(TENON_FUTURE_FAILED, TENON_CLOSED);
        ck_assert_ptr_null(tenon_curl_multi(curl));
        CURL *easy = easy_to(1, "/");
        ck_assert_int_eq(tenon_curl_fetch(curl, easy, NULL, &late),
                         TENON_CLOSED);
        curl_easy_cleanup(easy);
        web_close();
    }
}
END_TEST

START_TEST(the_host_ends_first)
{
    if (web_open(_i)) {
        if (stage.fixture->caps & TENON_FIXTURE_DIES) {
            begin_all();
            stage.fixture->loop_free(stage.loop);
            stage.loop = NULL;
            ck_assert_int_ge(tenon_reactor_close(stage.reactor), 0);
            tenon_reactor_unref(stage.reactor);
            stage.reactor = NULL;
            end_all(TENON_FUTURE_FAILED, TENON_HOST_GONE);
        }
        web_close();
    }
}
END_TEST

/* ---- inside of libcurl ---- */

static tenon_status free_it(CURL *easy, const void *data, size_t len,
                            void *user)
{
    (void)easy;
    (void)data;
    (void)len;
    (void)user;
    tenon_curl_free(curl);
    curl = NULL;
    return TENON_OK;
}

static tenon_status free_in_progress(CURL *easy, int64_t received,
                                     int64_t total, void *user)
{
    (void)total;
    return curl && received > 0 ? free_it(easy, NULL, 0, user) : TENON_OK;
}

static tenon_status close_reactor(CURL *easy, const void *data, size_t len,
                                  void *user)
{
    (void)easy;
    (void)data;
    (void)len;
    (void)user;
    ck_assert_int_ge(tenon_reactor_close(stage.reactor), 0);
    return TENON_OK;
}

static void begin_with(const tenon_curl_fetch_options *options)
{
    peer_open(&peers[0]);
    peer_open(&peers[1]);
    fetch_from(&all[0], peers[0].port, "/");
    peer_take_request(&peers[0]);
    fetch_easy(&all[1], easy_to(peers[1].port, "/"), options);
    peer_take_request(&peers[1]);
    peer_say(&peers[1], HEAD_OF_100 "some");
}

static void end_both(void)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(all[i].done, 1);
        drop(&all[i]);
        PUMP_UNTIL(peer_is_left(&peers[i]));
        peer_close(&peers[i]);
    }
}

START_TEST(freed_inside_a_callback)
{
    for (int i = 0; i < 2; i++) {
        if (web_open(_i)) {
            tenon_curl_fetch_options options = {
                .size = sizeof options,
                .on_data = i ? free_it : NULL,
                .on_progress = i ? NULL : free_in_progress};
            begin_with(&options);
            PUMP_UNTIL(!curl && all[0].done && all[1].done);
            end_both();
            web_close();
        }
    }
}
END_TEST

START_TEST(the_reactor_closes_inside_a_callback)
{
    if (web_open(_i)) {
        if (stage.fixture->caps & TENON_FIXTURE_ATTACHED) {
            tenon_curl_fetch_options options = {.size = sizeof options,
                                                .on_data = close_reactor};
            begin_with(&options);
            PUMP_UNTIL(stage.closed);
            tenon_reactor_unref(stage.reactor);
            stage.reactor = NULL;
            end_both();
        }
        web_close();
    }
}
END_TEST

static tenon_status run_inside(CURL *easy, const void *data, size_t len,
                               void *user)
{
    (void)easy;
    (void)data;
    (void)len;
    (void)user;
    peer_say(&peers[0], HEAD_OF_100);
    ck_assert_int_eq(send(peers[0].fd, web.big, 100, MSG_NOSIGNAL), 100);
    tenon_future_unref(all[2].future); /* it is dropped afterwards */
    all[2].future = NULL;
    stage.fixture->nested(stage.loop, 320 * TENON_MILLISECOND);
    ck_assert_int_eq(all[0].done, 0);
    return -EIO;
}

/* libcurl does not enter itself; what came meanwhile is made up for. */
START_TEST(a_loop_inside_a_callback)
{
    if (web_open(_i)) {
        if (stage.fixture->caps & TENON_FIXTURE_NESTED) {
            tenon_curl_fetch_options options = {.size = sizeof options,
                                                .on_data = run_inside};
            peer_open(&peers[2]);
            fetch_from(&all[2], peers[2].port, "/");
            peer_take_request(&peers[2]);
            CURL *easy = easy_to(peers[2].port, "/");
            curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 300L);
            fetch_easy(&all[3], easy, NULL);
            begin_with(&options);
            require_failure(&all[1], -EIO, 0);
            require_body(&all[0], 100);
            require_failure(&all[3], TENON_TIMED_OUT, 0);
            PUMP_UNTIL(all[2].done && peer_is_left(&peers[2]));
            for (int i = 0; i < 3; i++) {
                peer_close(&peers[i]);
            }
            harness_spin_begin(&stage.spin, stage.reactor);
        }
        web_close();
    }
}
END_TEST

/* ---- descriptors ---- */

static int socket_fd;
static int stolen[2];
static tenon_watch thief;
static int thefts;

static void on_theft(tenon_watch *watch, uint32_t events, void *user)
{
    char byte;
    (void)watch;
    (void)user;
    ck_assert_uint_eq(events, TENON_READ);
    ck_assert_int_eq(read(stolen[0], &byte, 1), 1);
    thefts++;
}

static int note_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
    (void)user;
    (void)purpose;
    socket_fd = fd;
    return CURL_SOCKOPT_OK;
}

static int keep_open(void *user, curl_socket_t fd)
{
    (void)user;
    (void)fd;
    return 0;
}

/* Closes libcurl's socket, and somebody else's gets the number. */
static tenon_status steal(CURL *easy, const void *data, size_t len, void *user)
{
    (void)easy;
    (void)data;
    (void)len;
    int fd = socket_fd;
    ck_assert_int_eq(close(fd), 0);
    if (user) {
        ck_assert_int_eq(socketpair(AF_UNIX,
                                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                    0, stolen),
                         0);
        ck_assert_int_eq(stolen[0], fd);
        tenon_watch_init(&thief, stage.reactor, fd);
        ck_assert_int_eq(tenon_watch_start(&thief, TENON_READ, on_theft, NULL),
                         TENON_OK);
    }
    return -EIO;
}

static void steal_one(bool reuse)
{
    transfer t;
    tenon_curl_fetch_options options = {
        .size = sizeof options, .on_data = steal, .user = reuse ? &t : NULL};
    CURL *easy = easy_to(web.port, "/big");
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, keep_open);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, note_socket);
    fetch_easy(&t, easy, &options);
    require_failure(&t, -EIO, 0);
    fetch_from(&t, web.port, "/big"); /* all else is as it was */
    require_body(&t, BIG);
}

START_TEST(a_descriptor_closed_before_its_removal)
{
    if (web_open(_i)) {
        steal_one(false);
        web_close();
    }
}
END_TEST

START_TEST(a_descriptor_number_of_somebody_else)
{
    if (web_open(_i)) {
        thefts = 0;
        steal_one(true);
        ck_assert_int_eq(write(stolen[1], "x", 1), 1);
        PUMP_UNTIL(thefts == 1);
        tenon_watch_stop(&thief);
        close(stolen[0]);
        close(stolen[1]);
        web_close();
    }
}
END_TEST

/* ---- refusals ---- */

START_TEST(what_is_refused)
{
    if (web_open(_i)) {
        transfer t;
        tenon_future *future = NULL;
        tenon_curl *none = NULL;
        CURL *easy = easy_to(web.port, "/small");
        CURLM *multi = curl_multi_init();
        ck_assert_int_eq(tenon_curl_new(NULL, &none), TENON_INVALID);
        ck_assert_int_eq(tenon_curl_new(stage.reactor, NULL), TENON_INVALID);
        ck_assert_int_eq(tenon_curl_fetch(curl, NULL, NULL, &future),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_curl_fetch(curl, easy, NULL, NULL),
                         TENON_INVALID);
        curl_multi_add_handle(multi, easy);
        ck_assert_int_eq(tenon_curl_fetch(curl, easy, NULL, &future),
                         TENON_BUSY);
        ck_assert_ptr_null(future);
        curl_multi_remove_handle(multi, easy);
        fetch_easy(&t, easy, NULL);
        require_body(&t, SMALL);
        curl_multi_cleanup(multi);
        tenon_curl_free(NULL);
        web_close();
    }
}
END_TEST

/* Those whose descriptors it refuses fail, and nothing else. */
START_TEST(a_kernel_that_refuses)
{
    if (web_open(_i)) {
        transfer two[2];
        fetch_from(&two[0], web.port, "/big");
        fetch_from(&two[1], web.port, "/big");
        refusing = true;
        finish(&two[0]);
        finish(&two[1]);
        refusing = false;
        require_failure(&two[0], -ENOSPC, 0);
        require_failure(&two[1], -ENOSPC, 0);
        fetch_from(&two[0], web.port, "/big");
        require_body(&two[0], BIG);
        web_close();
    }
}
END_TEST

static tenon_status fetch_once(void)
{
    transfer t = {.done = 0};
    tenon_curl *one = NULL;
    tenon_status status = tenon_curl_new(stage.reactor, &one);
    CURL *easy = easy_to(web.port, "/small");
    if (status == TENON_OK) {
        status = tenon_curl_fetch(one, easy, NULL, &t.future);
    }
    if (!t.future) {
        curl_easy_cleanup(easy);
        tenon_curl_free(one);
        return status;
    }
    PUMP_UNTIL(tenon_future_is_done(t.future));
    status = tenon_error_status(tenon_future_error(t.future));
    drop(&t);
    tenon_curl_free(one);
    return status;
}

START_TEST(out_of_memory_is_a_status)
{
    if (web_open(_i)) {
        int failures = 0;
        for (uint64_t nth = 1;; nth++) {
            harness_heap_fail(&stage.guard.heap, nth, 1);
            tenon_status status = fetch_once();
            bool through =
                stage.guard.heap.requests < stage.guard.heap.fail_from;
            harness_heap_fail(&stage.guard.heap, 0, 0);
            if (through) {
                ck_assert_int_eq(status, TENON_OK);
                break;
            }
            failures += status < 0;
        }
        ck_assert_int_ge(failures, 4);
        web_close();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("ends");
    int hosts = host_count();
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, freed_with_transfers, 0, hosts);
    tcase_add_loop_test(tcase, the_reactor_ends_first, 0, hosts);
    tcase_add_loop_test(tcase, the_host_ends_first, 0, hosts);
    tcase_add_loop_test(tcase, freed_inside_a_callback, 0, hosts);
    tcase_add_loop_test(tcase, the_reactor_closes_inside_a_callback, 0, hosts);
    tcase_add_loop_test(tcase, a_loop_inside_a_callback, 0, hosts);
    tcase_add_loop_test(tcase, a_descriptor_closed_before_its_removal, 0,
                        hosts);
    tcase_add_loop_test(tcase, a_descriptor_number_of_somebody_else, 0, hosts);
    tcase_add_loop_test(tcase, what_is_refused, 0, hosts);
    tcase_add_loop_test(tcase, a_kernel_that_refuses, 0, hosts);
    tcase_add_loop_test(tcase, out_of_memory_is_a_status, 0, hosts);
    return web_main(tcase);
}
