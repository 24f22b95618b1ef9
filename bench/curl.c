/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Transfers of 300 bytes from an nginx on loopback, 100 at a time: libcurl in
 * its hosts' own idiom and through shims/curl, by turns, each in a process of
 * its own. "driver" is the same program on tenon_curl_attach; "futures" has a
 * future for each transfer besides. A pair's ratio is the CPU time of the one over that of the other:
 * above one, we are cheaper. */
#include "bench.h"

#include <stdio.h>

#if defined(TENON_HAVE_SHIM_CURL)
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "curl.h"

#define NGINX "/usr/sbin/nginx"

enum { CONNS = 100, TOTAL = 10000, BODY = 300, PAIRS_MAX = 101 };

typedef struct run_result {
    double cpu_us; /* per transfer */
    double rate;   /* transfers per second */
} run_result;

static const struct {
    const char *name;
    bench_curl_fn *native;
    bench_curl_fn *tenon;
} rows[] = {
#if BENCH_HAVE_LIBUV && defined(TENON_HAVE_TENON_LIBUV)
    {"libuv, driver", bench_curl_uv, bench_curl_driver_libuv},
    {"libuv, futures", bench_curl_uv, bench_curl_tenon_libuv},
#endif
#if BENCH_HAVE_LIBEVENT && defined(TENON_HAVE_TENON_LIBEVENT)
    {"libevent, driver", bench_curl_event, bench_curl_driver_libevent},
    {"libevent, futures", bench_curl_event, bench_curl_tenon_libevent},
#endif
};

/* ---- the work ---- */

CURL *bench_curl_next(bench_curl_work *work)
{
    if (work->begun == work->total) {
        return NULL;
    }
    work->begun++;
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, work->url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return easy;
}

size_t bench_curl_write(char *data, size_t size, size_t count, void *user)
{
    bench_curl_work *work = user;
    (void)data;
    work->bytes += size * count;
    return size * count;
}

/* ---- nginx ---- */

static char dir[] = "/tmp/tenon-bench-XXXXXX";
static char url[64];
static pid_t server;

static int file(const char *name, const char *text)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "we");
    return out && fputs(text, out) >= 0 && fclose(out) == 0 ? 0 : -1;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = bind(fd, (struct sockaddr *)&address, len) == 0 &&
                getsockname(fd, (struct sockaddr *)&address, &len) == 0;
    close(fd);
    return good ? ntohs(address.sin_port) : -1;
}

static bool answers(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return good;
}

static void exec_nginx(void)
{
    int null = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execl(NGINX, NGINX, "-p", dir, "-c", "conf", "-e", "errors", (char *)NULL);
    _exit(127);
}

/* All on one CPU, where nobody preempts the other: batches are as large for
 * the one as for the other. */
static void share_one_cpu(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static int start(void)
{
    static const char format[] =
        "daemon off; master_process off; pid pid; error_log errors;\n"
        "events { worker_connections 1000; }\n"
        "http { access_log off; client_body_temp_path b; proxy_temp_path p;\n"
        "fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n"
        "keepalive_requests 1000000; open_file_cache max=10;\n"
        "server { listen 127.0.0.1:%d backlog=1000; root .; } }\n";
    char text[sizeof format + 16];
    char body[BODY + 1];
    int port = free_port();
    (void)snprintf(text, sizeof text, format, port);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/body", port);
    memset(body, 'x', BODY);
    body[BODY] = '\0';
    if (!mkdtemp(dir) || file("conf", text) < 0 || file("body", body) < 0) {
        return -1;
    }
    server = fork();
    if (server == 0) {
        exec_nginx();
    }
    while (waitpid(server, NULL, WNOHANG) == 0) {
        if (answers(port)) {
            return 0;
        }
        usleep(2000);
    }
    return -1;
}

static void stop(void)
{
    char command[64];
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    (void)!system(command);
}

/* ---- runs ---- */

static int run_once(bench_curl_fn *fn, size_t total, run_result *out)
{
    int status;
    struct rusage usage;
    uint64_t start_ns = bench_now_ns();
    pid_t child = fork();
    if (child == 0) {
        bench_curl_work work = {.url = url, .conns = CONNS, .total = total};
        _exit(fn(&work) == 0 && work.bytes == total * BODY ? 0 : 1);
    }
    if (wait4(child, &status, 0, &usage) != child || status != 0) {
        return -1;
    }
    double took_s = (double)(bench_now_ns() - start_ns) / 1e9;
    double cpu_us =
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    out->cpu_us = cpu_us / (double)total;
    out->rate = (double)total / took_s;
    return 0;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Of `count` values, sorted here; `rank` of 0 to 1. */
static double at(double *values, size_t count, double rank)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)(rank * (double)(count - 1) + 0.5)];
}

static int compare(size_t row, size_t pairs, size_t total)
{
    static double ratio[PAIRS_MAX];
    static double native_us[PAIRS_MAX];
    static double tenon_us[PAIRS_MAX];
    static double speed[PAIRS_MAX];
    for (size_t i = 0; i < pairs; i++) {
        run_result native;
        run_result tenon;
        bool first = i % 2;
        if ((first && run_once(rows[row].tenon, total, &tenon) < 0) ||
            run_once(rows[row].native, total, &native) < 0 ||
            (!first && run_once(rows[row].tenon, total, &tenon) < 0)) {
            fprintf(stderr, "tenon-bench: curl: a run failed\n");
            return 1;
        }
        ratio[i] = native.cpu_us / tenon.cpu_us;
        native_us[i] = native.cpu_us;
        tenon_us[i] = tenon.cpu_us;
        speed[i] = tenon.rate / native.rate;
    }
    printf("%-18s %8.1f %8.1f %7.2f  %.2f-%.2f  %9.2f\n", rows[row].name,
           at(native_us, pairs, 0.5), at(tenon_us, pairs, 0.5),
           at(ratio, pairs, 0.5), at(ratio, pairs, 0.25),
           at(ratio, pairs, 0.75), at(speed, pairs, 0.5));
    return 0;
}

int bench_curl_main(const bench_options *options)
{
    size_t pairs = options->pairs < PAIRS_MAX ? options->pairs : PAIRS_MAX;
    share_one_cpu();
    int result = access(NGINX, X_OK);
    if (result != 0 || curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK ||
        start() < 0) {
        fprintf(stderr, "tenon-bench: curl: no nginx\n");
        return 1;
    }
    printf(
        "client CPU in microseconds per transfer, %d at a time: medians of "
        "%zu pairs of %d\nhost                 native    tenon   ratio  quartiles  "
        "throughput\n",
        CONNS, pairs, TOTAL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && result == 0; i++) {
        result = compare(i, pairs, TOTAL);
    }
    stop();
    return result;
}
#else
int bench_curl_main(const bench_options *options)
{
    (void)options;
    fprintf(stderr, "tenon-bench: built without shims/curl\n");
    return 1;
}
#endif
