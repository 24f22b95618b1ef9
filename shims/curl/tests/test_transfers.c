/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Transfers on every host: what comes of them, and of those that fail.
 *
 * ctest: timeout=180
 */

#include "web.h"

enum { MANY = 200 };

/* ---- that succeed ---- */

START_TEST(a_body_is_gathered)
{
    static const struct {
        const char *path;
        size_t len;
    } files[] = {{"/small", SMALL}, {"/big", BIG}, {"/empty", 0}};
    if (web_open(_i)) {
        for (size_t i = 0; i < 3; i++) {
            transfer t;
            fetch_from(&t, web.port, files[i].path);
            ck_assert_int_eq(t.done, 0);
            require_body(&t, files[i].len);
        }
        web_close();
    }
}
END_TEST

START_TEST(chunks_are_put_together)
{
    if (web_open(_i)) {
        transfer t;
        struct curl_header *header;
        CURL *easy = easy_to(web.port, "/gzip");
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
        fetch_easy(&t, easy, NULL);
        tenon_curl_result *result = result_of(&t);
        ck_assert_int_eq(curl_easy_header(result->easy, "Transfer-Encoding", 0,
                                          CURLH_HEADER, -1, &header),
                         CURLHE_OK);
        ck_assert_str_eq(header->value, "chunked");
        require_body(&t, BIG);
        web_close();
    }
}
END_TEST

START_TEST(an_answer_is_no_failure)
{
    if (web_open(_i)) {
        transfer t;
        fetch_from(&t, web.port, "/none");
        ck_assert_int_eq(result_of(&t)->status, 404);
        ck_assert_ptr_nonnull(strstr(result_of(&t)->body, "404"));
        drop(&t);
        CURL *easy = easy_to(web.port, "/none");
        curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
        fetch_easy(&t, easy, NULL);
        require_failure(&t, TENON_ABORTED, CURLE_HTTP_RETURNED_ERROR);
        easy = easy_to(web.port, "/moved");
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        fetch_easy(&t, easy, NULL);
        require_body(&t, SMALL);
        web_close();
    }
}
END_TEST

START_TEST(two_hundred_at_once)
{
    if (web_open(_i)) {
        static transfer all[MANY];
        for (int i = 0; i < MANY; i++) {
            fetch_from(&all[i], web.port, i % 20 ? "/small" : "/big");
        }
        for (int i = 0; i < MANY; i++) {
            require_body(&all[i], i % 20 ? SMALL : BIG);
        }
        web_close();
    }
}
END_TEST

static long connects_of(transfer *t)
{
    long count = -1;
    curl_easy_getinfo(result_of(t)->easy, CURLINFO_NUM_CONNECTS, &count);
    return count;
}

START_TEST(connections_are_used_again)
{
    if (web_open(_i)) {
        transfer t;
        for (int i = 0; i < 3; i++) {
            fetch_from(&t, web.port, "/small");
            ck_assert_int_eq(connects_of(&t), i == 0);
            require_body(&t, SMALL);
        }
        web_close();
    }
}
END_TEST

/* The idle connection is closed by the other side, and its number is in use
 * again: the next transfer is none the worse for it. */
START_TEST(a_connection_ends_between_two_transfers)
{
    if (web_open(_i)) {
        peer p;
        transfer t;
        peer_open(&p);
        for (int i = 0; i < 3; i++) {
            fetch_from(&t, p.port, "/");
            peer_take_request(&p);
            peer_say(&p, HEAD_OF_100);
            ck_assert_int_eq(send(p.fd, web.big, 100, MSG_NOSIGNAL), 100);
            require_body(&t, 100);
            close(p.fd);
            p.len = 0;
            memset(p.request, 0, sizeof p.request);
        }
        p.fd = -1;
        peer_close(&p);
        web_close();
    }
}
END_TEST

