/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The table of servers. The names are weak: one whose file is not built, for
 * want of its package, is null here and is passed over. A new server joins by
 * a file that defines one of these, or by one more line. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#define WEAK __attribute__((weak))

extern const bench_server bench_srv_epoll WEAK;
extern const bench_server bench_srv_libuv WEAK;
extern const bench_server bench_srv_uvpoll WEAK;
extern const bench_server bench_srv_bufferevent WEAK;
extern const bench_server bench_srv_event WEAK;
extern const bench_server bench_srv_gio WEAK;
extern const bench_server bench_srv_gsource WEAK;
extern const bench_server bench_srv_gsource_recurse WEAK;
extern const bench_server bench_srv_tenon_native WEAK;
extern const bench_server bench_srv_tenon_task WEAK;
extern const bench_server bench_srv_tenon_libuv WEAK;
extern const bench_server bench_srv_tenon_libevent WEAK;
extern const bench_server bench_srv_tenon_glib WEAK;

static const bench_server *const servers[] = {
    &bench_srv_epoll,        &bench_srv_libuv,
    &bench_srv_uvpoll,       &bench_srv_bufferevent,
    &bench_srv_event,        &bench_srv_gio,
    &bench_srv_gsource,      &bench_srv_gsource_recurse,
    &bench_srv_tenon_native, &bench_srv_tenon_task,
    &bench_srv_tenon_libuv,  &bench_srv_tenon_libevent,
    &bench_srv_tenon_glib,
};

enum { SERVERS = sizeof servers / sizeof servers[0] };

const bench_server *bench_server_find(const char *host, const char *impl)
{
    for (size_t i = 0; i < SERVERS; i++) {
        const bench_server *s = servers[i];
        if (s != NULL && strcmp(s->host, host) == 0 &&
            strcmp(s->impl, impl) == 0) {
            return s;
        }
    }
    return NULL;
}

void bench_server_list(void)
{
    for (size_t i = 0; i < SERVERS; i++) {
        const bench_server *s = servers[i];
        if (s != NULL) {
            printf("  --host %-9s --impl %-18s %s\n", s->host, s->impl,
                   s->name);
        }
    }
}
