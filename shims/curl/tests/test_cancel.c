/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Cancelling a transfer at each of its stages, on every host. At each the
 * future is cancelled at once, no callback comes after, the peer sees the
 * connection close, and another transfer goes on.
 *
 * ctest: labels=threads timeout=180
 */

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>

#include "web.h"

/* ---- a lookup that takes as long as the test wants ---- */

static sem_t looking_up;
static sem_t may_go_on;
static sem_t looked_up;

typedef int lookup_fn(const char *name, const char *service,
                      const struct addrinfo *hints, struct addrinfo **out);

lookup_fn getaddrinfo __attribute__((visibility("default")));

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **out)
{
    union {
        void *any;
        lookup_fn *lookup;
    } real = {.any = dlsym(RTLD_NEXT, "getaddrinfo")};
    if (name && strcmp(name, "slow.invalid") == 0) {
        sem_post(&looking_up);
        while (sem_wait(&may_go_on) != 0) {
        }
        sem_post(&looked_up);
        return EAI_NONAME;
    }
    return real.lookup(name, service, hints, out);
}

/* ---- the stages ---- */

static peer other;
static transfer bystander;

/* There is another transfer, half done, all the time. */
static bool begin(int host)
{
    if (!web_open(host)) {
        return false;
    }
    peer_open(&other);
    fetch_from(&bystander, other.port, "/");
    peer_take_request(&other);
    peer_say(&other, HEAD_OF_100);
    return true;
}

static void end(void)
{
    ck_assert_int_eq(bystander.done, 0);
    ck_assert_int_eq(send(other.fd, web.big, 100, MSG_NOSIGNAL), 100);
    require_body(&bystander, 100);
    peer_close(&other);
    web_close();
}

static void cancel(transfer *t)
{
    ck_assert_int_eq(t->done, 0);
    ck_assert_int_eq(tenon_future_cancel(t->future, "enough"), TENON_EXISTED);
    ck_assert_int_eq(t->done, 0);
    ck_assert_int_eq(tenon_future_state(t->future), TENON_FUTURE_CANCELLED);
    finish(t);
    drop(t);
}

START_TEST(before_it_begins)
{
    if (begin(_i)) {
        peer p;
        transfer t;
        peer_open(&p);
        fetch_from(&t, p.port, "/");
        cancel(&t);
        host_run_for(10 * TENON_MILLISECOND);
        ck_assert(!peer_accepts(&p));
        peer_close(&p);
        end();
    }
}
END_TEST

/* Its thread then ends by itself, and closes what it has. */
static void let_lookup_end(void)
{
    size_t count = harness_fds_count();
    sem_post(&may_go_on);
    while (sem_wait(&looked_up) != 0) {
    }
    PUMP_UNTIL(harness_fds_count() < count);
}

START_TEST(while_resolving)
{
    if (begin(_i)) {
        transfer t;
        CURL *easy = easy_to(1, "/");
        curl_easy_setopt(easy, CURLOPT_URL, "http://slow.invalid/");
        fetch_easy(&t, easy, NULL);
        PUMP_UNTIL(sem_trywait(&looking_up) == 0);
        cancel(&t); /* and the lookup goes on */
        host_run_for(5 * TENON_MILLISECOND);
        let_lookup_end();
        end();
    }
}
END_TEST

START_TEST(while_connecting)
{
    if (begin(_i)) {
        transfer all[8]; /* a full backlog leaves the last ones connecting */
        int port;
        int listener = listen_here(0, &port);
        for (int i = 0; i < 8; i++) {
            fetch_from(&all[i], port, "/");
        }
        host_run_for(10 * TENON_MILLISECOND);
        for (int i = 0; i < 8; i++) {
            cancel(&all[i]);
        }
        host_run_for(5 * TENON_MILLISECOND);
        close(listener);
        end();
    }
}
END_TEST

START_TEST(while_sending)
{
    if (begin(_i)) {
        peer p;
        transfer t;
        peer_open(&p);
        CURL *easy = easy_to(p.port, "/");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)BIG);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, web.big);
        fetch_easy(&t, easy, NULL);
        PUMP_UNTIL(peer_accepts(&p));
        PUMP_UNTIL(read(p.fd, p.request, 100) == 100);
        host_run_for(5 * TENON_MILLISECOND);
        cancel(&t);
        PUMP_UNTIL(peer_is_left(&p));
        peer_close(&p);
        end();
    }
}
END_TEST

static void cancel_after(const char *text)
{
    peer p;
    transfer t;
    peer_open(&p);
    fetch_from(&t, p.port, "/");
    peer_take_request(&p);
    peer_say(&p, text);
    host_run_for(5 * TENON_MILLISECOND);
    cancel(&t);
    PUMP_UNTIL(peer_is_left(&p));
    peer_close(&p);
}