START_TEST(a_post_is_sent)
{
    if (web_open(_i)) {
        peer p;
        transfer t;
        peer_open(&p);
        CURL *easy = easy_to(p.port, "/form");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "name=tenon");
        fetch_easy(&t, easy, NULL);
        peer_take_request(&p);
        PUMP_UNTIL(peer_has_request(&p) && strstr(p.request, "tenon"));
        ck_assert_int_eq(strncmp(p.request, "POST /form HTTP/1.1\r\n", 21), 0);
        peer_say(&p, "HTTP/1.1 204 Done\r\n\r\n");
        ck_assert_int_eq(result_of(&t)->status, 204);
        ck_assert_ptr_null(result_of(&t)->body);
        drop(&t);
        peer_close(&p);
        web_close();
    }
}
END_TEST

/* ---- callbacks ---- */

static tenon_status take(CURL *easy, const void *data, size_t len, void *user)
{
    transfer *t = user;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    ck_assert_int_eq(status, 200);
    ck_assert_uint_le(t->received + len, BIG);
    ck_assert_int_eq(memcmp(data, web.big + t->received, len), 0);
    t->received += len;
    return TENON_OK;
}

static tenon_status watch_it(CURL *easy, int64_t received, int64_t total,
                             void *user)
{
    transfer *t = user;
    ck_assert_ptr_nonnull(easy);
    ck_assert_int_ge(received, t->seen);
    t->seen = received;
    t->total = total;
    return TENON_OK;
}

START_TEST(data_and_progress_are_told)
{
    if (web_open(_i)) {
        transfer t;
        tenon_curl_fetch_options options = {.size = sizeof options,
                                            .on_data = take,
                                            .on_progress = watch_it,
                                            .user = &t};
        fetch_easy(&t, easy_to(web.port, "/big"), &options);
        ck_assert_ptr_null(result_of(&t)->body);
        ck_assert_uint_eq(t.received, BIG);
        ck_assert_int_eq(t.seen, BIG);
        ck_assert_int_eq(t.total, BIG);
        drop(&t);
        web_close();
    }
}
END_TEST

static tenon_status refuse_data(CURL *easy, const void *data, size_t len,
                                void *user)
{
    (void)easy;
    (void)data;
    (void)len;
    (*(int *)user)++;
    return -EIO;
}

static tenon_status refuse_progress(CURL *easy, int64_t received, int64_t total,
                                    void *user)
{
    (void)easy;
    (void)total;
    (*(int *)user) += received > 0;
    return received > 0 ? TENON_PROTOCOL : TENON_OK;
}

START_TEST(a_callback_fails_its_transfer)
{
    if (web_open(_i)) {
        transfer t;
        int calls = 0;
        tenon_curl_fetch_options options = {
            .size = sizeof options, .on_data = refuse_data, .user = &calls};
        fetch_easy(&t, easy_to(web.port, "/big"), &options);
        require_failure(&t, -EIO, 0);
        ck_assert_int_eq(calls, 1);
        options = (tenon_curl_fetch_options){.size = sizeof options,
                                             .on_progress = refuse_progress,
                                             .user = &calls};
        fetch_easy(&t, easy_to(web.port, "/big"), &options);
        require_failure(&t, TENON_PROTOCOL, 0);
        ck_assert_int_eq(calls, 2);
        web_close();
    }
}
END_TEST

START_TEST(a_body_has_a_limit)
{
    if (web_open(_i)) {
        transfer t;
        tenon_curl_fetch_options options = {.size = sizeof options,
                                            .max_len = SMALL};
        fetch_easy(&t, easy_to(web.port, "/small"), &options);
        require_body(&t, SMALL);
        options.max_len--;
        fetch_easy(&t, easy_to(web.port, "/small"), &options);
        require_failure(&t, TENON_LIMIT, 0);
        web_close();
    }
}
END_TEST

/* ---- that fail ---- */

START_TEST(refused)
{
    if (web_open(_i)) {
        transfer t;
        int port;
        close(listen_here(1, &port));
        fetch_from(&t, port, "/");
        require_failure(&t, -ECONNREFUSED, CURLE_COULDNT_CONNECT);
        web_close();
    }
}
END_TEST

