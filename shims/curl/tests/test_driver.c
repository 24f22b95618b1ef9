/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A multi handle of the program's own, driven on every host.
 *
 * ctest: timeout=180
 */

#include "web.h"

static struct {
    CURLM *multi;
    tenon_curl_driver *driver;
    size_t len;
    int done;
    int idle;
    int closed;
    bool leave; /* as soon as one is done */
} own;

static size_t own_write(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    (void)user;
    own.len += size * count;
    ck_assert_int_eq(tenon_curl_detach(own.driver), TENON_BUSY);
    return size * count;
}

static void own_leave(void)
{
    ck_assert_int_eq(tenon_curl_detach(own.driver), TENON_OK);
    curl_multi_cleanup(own.multi);
    own.driver = NULL;
}

static void own_done(void *self, CURL *easy, CURLcode result)
{
    ck_assert_ptr_eq(self, &own);
    ck_assert_int_eq(result, CURLE_OK);
    curl_multi_remove_handle(own.multi, easy);
    curl_easy_cleanup(easy);
    own.done++;
    if (own.leave) {
        own_leave();
    }
}

static void own_idle(void *self)
{
    ck_assert_ptr_eq(self, &own);
    ck_assert_ptr_nonnull(own.driver);
    own.idle++;
}

static void own_closed(void *self)
{
    ck_assert_ptr_eq(self, &own);
    own.closed++;
}

static void own_begin(const char *path)
{
    tenon_curl_hooks hooks = {.size = sizeof hooks,
                              .multi = curl_multi_init(),
                              .self = &own,
                              .done = own_done,
                              .idle = own_idle,
                              .closed = own_closed};
    memset(&own, 0, sizeof own);
    own.multi = hooks.multi;
    ck_assert_int_eq(tenon_curl_attach(stage.reactor, &hooks, &own.driver), 0);
    CURL *easy = easy_to(web.port, path);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, own_write);
    curl_multi_add_handle(own.multi, easy);
}

START_TEST(a_multi_handle_of_ones_own)
{
    if (web_open(_i)) {
        own_begin("/big");
        PUMP_UNTIL(own.done);
        ck_assert_uint_eq(own.len, BIG);
        int before = own.idle;
        ck_assert_int_eq(tenon_curl_wake(own.driver), TENON_OK);
        PUMP_UNTIL(own.idle > before);
        own_leave();
        own_begin("/small");
        own.leave = true;
        PUMP_UNTIL(!own.driver);
        ck_assert_int_eq(own.closed, 0);
        web_close();
    }
}
END_TEST

START_TEST(the_reactor_leaves_a_multi_handle)
{
    if (web_open(_i)) {
        own_begin("/small");
        host_end_reactor();
        ck_assert_int_eq(own.closed, 1);
        ck_assert_int_eq(tenon_curl_wake(own.driver), TENON_CLOSED);
        int running = 1;
        while (running) { /* the program goes on by itself */
            curl_multi_perform(own.multi, &running);
            curl_multi_poll(own.multi, NULL, 0, 50, NULL);
        }
        ck_assert_uint_eq(own.len, SMALL);
        CURLMsg *message = curl_multi_info_read(own.multi, &running);
        own_done(&own, message->easy_handle, message->data.result);
        own_leave();
        web_close();
    }
}
END_TEST

START_TEST(a_code_becomes_an_error)
{
    CURL *easy = curl_easy_init();
    tenon_error *error =
        tenon_curl_error(easy, CURLE_OPERATION_TIMEDOUT, "too slow");
    ck_assert_int_eq(tenon_error_status(error), TENON_TIMED_OUT);
    ck_assert_int_eq(tenon_error_system_code(error), CURLE_OPERATION_TIMEDOUT);
    ck_assert_str_eq(tenon_error_domain(error), "curl");
    ck_assert_str_eq(tenon_error_message(error), "too slow");
    tenon_error_unref(error);
    error = tenon_curl_error(easy, CURLE_SSL_CONNECT_ERROR, NULL);
    ck_assert_int_eq(tenon_error_status(error), TENON_ABORTED);
    ck_assert_str_eq(tenon_error_message(error),
                     curl_easy_strerror(CURLE_SSL_CONNECT_ERROR));
    tenon_error_unref(error);
    curl_easy_cleanup(easy);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("driver");
    int hosts = host_count();
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, a_code_becomes_an_error);
    tcase_add_loop_test(tcase, a_multi_handle_of_ones_own, 0, hosts);
    tcase_add_loop_test(tcase, the_reactor_leaves_a_multi_handle, 0, hosts);
    return web_main(tcase);
}
