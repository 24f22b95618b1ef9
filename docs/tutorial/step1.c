/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Step 1: what comes in goes out. */

#include <stdio.h>

#include <tenon/tenon.h>

static tenon_status on_data(void *self, tenon_transport *transport,
                            const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

static const tenon_protocol_ops echo = {
    .size = sizeof echo,
    .data_received = on_data,
};

static tenon_status serve(tenon_reactor *reactor, const char *address)
{
    tenon_listener *listener;
    tenon_status status = tenon_listen(reactor, &listener, address,
                                       tenon_factory_of(&echo), NULL);
    if (status < 0) {
        return status;
    }
    tenon_listener_unref(listener); /* the reactor keeps it */
    return tenon_run(reactor);
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status == TENON_OK) {
        status = serve(reactor, argc > 1 ? argv[1] : "tcp:127.0.0.1:7000");
        tenon_reactor_close(reactor);
        tenon_reactor_unref(reactor);
    }
    if (status < 0) {
        (void)fprintf(stderr, "%s\n", tenon_status_text(status));
    }
    return status < 0;
}
