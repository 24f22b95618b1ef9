/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * GIO on top: our futures for code that is written with GAsyncReadyCallback,
 * its operations as futures of ours, its errors as errors of ours, and a
 * GApplication that lives as long as the reactor has something to do.
 *
 *   tenon_gio_future_async(future, cancellable, on_ready, user);
 *   ... tenon_gio_future_finish(result, &value, NULL, &error) in on_ready
 *
 *   tenon_gio_call_new(reactor, &call, &future, &options);
 *   g_file_read_async(file, 0, tenon_gio_call_cancellable(call),
 *                     tenon_gio_ready, call);
 *
 * The reactor is usually in the context that this thread runs
 * (tenon_glib_attach), but may be any. As everywhere in GLib, running out of
 * its memory ends the process; out of the reactor's is an error.
 */

#ifndef TENON_GIO_H
#define TENON_GIO_H

#include <gio/gio.h>

#include <tenon/future.h>
#include <tenon/glib.h>

/** A GIO operation under way, for the future that waits for it. */
typedef struct tenon_gio_call tenon_gio_call;

/** Calls the operation's own _finish and returns what that returned, or sets
 *  `error`.
 *  Thread: the one in which the operation calls back. */
typedef void *tenon_gio_finish_fn(GObject *source, GAsyncResult *result,
                                  GError **error, void *user);
/** The same for an operation that ends in a number or a truth value. */
typedef int64_t tenon_gio_finish_int_fn(GObject *source, GAsyncResult *result,
                                        GError **error, void *user);

/** What is to be known of an operation. */
typedef struct tenon_gio_options {
    uint32_t size;
    tenon_gio_finish_fn *finish; /**< NULL: the result is a GTask's pointer */
    tenon_gio_finish_int_fn *finish_int; /**< goes before `finish`; or NULL */
    tenon_free_fn *free_value; /**< of the pointer: g_object_unref, say */
    void *user;                /**< for both */
    GCancellable *cancellable; /**< cancelling it cancels the operation, but
                                    not the other way round; may be NULL */
} tenon_gio_options;

/** The domain of errors that GIO has no word for; the code is a tenon_status.
 *  Such a GError holds the tenon_error. */
#define TENON_GIO_ERROR (tenon_gio_error_quark())

TENON_BEGIN

/** See TENON_GIO_ERROR.
 *  Thread: any. */
TENON_API GQuark tenon_gio_error_quark(void);

/** An error of ours for GIO: in G_IO_ERROR if that has a code for the status
 *  (cancelled, timed out, connection refused, ...), else in TENON_GIO_ERROR.
 *  The message is the whole chain, as of tenon_error_format. What was made by
 *  tenon_gio_error_new comes back with its domain, code and message.
 *  Ownership: the caller's, for g_error_free.
 *  Thread: any. */
TENON_API GError *tenon_gio_gerror_new(tenon_error *error);

/** An error of GIO's for us. Its domain, code and message are those of the
 *  GError (the code is the system code); the status is the one it stands for,
 *  or -EIO. From TENON_GIO_ERROR comes the error that went in.
 *  Ownership: the caller holds one reference.
 *  Thread: any. */
TENON_API tenon_error *tenon_gio_error_new(const GError *error);

/** Calls `callback(NULL, result, user)` once `future` is done, in the main
 *  context that is this thread's default now; never inside. Cancelling
 *  `cancellable` (may be NULL), from any thread, cancels the future. All that
 *  fails is told by the _finish functions. A reference to the future is held
 *  until then.
 *  Callback: once. It may run in a turn of the reactor.
 *  Thread: the reactor's owner.
 *  Source: g_task_return_pointer, but what came first counts: a value is not
 *  lost to a GCancellable that is cancelled later. */
