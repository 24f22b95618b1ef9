/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Errors both ways. GIO's users ask for G_IO_ERROR and a code, so whatever
 * that has a code for is told in it; the rest is told in a domain of ours,
 * whose GErrors hold the tenon_error itself (an "extended" domain).
 *
 * A GError becomes a tenon_error whose domain is the very string of its quark.
 * That address tells it from a protocol that happens to use the same word, so
 * that it can be turned back.
 */

#include <string.h>

#include "outcome.h"

/* ---- the domain ---- */

typedef struct holder {
    tenon_error *error;
} holder;

static gsize tenon__gio_domain; /* its quark, once somebody asked */

static holder *holder_of(const GError *error);

static void holder_init(GError *error)
{
    holder_of(error)->error = NULL;
}

static void holder_copy(const GError *from, GError *to)
{
    holder_of(to)->error = tenon_error_ref(holder_of(from)->error);
}

static void holder_clear(GError *error)
{
    tenon_error_unref(holder_of(error)->error);
}

GQuark tenon_gio_error_quark(void)
{
    if (g_once_init_enter(&tenon__gio_domain)) {
        GQuark quark = g_error_domain_register_static(
            "tenon-error-quark", sizeof(holder), holder_init, holder_copy,
            holder_clear);
        g_once_init_leave(&tenon__gio_domain, quark);
    }
    return (GQuark)tenon__gio_domain;
}

/* GLib keeps what is private to a domain in front of the GError. */
static holder *holder_of(const GError *error)
{
    gsize align = 2 * sizeof(gsize);
    gsize len = (sizeof(holder) + align - 1) / align * align;
    union {
        const char *read;
        holder *any;
    } view = {.read = (const char *)error - len};
    return view.any;
}

/* ---- which code is which status ---- */

typedef struct pair {
    int code; /* of G_IO_ERROR */
    tenon_status status;
} pair;

/* Both ways; the first that fits. */
static const pair pairs[] = {
    {G_IO_ERROR_CANCELLED, TENON_CANCELLED},
    {G_IO_ERROR_TIMED_OUT, TENON_TIMED_OUT},
    {G_IO_ERROR_TIMED_OUT, -ETIMEDOUT},
    {G_IO_ERROR_CLOSED, TENON_CLOSED},
    {G_IO_ERROR_PENDING, TENON_BUSY},
    {G_IO_ERROR_BUSY, -EBUSY},
    {G_IO_ERROR_NOT_SUPPORTED, TENON_NOT_SUPPORTED},
    {G_IO_ERROR_INVALID_ARGUMENT, TENON_INVALID},
    {G_IO_ERROR_INVALID_DATA, TENON_PROTOCOL},
    {G_IO_ERROR_HOST_NOT_FOUND, TENON_UNRESOLVED},
    {G_IO_ERROR_CONNECTION_REFUSED, -ECONNREFUSED},
    {G_IO_ERROR_BROKEN_PIPE, -EPIPE},
    {G_IO_ERROR_BROKEN_PIPE, -ECONNRESET},
    {G_IO_ERROR_ADDRESS_IN_USE, -EADDRINUSE},
    {G_IO_ERROR_ADDRESS_IN_USE, TENON_IN_USE},
    {G_IO_ERROR_HOST_UNREACHABLE, -EHOSTUNREACH},
    {G_IO_ERROR_NETWORK_UNREACHABLE, -ENETUNREACH},
    {G_IO_ERROR_NOT_CONNECTED, -ENOTCONN},
    {G_IO_ERROR_MESSAGE_TOO_LARGE, -EMSGSIZE},
    {G_IO_ERROR_NOT_FOUND, -ENOENT},
    {G_IO_ERROR_EXISTS, -EEXIST},
    {G_IO_ERROR_PERMISSION_DENIED, -EACCES},
    {G_IO_ERROR_IS_DIRECTORY, -EISDIR},
    {G_IO_ERROR_NOT_DIRECTORY, -ENOTDIR},
    {G_IO_ERROR_NOT_EMPTY, -ENOTEMPTY},
    {G_IO_ERROR_FILENAME_TOO_LONG, -ENAMETOOLONG},
    {G_IO_ERROR_TOO_MANY_LINKS, -ELOOP},
    {G_IO_ERROR_TOO_MANY_OPEN_FILES, -EMFILE},
    {G_IO_ERROR_NO_SPACE, -ENOSPC},
    {G_IO_ERROR_READ_ONLY, -EROFS},
    {G_IO_ERROR_WOULD_BLOCK, -EAGAIN},
};

/* G_IO_ERROR_FAILED: it has none. */
static int code_of(tenon_status status)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        if (pairs[i].status == status) {
            return pairs[i].code;
        }
    }
    return G_IO_ERROR_FAILED;
}

static tenon_status status_of(const GError *error)
{
    if (error->domain == G_RESOLVER_ERROR) {
        return TENON_UNRESOLVED;
    }
    if (error->domain == TENON_GIO_ERROR && error->code < 0) {
        return error->code; /* of the user's own making */
    }
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        if (error->domain == G_IO_ERROR && pairs[i].code == error->code) {
            return pairs[i].status;
        }
    }
    return -EIO;
}

/* ---- theirs to ours ---- */

tenon_error *tenon_gio_error_new(const GError *error)
{
    if (error->domain == TENON_GIO_ERROR && holder_of(error)->error) {
        return tenon_error_ref(holder_of(error)->error);
    }
    tenon_error_options options = {
        .size = sizeof options,
        .status = status_of(error),
        .system_code = error->code,
        .domain = g_quark_to_string(error->domain),
        .message = error->message,
    };
    return tenon_error_new(&options);
}

/* ---- ours to theirs ---- */

/* The quark of a GError that became this error, or 0. */
static GQuark origin_of(const tenon_error *error)
{
    const char *domain = tenon_error_domain(error);
    GQuark quark = g_quark_try_string(domain);
    return quark != 0 && g_quark_to_string(quark) == domain ? quark : 0;
}

tenon_error *tenon__gio_error_reason(tenon_error *error)
{
    const char *usual = tenon_status_text(TENON_CANCELLED);
    tenon_error *cause = tenon_error_cause(error);
    while (tenon_error_status(error) == TENON_CANCELLED &&
           tenon_error_status(cause) == TENON_CANCELLED &&
           strcmp(tenon_error_message(error), usual) == 0) {
        error = cause;
        cause = tenon_error_cause(error);
    }
    return error;
}

static GError *with_text(GQuark domain, int code, const tenon_error *error)
{
    if (!tenon_error_cause(error)) {
        return g_error_new_literal(domain, code, tenon_error_message(error));
    }
    size_t len = tenon_error_format(error, NULL, 0) + 1;
    char *text = g_malloc(len);
    (void)tenon_error_format(error, text, len);
    GError *made = g_error_new_literal(domain, code, text);
    g_free(text);
    return made;
}

GError *tenon_gio_gerror_new(tenon_error *error)
{
    error = tenon__gio_error_reason(error);
    GQuark origin = origin_of(error);
    if (origin != 0) {
        return g_error_new_literal(origin, tenon_error_system_code(error),
                                   tenon_error_message(error));
    }
    int code = code_of(tenon_error_status(error));
    if (code != G_IO_ERROR_FAILED) {
        return with_text(G_IO_ERROR, code, error);
    }
    GError *made = with_text(TENON_GIO_ERROR, tenon_error_status(error), error);
    holder_of(made)->error = tenon_error_ref(error);
    return made;
}
