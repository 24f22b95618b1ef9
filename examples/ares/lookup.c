/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* lookup NAME [SERVER[:PORT]]: its IPv4 addresses, a line each. */

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <tenon/tenon.h>

#include "ares.h"

static void on_host(void *user, int status, int timeouts, struct hostent *host)
{
    int *result = user;
    char text[INET_ADDRSTRLEN];
    (void)timeouts;
    *result = status != ARES_SUCCESS;
    if (*result) {
        fprintf(stderr, "%s\n", ares_strerror(status));
        return;
    }
    for (char **at = host->h_addr_list; *at; at++) {
        puts(inet_ntop(AF_INET, *at, text, sizeof text));
    }
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    names ares;
    int result = 1;
    if (argc < 2 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        tenon_reactor_new(&reactor, NULL) < 0 ||
        names_init(&ares, reactor) < 0) {
        return 2;
    }
    if (argc > 2) {
        (void)ares_set_servers_ports_csv(ares.channel, argv[2]);
    }
    ares_gethostbyname(ares.channel, argv[1], AF_INET, on_host, &result);
    names_asked(&ares);
    (void)!tenon_run(reactor); /* until nothing is waited for */
    names_fini(&ares);
    tenon_reactor_unref(reactor);
    ares_library_cleanup();
    return result;
}