TENON_API void tenon_gio_future_async(tenon_future *future,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback, void *user);
/** The end of it: takes the value, and what it is freed with, as
 *  tenon_future_take; either may be NULL. A value that nobody asked for is
 *  freed.
 *  Errors: false and `error`: that of the future; G_IO_ERROR_CANCELLED if it
 *  was cancelled; TENON_INVALID if it is a number, or was taken. */
TENON_API gboolean tenon_gio_future_finish(GAsyncResult *result, void **value,
                                           tenon_free_fn **free_value,
                                           GError **error);
/** The same for a number. */
TENON_API gboolean tenon_gio_future_finish_int(GAsyncResult *result,
                                               int64_t *number, GError **error);
/** The same into `value`, which is zeroed memory, as tenon_gio_take_value. */
TENON_API gboolean tenon_gio_future_finish_value(GAsyncResult *result,
                                                 GValue *value, GError **error);
/** The error of ours behind a result of tenon_gio_future_async, or NULL.
 *  Ownership: borrowed from the result. */
TENON_API tenon_error *tenon_gio_future_finish_error(GAsyncResult *result);

/** Makes a future for a GIO operation that is to be started now, with
 *  tenon_gio_call_cancellable and with tenon_gio_ready as its callback and
 *  `*call` for that. Whatever else becomes of the future (cancelled, dropped,
 *  the end of its reactor), the operation is cancelled in the turn after, and
 *  what still comes of it is freed. Until it has ended the reactor is alive.
 *  Ownership: the caller holds one reference to `*future`; `*call` is the
 *  operation's. `options` may be NULL.
 *  Thread: the reactor's owner.
 *  Errors: as tenon_future_new. */
TENON_CHECKED TENON_API tenon_status
tenon_gio_call_new(tenon_reactor *reactor, tenon_gio_call **call,
                   tenon_future **future, const tenon_gio_options *options);
/** What to start the operation with: a GCancellable of its own, borrowed. */
TENON_API GCancellable *tenon_gio_call_cancellable(const tenon_gio_call *call);
/** The GAsyncReadyCallback of the operation, `call` its user data. Completes
 *  the future in a later turn; G_IO_ERROR_CANCELLED cancels it. With a NULL
 *  `result` it says that the operation was not started: TENON_ABORTED. A
 *  result of tenon_gio_future_async passes as it is, if no `finish` is given.
 *  Thread: any. */
TENON_API void tenon_gio_ready(GObject *source, GAsyncResult *result,
                               void *call);

/** Resolves with a reference to an object.
 *  Errors: as tenon_future_resolve. */
TENON_CHECKED TENON_API tenon_status
tenon_gio_resolve_object(tenon_future *future, void *object);
/** Resolves with a copy of `value`.
 *  Errors: as tenon_future_resolve. */
TENON_CHECKED TENON_API tenon_status
tenon_gio_resolve_value(tenon_future *future, const GValue *value);
/** Takes the value into `out`, which is zeroed memory: what
 *  tenon_gio_resolve_value was given; an object; a number as G_TYPE_INT64; a
 *  pointer that nothing frees as G_TYPE_POINTER. Any other is freed.
 *  Errors: as tenon_future_take; TENON_NOT_SUPPORTED for any other. */
TENON_CHECKED TENON_API tenon_status tenon_gio_take_value(tenon_future *future,
                                                          GValue *out);

/** As tenon_glib_attach to the default main context, which applications run;
 *  and holds `application` (g_application_hold) whenever the reactor is alive,
 *  so that it outlives its last window while there is a listener, a connection,
 *  a timer. `options` may be NULL. The reactor's alive handler
 *  (tenon_reactor_set_alive_handler) is taken by this.
 *  Ownership: the caller holds one reference. The reactor holds none to the
 *  application; either may end first.
 *  Thread: the one that runs the application.
 *  Errors: as tenon_glib_attach. */
TENON_CHECKED TENON_API tenon_status
tenon_gio_attach(GApplication *application, tenon_reactor **out,
                 const tenon_glib_options *options);

TENON_END

#endif
