/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench redis: SET and GET in pipelines of k, hiredis' own adapters and
 * ours by turns on the same host, against one redis-server. A batch of k is
 * given, k replies are awaited, and so on, until the window closes; the figure
 * is this thread's CPU per command. With --all there is a second row for each,
 * in which our side is the client of futures and theirs stays what it was. */
#include "redis.h"

#include <stdio.h>

#if defined(TENON_HAVE_TENON_HIREDIS)
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PAIRS = 1000, MAX_BATCH = 1000, VALUE_LEN = 64 };

enum side { THEIRS, OURS, FUTURES };

typedef struct run {
    const bench_redis_host *host;
    enum side side;
    void *loop;
    tenon_reactor *reactor;
    redisAsyncContext *context;
    tenon_redis *client;
    tenon_future *futures[MAX_BATCH];
    tenon_waiter waiters[MAX_BATCH];
    size_t batch;
    size_t replies; /* of this batch */
    uint64_t commands;
    bool failed;
} run;

typedef struct figure {
    double cpu_us; /* per command */
    double per_s;
} figure;

/* ---- the server ---- */

static char dir[] = "/tmp/tenon-bench-XXXXXX";
static char path[64];

static pid_t server_start(void)
{
    pid_t parent = getpid();
    pid_t pid = mkdtemp(dir) ? fork() : -1;
    (void)snprintf(path, sizeof path, "%s/socket", dir);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent && freopen("/dev/null", "w", stdout)) {
            (void)execlp("redis-server", "redis-server", "--port", "0",
                         "--unixsocket", path, "--dir", dir, "--save", "",
                         "--daemonize", "no", (char *)NULL);
        }
        _exit(127);
    }
    for (int i = 0; pid > 0 && i < 500; i++) {
        redisContext *c = redisConnectUnix(path);
        bool up = c && !c->err;
        redisFree(c);
        if (up) {
            return pid;
        }
        (void)usleep(10000);
    }
    return -1;
}

static void server_stop(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)unlink(path);
    (void)rmdir(dir);
}

/* ---- one run ---- */

static void on_reply(redisAsyncContext *context, void *reply, void *user)
{
    run *r = user;
    (void)context;
    r->replies++;
    r->failed |= !reply;
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    run *r = user;
    (void)waiter;
    r->replies++;
    r->failed |= tenon_future_error(future) != NULL;
    tenon_future_unref(future);
}

static int give(run *r, size_t i)
{
    static const char value[VALUE_LEN + 1] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const char *format = i % 2 ? "GET key:%d" : "SET key:%d %s";
    int key = (int)(i / 2);
    if (r->side != FUTURES) {
        return redisAsyncCommand(r->context, on_reply, r, format, key, value);
    }
    return tenon_redis_command(r->client, &r->futures[i], format, key, value) <
               0 ||
           tenon_future_on_done(r->futures[i], &r->waiters[i], on_done, r) < 0;
}

static void run_batch(run *r)
{
    r->replies = 0;
    for (size_t i = 0; i < r->batch; i++) {
        r->failed |= give(r, i) != 0;
    }
    while (r->replies < r->batch && !r->failed) {
        r->host->run_once(r->loop);
    }
    r->commands += r->batch;
}

static int begin(run *r)
{
    tenon_redis_options options = {.size = sizeof options, .path = path};
    r->loop = r->host->loop_new();
    if (r->side != THEIRS &&
        r->host->reactor_new(r->loop, &r->reactor) != TENON_OK) {
        return -1;
    }
    if (r->side == FUTURES) {
        return tenon_redis_connect(r->reactor, &options, &r->client);
    }
    r->context = redisAsyncConnectUnix(path);
    if (!r->context || r->context->err) {
        return -1;
    }
    return r->side == OURS ? tenon_hiredis_attach(r->reactor, r->context)
                           : r->host->attach_theirs(r->context, r->loop);
}

