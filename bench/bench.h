/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What the parts of tenon-bench share. One server process under test, one
 * client process that loads it, one page of memory between them. A server is
 * a translation unit of its own (host headers do not mix) that defines one
 * bench_server; servers.c lists it by name. This header includes no socket
 * and no host header, so that every part can include it. */
#ifndef BENCH_H
#define BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A missing package leaves its servers out. A build that finds a header it
 * does not link says -DBENCH_HAVE_LIBUV=0. */
#ifndef BENCH_HAVE_LIBUV
#define BENCH_HAVE_LIBUV __has_include(<uv.h>)
#endif
#ifndef BENCH_HAVE_LIBEVENT
#define BENCH_HAVE_LIBEVENT __has_include(<event2/event.h>)
#endif
#ifndef BENCH_HAVE_GLIB
#define BENCH_HAVE_GLIB __has_include(<gio/gio.h>)
#endif

/* Where the two processes run. SHARED: both on one CPU, where neither
 * preempts the other, so that a batch is wholly written before the server
 * wakes and wholly answered before the client does: the same work for every
 * server, by construction. SPLIT: one CPU each; the server wakes at the first
 * bytes and races the rest of the batch, so waits_per_batch floats. ANYWHERE:
 * as the kernel likes. */
typedef enum bench_cpus {
    BENCH_SHARED,
    BENCH_SPLIT,
    BENCH_ANYWHERE
} bench_cpus;

typedef struct bench_options {
    const char *name; /* the bench: echo, pairs, redis */
    const char *host; /* native, libuv, libevent, glib */
    const char *impl; /* tenon, native, native-fd, raw */
    size_t conns;     /* connections that speak */
    bool conns_given; /* by --conns */
    size_t idle;      /* connections that never do */
    size_t batch;     /* echoes under way at a time: the k of lock-step */
    size_t size;      /* bytes of one message */
    double seconds;   /* the window */
    bench_cpus cpus;
    bool json;
    /* pairs only */
    size_t pairs;
    bool all;           /* the raw loop against every host, too */
    bool null_test;     /* the baseline against itself */
    const char *filter; /* rows whose name contains it */
    bool check;         /* fair only: fail where no noise explains it */
} bench_options;

/* Runs a server on listen_fd (bound, listening, non-blocking) for ever, or
 * returns non-zero when it could not. It must set TCP_NODELAY on what it
 * accepts, echo every byte, and never read past its share: the process is
 * killed when the window has closed. */
typedef struct bench_server {
    const char *name;
    const char *host;
    const char *impl;
    int (*run)(int listen_fd, const bench_options *options);
} bench_server;

/* Written by the server process alone (count.c), read by the client. */
typedef struct bench_page {
    _Atomic uint64_t recvs; /* calls on accepted connections, EAGAIN too */
    _Atomic uint64_t sends;
    _Atomic uint64_t waits;      /* every poll or epoll_wait entered */
    _Atomic uint64_t accepted;   /* connections taken so far */
    _Atomic uint64_t settled;    /* `accepted` at the last blocking wait */
    _Atomic uint64_t heap_bytes; /* heap in use then */
} bench_page;

enum { BENCH_UNSETTLED = -1 };

typedef struct bench_result {
    uint64_t ops;
    double cpu_us_per_op;
    double ops_per_s;
    double p50_us;
    double p99_us;
    double recvs_per_op;
    double sends_per_op;
    double waits_per_batch;
    double bytes_per_idle_conn; /* negative: no idle connections, no figure */
} bench_result;

/* count.c: from here on this thread counts into `page`. */
void bench_count_into(bench_page *page);

/* servers.c */
const bench_server *bench_server_find(const char *host, const char *impl);
void bench_server_list(void);

/* options.c: 0, or -1 after having said what is wrong. */
int bench_options_parse(bench_options *self, int argc, char **argv);
void bench_usage(void);

/* process.c: the server process; where processes run. */
typedef struct bench_process {
    int pid;
    int clock; /* its CPU clock: a clockid_t */
    uint16_t port;
    bench_page *page;
} bench_process;
int bench_process_start(bench_process *self, const bench_server *server,
                        const bench_options *options);
void bench_process_kill(bench_process *self);
uint64_t bench_process_cpu_ns(const bench_process *self);
/* Waits until `accepted` connections are taken and the server is back in its
 * wait; fails when the server dies or 60 s have passed. */
int bench_process_settle(const bench_process *self, uint64_t accepted);
uint64_t bench_now_ns(void);

/* load.c: the client's side. */
typedef struct bench_load bench_load;
bench_load *bench_load_new(const bench_options *options);
int bench_load_connect(bench_load *self, const bench_process *server,
                       size_t count, bool speaks);
int bench_load_batch(bench_load *self);
/* For so long, every connection that speaks has one echo under way; adds those
 * that came back. They stay under way between two such calls. */
int bench_load_flow(bench_load *self, double seconds, uint64_t *echoes);
/* How many connections are open still, and silent. */
size_t bench_load_held(const bench_load *self);
void bench_load_free(bench_load *self);

/* echo.c: one measured run. */
int bench_echo_run(const bench_server *server, const bench_options *options,
                   bench_result *out);
int bench_echo_main(const bench_options *options);
/* As many as this process may have; -1 if `needed` are more. */
int bench_raise_fd_limit(size_t needed);

/* pairs.c */
int bench_pairs_main(const bench_options *options);

/* fair.c */
int bench_fair_main(const bench_options *options);

/* hold.c: 0; 77 where the limit of descriptors is lower. */
int bench_hold_main(const bench_options *options);

/* curl.c */
int bench_curl_main(const bench_options *options);

/* timers.c */
int bench_timers_main(const bench_options *options);

/* redis.c */
int bench_redis_main(const bench_options *options);

/* watches.c, calls.c, wake.c, switch.c */
int bench_watches_main(const bench_options *options);
int bench_calls_main(const bench_options *options);
int bench_wake_main(const bench_options *options);
int bench_switch_main(const bench_options *options);
int bench_tasks_main(const bench_options *options);

/* conn.c: the echo that all one-watch-per-descriptor servers share: one
 * receive and one send a readiness, what was not sent kept aside. */
enum { BENCH_READ = 1, BENCH_WRITE = 2 };
typedef struct bench_conn {
    int fd;
    char *rest; /* unsent bytes, at rest + off; NULL when there are none */
    size_t off;
    size_t len;
} bench_conn;
int bench_conn_accept(int listen_fd);   /* a descriptor, or -1 for no more */
int bench_conn_serve(bench_conn *self); /* what to watch for; -1: ended */
void bench_conn_fini(bench_conn *self);

#endif
