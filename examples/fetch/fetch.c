/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Downloads all URLs of the command line at once, each to a file of its last
 * path segment, with a line of progress on standard error. An interrupt
 * cancels what is not done; half a file is removed.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/curl.h>
#include <tenon/tenon.h>

typedef struct download {
    const char *url;
    const char *name;
    FILE *file;
    tenon_future *future;
    tenon_waiter waiter;
    int64_t received;
} download;

static download *all;
static int count;
static int failures;

static void show_progress(void)
{
    int64_t received = 0;
    int done = 0;
    for (int i = 0; i < count; i++) {
        received += all[i].received;
        done += tenon_future_is_done(all[i].future);
    }
    (void)fprintf(stderr, "\r%d of %d, %lld KiB ", done, count,
                  (long long)(received / 1024));
}

static tenon_status on_data(CURL *easy, const void *data, size_t len,
                            void *user)
{
    download *one = user;
    (void)easy;
    return fwrite(data, 1, len, one->file) == len ? TENON_OK : -EIO;
}

static tenon_status on_progress(CURL *easy, int64_t received, int64_t total,
                                void *user)
{
    download *one = user;
    (void)easy;
    (void)total;
    if (received != one->received) {
        one->received = received;
        show_progress();
    }
    return TENON_OK;
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    download *one = user;
    tenon_error *error = tenon_future_error(future);
    char text[500];
    (void)waiter;
    if (fclose(one->file) != 0 || error) {
        (void)tenon_error_format(error, text, sizeof text);
        (void)fprintf(stderr, "\r%s: %s\n", one->url,
                      error ? text : "not written");
        (void)remove(one->name);
        failures++;
    }
    show_progress();
}

static tenon_status begin(download *one, tenon_curl *curl, const char *url)
{
    tenon_curl_fetch_options options = {.size = sizeof options,
                                        .on_data = on_data,
                                        .on_progress = on_progress,
                                        .user = one};
    const char *slash = strrchr(url, '/');
    *one = (download){.url = url, .name = slash ? slash + 1 : url};
    one->file = fopen(one->name, "we");
    CURL *easy = one->file ? curl_easy_init() : NULL;
    if (!easy) {
        return one->file ? TENON_NO_MEMORY : -errno;
    }
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    tenon_status status = tenon_curl_fetch(curl, easy, &options, &one->future);
    if (status < 0) {
        curl_easy_cleanup(easy);
        return status;
    }
    return tenon_future_on_done(one->future, &one->waiter, on_done, one);
}

static void on_interrupt(void *user)
{
    (void)user;
    for (int i = 0; i < count; i++) {
        (void)tenon_future_cancel(all[i].future, "interrupted");
    }
}

static tenon_status run(tenon_reactor *reactor, tenon_curl *curl, char **urls)
{
    tenon_status status =
        tenon_add_signal_handler(reactor, SIGINT, on_interrupt, NULL);
    while (status >= 0 && urls[count]) {
        status = begin(&all[count], curl, urls[count]);
        count++;
    }
    return status < 0 ? status : tenon_run(reactor);
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor = NULL;
    tenon_curl *curl = NULL;
    all = calloc((size_t)argc, sizeof *all);
    if (argc < 2 || !all || curl_global_init(CURL_GLOBAL_ALL) != 0) {
        (void)fprintf(stderr, "usage: fetch URL...\n");
        return 2;
    }
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status >= 0) {
        status = tenon_curl_new(reactor, &curl);
    }
    if (status >= 0) {
        status = run(reactor, curl, argv + 1);
    }
    if (status < 0) {
        (void)fprintf(stderr, "fetch: %s\n", tenon_status_text(status));
    }
    for (int i = 0; i < count; i++) {
        tenon_future_unref(all[i].future);
    }
    tenon_curl_free(curl);
    tenon_reactor_unref(reactor);
    curl_global_cleanup();
    free(all);
    (void)fputc('\n', stderr);
    return status < 0 || failures > 0;
}