static void end(run *r)
{
    tenon_redis_close(r->client);
    if (r->context) {
        redisAsyncFree(r->context);
    }
    tenon_reactor_unref(r->reactor);
    r->host->loop_free(r->loop);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int measure(const bench_redis_host *host, enum side side, size_t batch,
                   double seconds, figure *out)
{
    static run r;
    r = (run){.host = host, .side = side, .batch = batch};
    if (begin(&r) != 0) {
        return -1;
    }
    for (int i = 0; i < 3; i++) { /* connected, and warm */
        run_batch(&r);
    }
    r.commands = 0;
    uint64_t start_ns = bench_now_ns();
    uint64_t start_cpu = cpu_ns();
    uint64_t end_ns = start_ns + (uint64_t)(seconds * 1e9);
    while (bench_now_ns() < end_ns && !r.failed) {
        run_batch(&r);
    }
    uint64_t cpu = cpu_ns() - start_cpu;
    double took_s = (double)(bench_now_ns() - start_ns) / 1e9;
    out->cpu_us = (double)cpu / 1e3 / (double)r.commands;
    out->per_s = (double)r.commands / took_s;
    end(&r);
    return r.failed ? -1 : 0;
}

/* ---- pairs ---- */

typedef struct column {
    double values[MAX_PAIRS];
} column;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(column *c, size_t count)
{
    qsort(c->values, count, sizeof c->values[0], by_value);
    return (c->values[(count - 1) / 2] + c->values[count / 2]) / 2;
}

static int run_row(const bench_redis_host *host, size_t batch, enum side side,
                   const bench_options *options)
{
    static column theirs_us;
    static column ours_us;
    static column ratio;
    static column speed;
    char name[64];
    size_t n = options->pairs;
    (void)snprintf(name, sizeof name, "%s k=%zu%s", host->name, batch,
                   side == FUTURES ? " futures" : "");
    if (!strstr(name, options->filter)) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        figure f[2]; /* theirs, ours */
        for (size_t j = 0; j < 2; j++) {
            size_t which = (i + j) % 2;
            if (measure(host, which ? side : THEIRS, batch, options->seconds,
                        &f[which]) != 0) {
                fprintf(stderr, "tenon-bench: redis: %s failed\n", name);
                return 1;
            }
        }
        theirs_us.values[i] = f[0].cpu_us;
        ours_us.values[i] = f[1].cpu_us;
        ratio.values[i] = f[0].cpu_us / f[1].cpu_us;
        speed.values[i] = f[1].per_s / f[0].per_s;
    }
    double middle = median(&ratio, n);
    printf("%-24s %9.2f %9.2f %7.3f [%.2f .. %.2f] %7.3f\n", name,
           median(&theirs_us, n), median(&ours_us, n), middle, ratio.values[0],
           ratio.values[n - 1], median(&speed, n));
    (void)fflush(stdout);
    return 0;
}

static int run_all(const bench_options *options)
{
    static const size_t batches[] = {1, 50, 1000};
    const bench_redis_host *const hosts[] = {
        &bench_redis_libuv, &bench_redis_libevent, &bench_redis_glib};
    int status = 0;
    printf("CPU per SET or GET in pipelines of k, hiredis' own adapter / "
           "tenon: medians of %zu pairs of %g s\n\n",
           options->pairs, options->seconds);
    printf("%-24s %9s %9s %7s %14s %7s\n", "row", "theirs us", "ours us",
           "ratio", "[min .. max]", "speed");
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        for (size_t j = 0; hosts[i] && j < 3; j++) {
            status |= run_row(hosts[i], batches[j], OURS, options);
            if (options->all) {
                status |= run_row(hosts[i], batches[j], FUTURES, options);
            }
        }
    }
    return status;
}

/* Server and client share one CPU, where neither preempts the other, so that
 * a batch is wholly written before the first reply is looked for. */
int bench_redis_main(const bench_options *options)
{
    cpu_set_t set;
    if (options->pairs > MAX_PAIRS) {
        fprintf(stderr, "tenon-bench: at most %d pairs\n", MAX_PAIRS);
        return 2;
    }
    if (options->cpus == BENCH_SHARED &&
        sched_getaffinity(0, sizeof set, &set) == 0) {
        int cpu = sched_getcpu();
        CPU_ZERO(&set);
        CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &set);
        (void)sched_setaffinity(0, sizeof set, &set);
    }
    pid_t pid = server_start();
    if (pid < 0) {
        fprintf(stderr, "tenon-bench: redis-server did not start\n");
        return 1;
    }
    int status = run_all(options);
    server_stop(pid);
    return status;
}
#else
int bench_redis_main(const bench_options *options)
{
    (void)options;
    fprintf(stderr, "tenon-bench: redis: hiredis is not in this build\n");
    return 1;
}
#endif