START_TEST(not_to_be_found)
{
    static const struct {
        const char *url;
        tenon_status status;
        int code;
    } cases[] = {
        {"http://nowhere.invalid/", TENON_UNRESOLVED,
         CURLE_COULDNT_RESOLVE_HOST},
        {"http://[/", TENON_BAD_ADDRESS, CURLE_URL_MALFORMAT},
        {"sip://here/", TENON_NOT_SUPPORTED, CURLE_UNSUPPORTED_PROTOCOL},
    };
    if (web_open(_i)) {
        for (size_t i = 0; i < 3; i++) {
            transfer t;
            CURL *easy = easy_to(1, "/");
            curl_easy_setopt(easy, CURLOPT_URL, cases[i].url);
            fetch_easy(&t, easy, NULL);
            require_failure(&t, cases[i].status, cases[i].code);
        }
        web_close();
    }
}
END_TEST

static void fail_after(const char *text, bool reset, tenon_status status,
                       int code)
{
    peer p;
    transfer t;
    peer_open(&p);
    fetch_from(&t, p.port, "/");
    peer_take_request(&p);
    if (text) {
        peer_say(&p, text);
    }
    if (reset) {
        host_run_for(5 * TENON_MILLISECOND);
        peer_reset(&p);
    } else {
        close(p.fd);
        p.fd = -1;
    }
    require_failure(&t, status, code);
    peer_close(&p);
}

START_TEST(the_peer_ends_early)
{
    if (web_open(_i)) {
        fail_after(NULL, true, -ECONNRESET, CURLE_RECV_ERROR);
        fail_after(HEAD_OF_100 "some", true, -ECONNRESET, CURLE_RECV_ERROR);
        fail_after(NULL, false, TENON_PROTOCOL, CURLE_GOT_NOTHING);
        fail_after(HEAD_OF_100 "some", false, TENON_PROTOCOL,
                   CURLE_PARTIAL_FILE);
        web_close();
    }
}
END_TEST

START_TEST(a_timeout)
{
    if (web_open(_i)) {
        peer p;
        transfer t;
        peer_open(&p);
        CURL *easy = easy_to(p.port, "/");
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 60L);
        int64_t start_ns = harness_clock_ns();
        fetch_easy(&t, easy, NULL);
        peer_take_request(&p);
        require_failure(&t, TENON_TIMED_OUT, CURLE_OPERATION_TIMEDOUT);
        ck_assert_int_ge(harness_clock_ns() - start_ns, 60 * TENON_MILLISECOND);
        PUMP_UNTIL(peer_is_left(&p));
        peer_close(&p);
        web_close();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("transfers");
    int hosts = host_count();
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, a_body_is_gathered, 0, hosts);
    tcase_add_loop_test(tcase, chunks_are_put_together, 0, hosts);
    tcase_add_loop_test(tcase, an_answer_is_no_failure, 0, hosts);
    tcase_add_loop_test(tcase, two_hundred_at_once, 0, hosts);
    tcase_add_loop_test(tcase, connections_are_used_again, 0, hosts);
    tcase_add_loop_test(tcase, a_connection_ends_between_two_transfers, 0,
                        hosts);
    tcase_add_loop_test(tcase, a_post_is_sent, 0, hosts);
    tcase_add_loop_test(tcase, data_and_progress_are_told, 0, hosts);
    tcase_add_loop_test(tcase, a_callback_fails_its_transfer, 0, hosts);
    tcase_add_loop_test(tcase, a_body_has_a_limit, 0, hosts);
    tcase_add_loop_test(tcase, refused, 0, hosts);
    tcase_add_loop_test(tcase, not_to_be_found, 0, hosts);
    tcase_add_loop_test(tcase, the_peer_ends_early, 0, hosts);
    tcase_add_loop_test(tcase, a_timeout, 0, hosts);
    return web_main(tcase);
}
