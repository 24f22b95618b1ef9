/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of the curl shim share: nginx with files of known content, a
 * peer that the test plays by hand (so that a transfer stands still at any
 * stage), and transfers that note what becomes of them.
 */

#ifndef TENON_CURL_TESTS_WEB_H
#define TENON_CURL_TESTS_WEB_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tenon/curl.h>

#include "hosts.h"

#define NGINX "/usr/sbin/nginx"

enum { BIG = 3 << 20, SMALL = 300, URL_LEN = 100 };

/* ---- nginx ---- */

static struct {
    char dir[64];
    int port;
    pid_t pid;
    char *big; /* what is in the files: the small one begins like the big */
} web;

static inline int listen_here(int backlog, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        listen(fd, backlog) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        abort();
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static inline void web_file(const char *name, const void *data, size_t len)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", web.dir, name);
    FILE *file = fopen(path, "we");
    if (!file || fwrite(data, 1, len, file) != len || fclose(file) != 0) {
        abort();
    }
}

static inline void web_configure(void)
{
    static const char format[] =
        "daemon off; master_process off; pid pid; error_log errors;\n"
        "events { worker_connections 1000; }\n"
        "http { access_log off; client_body_temp_path b; proxy_temp_path p;\n"
        "fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n"
        "gzip_types *; keepalive_timeout 60;\n"
        "server { listen 127.0.0.1:%d; root .; default_type text/plain;\n"
        "location /moved { return 302 /small; }\n"
        "location /gzip { gzip on; alias big; } } }\n";
    char text[sizeof format + 16];
    int len = snprintf(text, sizeof text, format, web.port);
    web_file("conf", text, (size_t)len);
}

static inline void web_exec(void)
{
    int null = open("/dev/null", O_RDWR);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != 1 &&
        dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2) {
        execl(NGINX, NGINX, "-p", web.dir, "-c", "conf", "-e", "errors",
              (char *)NULL);
    }
    _exit(127);
}

static inline bool web_answers(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)web.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers =
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return answers;
}

/* False if somebody else took the port that was free a moment ago. */
static inline bool web_begin(void)
{
    close(listen_here(1, &web.port));
    web_configure();
    web.pid = fork();
    if (web.pid == 0) {
        web_exec();
    }
    while (waitpid(web.pid, NULL, WNOHANG) == 0) {
        if (web_answers()) {
            return true;
        }
        usleep(2000);
    }
    return false;
}

