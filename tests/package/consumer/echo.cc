/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The same from C++11: the headers, the tables and the callbacks. Two ends of
 * a memory pair, one echoes, the other listens.
 */

#include <cstdio>
#include <string>

#include <tenon/tenon.h>
#if defined HOST_GLIB
#include <tenon/glib.h>
#elif defined HOST_LIBUV
#include <tenon/libuv.h>
#elif defined HOST_LIBEVENT
#include <tenon/libevent.h>
#endif

namespace {

std::string heard;

tenon_status echo_data(void *, tenon_transport *transport, const void *data,
                       size_t len)
{
    return tenon_transport_write(transport, data, len);
}

tenon_status client_made(void *, tenon_transport *transport)
{
    return tenon_transport_write(transport, "hello", 5);
}

tenon_status client_data(void *, tenon_transport *transport, const void *data,
                         size_t len)
{
    heard.append(static_cast<const char *>(data), len);
    return heard.size() < 5 ? int(TENON_OK) : tenon_transport_close(transport);
}

tenon_protocol_ops ops_of(decltype(tenon_protocol_ops::data_received) data)
{
    tenon_protocol_ops ops = tenon_protocol_ops();
    ops.size = sizeof ops;
    ops.data_received = data;
    return ops;
}

tenon_status start(tenon_reactor *reactor)
{
    static const tenon_protocol_ops echo = ops_of(echo_data);
    static tenon_protocol_ops client = ops_of(client_data);
    client.connection_made = client_made;
    tenon_transport *ends[2];
    return tenon_memory_pair(reactor, ends, tenon_factory_of(&echo),
                             tenon_factory_of(&client), nullptr);
}

/* A loop that Tenon made: tenon_run works on each. */
tenon_status make(tenon_reactor **out)
{
#if defined HOST_GLIB
    return tenon_glib_new(out, nullptr);
#elif defined HOST_LIBUV
    return tenon_libuv_new(out, nullptr);
#elif defined HOST_LIBEVENT
    return tenon_libevent_new(out, nullptr);
#else
    return tenon_reactor_new(out, nullptr);
#endif
}

} // namespace

int main()
{
    tenon_reactor *reactor = nullptr;
    tenon_status status = make(&reactor);
    status = status < 0 ? status : start(reactor);
    status = status < 0 ? status : tenon_run(reactor);
    if (status < 0 || heard != "hello") {
        std::fprintf(stderr, "%s: \"%s\"\n", tenon_status_text(status),
                     heard.c_str());
        return 1;
    }
    std::printf("echo on %s from C++\n", tenon_reactor_host(reactor));
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return 0;
}
