/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* GLib as its users write networking: a GSocketService, and per connection
 * g_input_stream_read_async and g_output_stream_write_async in turn, into a
 * buffer that lives as long as the connection. (write_all_async, handier and
 * as usual, costs GIO a tenth more: one GTask around the other.)
 *
 * Two things are done for GIO's sake. The listening socket has the bench's
 * own backlog, not GSocketListener's ten. And `incoming` takes everything
 * that waits, not one connection: the service takes one an iteration, and an
 * iteration costs GIO a poll of every connection it has, so that 5,000 would
 * take half a minute before the window opens. */
#include "bench.h"

#if BENCH_HAVE_GLIB
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { SMALL = 4096, LARGE = 65536 };

typedef struct conn {
    GIOStream *stream;
    GInputStream *in;
    GOutputStream *out;
    gsize cap;
    gsize put; /* of `len` bytes to be written */
    gsize len;
    char bytes[];
} conn;

static gsize buffer_size = SMALL;

static void on_read(GObject *source, GAsyncResult *result, gpointer user);

static void conn_free(conn *c)
{
    g_object_unref(c->stream);
    g_free(c);
}

static void read_more(conn *c)
{
    g_input_stream_read_async(c->in, c->bytes, c->cap, G_PRIORITY_DEFAULT, NULL,
                              on_read, c);
}

static void on_written(GObject *source, GAsyncResult *result, gpointer user);

static void write_more(conn *c)
{
    g_output_stream_write_async(c->out, c->bytes + c->put, c->len - c->put,
                                G_PRIORITY_DEFAULT, NULL, on_written, c);
}

static void on_written(GObject *source, GAsyncResult *result, gpointer user)
{
    conn *c = user;
    gssize n = g_output_stream_write_finish(c->out, result, NULL);
    (void)source;
    if (n < 0) {
        conn_free(c);
        return;
    }
    c->put += (gsize)n;
    if (c->put < c->len) {
        write_more(c);
    } else {
        read_more(c);
    }
}

static void on_read(GObject *source, GAsyncResult *result, gpointer user)
{
    conn *c = user;
    gssize n = g_input_stream_read_finish(c->in, result, NULL);
    (void)source;
    if (n <= 0) {
        conn_free(c);
        return;
    }
    c->put = 0;
    c->len = (gsize)n;
    write_more(c);
}

static void begin(GSocketConnection *connection)
{
    conn *c = g_malloc(sizeof *c + buffer_size);
    (void)g_socket_set_option(g_socket_connection_get_socket(connection),
                              IPPROTO_TCP, TCP_NODELAY, 1, NULL);
    c->stream = g_object_ref(G_IO_STREAM(connection));
    c->in = g_io_stream_get_input_stream(c->stream);
    c->out = g_io_stream_get_output_stream(c->stream);
    c->cap = buffer_size;
    read_more(c);
}

static gboolean on_incoming(GSocketService *service, GSocketConnection *first,
                            GObject *source, gpointer user)
{
    GSocket *listener = user;
    (void)service;
    (void)source;
    begin(first);
    for (GSocket *s; (s = g_socket_accept(listener, NULL, NULL)) != NULL;) {
        GSocketConnection *next =
            g_socket_connection_factory_create_connection(s);
        begin(next);
        g_object_unref(next);
        g_object_unref(s);
    }
    return TRUE;
}

static int run(int listen_fd, const bench_options *options)
{
    GSocketService *service = g_socket_service_new();
    GSocket *listener = g_socket_new_from_fd(listen_fd, NULL);
    if (listener == NULL) {
        return 1;
    }
    buffer_size = options->size > SMALL ? LARGE : SMALL;
    g_socket_set_blocking(listener, FALSE);
    g_socket_set_listen_backlog(listener, 4096);
    if (!g_socket_listen(listener, NULL) ||
        !g_socket_listener_add_socket(G_SOCKET_LISTENER(service), listener,
                                      NULL, NULL)) {
        return 1;
    }
    g_signal_connect(service, "incoming", G_CALLBACK(on_incoming), listener);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 1;
}

const bench_server bench_srv_gio = {"GIO streams", "glib", "native", run};
#endif