START_TEST(while_receiving)
{
    if (begin(_i)) {
        cancel_after("");
        cancel_after("HTTP/1.1 200 OK\r\nContent-Le");
        cancel_after(HEAD_OF_100);
        cancel_after(HEAD_OF_100 "some of it");
        end();
    }
}
END_TEST

/* ---- inside of callbacks ---- */

static transfer inside;
static transfer victim;
static int calls;
static bool release;

static tenon_status cancel_in_data(CURL *easy, const void *data, size_t len,
                                   void *user)
{
    transfer *t = user;
    (void)easy;
    (void)data;
    (void)len;
    calls++;
    ck_assert_int_eq(tenon_future_cancel(t->future, NULL), TENON_EXISTED);
    if (release) {
        drop(t);
    }
    return TENON_OK;
}

static tenon_status cancel_in_progress(CURL *easy, int64_t received,
                                       int64_t total, void *user)
{
    (void)total;
    bool now = received > 0 && (user == &inside || calls == 0);
    return now ? cancel_in_data(easy, NULL, 0, user) : TENON_OK;
}

static void cancel_inside(transfer *whom, bool in_data)
{
    peer p;
    tenon_curl_fetch_options options = {.size = sizeof options, .user = whom};
    if (in_data) {
        options.on_data = cancel_in_data;
    } else {
        options.on_progress = cancel_in_progress;
    }
    calls = 0;
    peer_open(&p);
    fetch_easy(&inside, easy_to(p.port, "/"), &options);
    peer_take_request(&p);
    peer_say(&p, HEAD_OF_100 "some");
    PUMP_UNTIL(whom->done);
    ck_assert_int_eq(calls, 1);
    if (whom == &inside) {
        PUMP_UNTIL(peer_is_left(&p));
        ck_assert_int_eq(calls, 1);
    } else {
        PUMP_UNTIL(peer_is_left(&other));
        cancel(&inside);
    }
    drop(whom);
    peer_close(&p);
}

START_TEST(inside_its_own_callback)
{
    if (begin(_i)) {
        for (int i = 0; i < 4; i++) {
            release = i & 1;
            cancel_inside(&inside, i & 2);
        }
        end();
    }
}
END_TEST

START_TEST(another_inside_a_callback)
{
    for (int i = 0; i < 2; i++) {
        if (web_open(_i)) {
            peer_open(&other);
            fetch_from(&victim, other.port, "/");
            peer_take_request(&other);
            cancel_inside(&victim, i);
            peer_close(&other);
            web_close();
        }
    }
}
END_TEST

static tenon_status begin_another(CURL *easy, const void *data, size_t len,
                                  void *user)
{
    (void)easy;
    (void)data;
    (void)len;
    if (!calls++) {
        fetch_from(user, web.port, "/small");
    }
    return TENON_OK;
}

START_TEST(one_begins_inside_another)
{
    if (begin(_i)) {
        transfer next;
        tenon_curl_fetch_options options = {
            .size = sizeof options, .on_data = begin_another, .user = &next};
        calls = 0;
        fetch_easy(&inside, easy_to(web.port, "/big"), &options);
        ck_assert_int_eq(result_of(&inside)->status, 200);
        drop(&inside);
        require_body(&next, SMALL);
        end();
    }
}
END_TEST

/* ---- the rest ---- */

START_TEST(after_completion)
{
    if (begin(_i)) {
        transfer t;
        fetch_from(&t, web.port, "/small");
        finish(&t);
        ck_assert_int_eq(tenon_future_cancel(t.future, NULL), TENON_OK);
        require_body(&t, SMALL);
        end();
    }
}
END_TEST

START_TEST(nobody_waits)
{
    if (begin(_i)) {
        peer p;
        tenon_future *future = NULL;
        peer_open(&p);
        ck_assert_int_eq(
            tenon_curl_fetch(curl, easy_to(p.port, "/"), NULL, &future), 0);
        peer_take_request(&p);
        tenon_future_unref(future);
        PUMP_UNTIL(peer_is_left(&p));
        peer_close(&p);
        end();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("cancel");
    int hosts = host_count();
    sem_init(&looking_up, 0, 0);
    sem_init(&may_go_on, 0, 0);
    sem_init(&looked_up, 0, 0);
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, before_it_begins, 0, hosts);
    tcase_add_loop_test(tcase, while_resolving, 0, hosts);
    tcase_add_loop_test(tcase, while_connecting, 0, hosts);
    tcase_add_loop_test(tcase, while_sending, 0, hosts);
    tcase_add_loop_test(tcase, while_receiving, 0, hosts);
    tcase_add_loop_test(tcase, inside_its_own_callback, 0, hosts);
    tcase_add_loop_test(tcase, another_inside_a_callback, 0, hosts);
    tcase_add_loop_test(tcase, one_begins_inside_another, 0, hosts);
    tcase_add_loop_test(tcase, after_completion, 0, hosts);
    tcase_add_loop_test(tcase, nobody_waits, 0, hosts);
    return web_main(tcase);
}