static inline int web_remove(const char *path, const struct stat *info,
                             int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void web_stop(void)
{
    (void)kill(web.pid, SIGKILL);
    (void)waitpid(web.pid, NULL, 0);
    (void)nftw(web.dir, web_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(web.big);
    curl_global_cleanup();
}

static inline void web_start(void)
{
    (void)signal(SIGPIPE, SIG_DFL); /* a guest survives without ignoring it */
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK ||
        !(web.big = malloc(BIG))) {
        abort();
    }
    uint32_t seed = 1;
    for (size_t i = 0; i < BIG; i++) {
        seed = seed * 1664525 + 1013904223;
        web.big[i] = (char)('A' + (seed >> 24) % 50);
    }
    (void)snprintf(web.dir, sizeof web.dir, "/tmp/tenon-web-XXXXXX");
    if (!mkdtemp(web.dir)) {
        abort();
    }
    web_file("big", web.big, BIG);
    web_file("small", web.big, SMALL);
    web_file("empty", "", 0);
    for (int tries = 0; !web_begin(); tries++) {
        if (tries == 5) {
            abort();
        }
    }
}

/** What main does: nginx lives as long as the tests run. */
static inline int web_main(TCase *tcase)
{
    if (access(NGINX, X_OK) != 0) {
        printf("skipped: there is no nginx\n");
        return 77;
    }
    web_start();
    int result = host_main(tcase);
    web_stop();
    return result;
}

/* ---- transfers ---- */

typedef struct transfer {
    tenon_future *future;
    tenon_waiter waiter;
    int done;
    size_t received; /* by on_data */
    int64_t seen;    /* by on_progress */
    int64_t total;
} transfer;

static tenon_curl *curl;

static inline void on_finished(tenon_waiter *waiter, tenon_future *future,
                               void *user)
{
    transfer *t = user;
    (void)waiter;
    ck_assert(!t->future || t->future == future);
    t->done++;
}

static inline CURL *easy_to(int port, const char *path)
{
    char url[URL_LEN];
    CURL *easy = curl_easy_init();
    ck_assert_ptr_nonnull(easy);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    return easy;
}

static inline void fetch_easy(transfer *t, CURL *easy,
                              const tenon_curl_fetch_options *options)
{
    *t = (transfer){.future = NULL};
    ck_assert_int_eq(tenon_curl_fetch(curl, easy, options, &t->future), 0);
    ck_assert_int_eq(
        tenon_future_on_done(t->future, &t->waiter, on_finished, t), 0);
}

static inline void fetch_from(transfer *t, int port, const char *path)
{
    fetch_easy(t, easy_to(port, path), NULL);
}

static inline void finish(transfer *t)
{
    PUMP_UNTIL(t->done);
    ck_assert_int_eq(t->done, 1);
}

static inline tenon_curl_result *result_of(transfer *t)
{
    void *value = NULL;
    finish(t);
    ck_assert_int_eq(tenon_future_value(t->future, &value), TENON_OK);
    return value;
}

static inline void drop(transfer *t)
{
    tenon_future_unref(t->future);
    t->future = NULL;
}

/* It has failed so; the error is about to go with the future. */
static inline void require_failure(transfer *t, tenon_status status, int code)
{
    finish(t);
    tenon_error *error = tenon_future_error(t->future);
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(tenon_error_status(error) == status, "%s: %s, not %s",
                  tenon_error_message(error),
                  tenon_status_name(tenon_error_status(error)),
                  tenon_status_name(status));
    if (code) {
        ck_assert_str_eq(tenon_error_domain(error), "curl");
        ck_assert_int_eq(tenon_error_system_code(error), code);
    }
    drop(t);
}

static inline void require_body(transfer *t, size_t len)
{
    tenon_curl_result *result = result_of(t);
    ck_assert_int_eq(result->status, 200);
    ck_assert_uint_eq(result->body_len, len);
    ck_assert(len == 0 || memcmp(result->body, web.big, len) == 0);
    ck_assert(len == 0 || result->body[len] == '\0');
    drop(t);
}

static inline bool web_open(int host)
{
    if (!host_open(host)) {
        return false;
    }
    ck_assert_int_eq(tenon_curl_new(stage.reactor, &curl), TENON_OK);
    return true;
}

static inline void web_close(void)
{
    tenon_curl_free(curl);
    curl = NULL;
    host_close();
}

/* ---- a peer that is played by hand ---- */

typedef struct peer {
    int listener;
    int port;
    int fd;
    char request[4096];
    size_t len;
} peer;

static inline void peer_open(peer *p)
{
    *p = (peer){.fd = -1};
    p->listener = listen_here(16, &p->port);
    ck_assert_int_eq(fcntl(p->listener, F_SETFL, O_NONBLOCK), 0);
}

static inline bool peer_accepts(peer *p)
{
    p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return p->fd >= 0;
}

static inline bool peer_has_request(peer *p)
{
    ssize_t n =
        read(p->fd, p->request + p->len, sizeof p->request - p->len - 1);
    p->len += n > 0 ? (size_t)n : 0;
    return strstr(p->request, "\r\n\r\n") != NULL;
}

static inline void peer_say(peer *p, const char *text)
{
    ssize_t len = (ssize_t)strlen(text);
    ck_assert_int_eq(send(p->fd, text, (size_t)len, MSG_NOSIGNAL), len);
}

static inline void peer_take_request(peer *p)
{
    PUMP_UNTIL(peer_accepts(p));
    PUMP_UNTIL(peer_has_request(p));
}

/* The client has closed: what is left to read ends. */
static inline bool peer_is_left(peer *p)
{
    char rest[4096];
    ssize_t n = read(p->fd, rest, sizeof rest);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static inline void peer_close(peer *p)
{
    if (p->fd >= 0) {
        close(p->fd);
    }
    close(p->listener);
}

/* With unread bytes, or told to: the other side gets a reset. */
static inline void peer_reset(peer *p)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(p->fd);
    p->fd = -1;
}

#define HEAD_OF_100 "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

#endif
