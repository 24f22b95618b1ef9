/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The one parser of text addresses. A text is cut at its bare colons into
 * fields; inside of brackets (IPv6) colons are plain. The first field says the
 * kind, the next ones are the kind's own, the rest are options from a table.
 * Nothing is guessed: what is not in the grammar is a bad address (R21).
 */

#include <tenon/endpoint.h>

#include <stdio.h>
#include <string.h>

#include "net/address.h"

enum { FIELD_MAX = 400, LABEL_MAX = 63, MODE_MAX = 0777 };

typedef struct field {
    char text[FIELD_MAX + 1]; /* ended, but may hold zero bytes */
    size_t len;
    bool bare_at; /* begins with an "@" that is not escaped */
} field;

/* What is left to read; NULL: no field more. */
typedef struct cursor {
    const char *at;
} cursor;

/* ---- fields ---- */

/* The character that the escape at `*at` stands for, or -1. */
static int read_escape(const char **at, bool first)
{
    char c = *++*at;
    if (c == '0') {
        return '\0';
    }
    return c == ':' || c == '\\' || (c == '@' && first) ? c : -1;
}

/* Reads up to the next bare colon; false if there is no field, it is too long
 * or has a bad escape. */
static bool next_field(cursor *from, field *out, bool brackets)
{
    const char *at = from->at;
    bool inside = false;
    out->len = 0;
    if (!at) {
        return false;
    }
    out->bare_at = *at == '@';
    for (; *at && (*at != ':' || inside); at++) {
        int c = (unsigned char)*at;
        inside = brackets && (c == '[' || (inside && c != ']'));
        if (c == '\\') {
            c = read_escape(&at, out->len == 0);
        }
        if (c < 0 || out->len == FIELD_MAX) {
            return false;
        }
        out->text[out->len++] = (char)c;
    }
    out->text[out->len] = '\0';
    from->at = *at ? at + 1 : NULL;
    return true;
}

/* The one reader of numbers: digits only, no sign, no space, checked. */
static bool read_number(const char *text, size_t len, uint32_t base,
                        uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    if (len == 0 || len > 10 || (base == 10 && text[0] == '0' && len > 1)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        uint32_t digit = (uint32_t)(unsigned char)text[i] - '0';
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value) || value > max) {
            return false;
        }
    }
    *out = value;
    return true;
}

/* ---- names ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           c == '-' || c == '_';
}

/* Digits, or 0x and whatever: the shorthand of numeric addresses. */
static bool is_numeric_label(const char *label, size_t len)
{
    if (len > 1 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X')) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(label[i])) {
            return false;
        }
    }
    return true;
}

/* The length of a label in good order, or 0. */
static size_t label_len(const char *label)
{
    size_t len = 0;
    while (is_name_char(label[len])) {
        len++;
    }
    bool good = len > 0 && len <= LABEL_MAX && label[0] != '-' &&
                label[len - 1] != '-' && (!label[len] || label[len] == '.');
    return good ? len : 0;
}

bool tenon_name_is_valid(const char *name)
{
    bool numeric = true;
    size_t len = name ? strnlen(name, TENON_NAME_MAX + 1) : 0;
    if (len == 0 || len - (name[len - 1] == '.') >= TENON_NAME_MAX) {
        return false;
    }
    while (*name) {
        size_t step = label_len(name);
        if (step == 0) {
            return false;
        }
        numeric = is_numeric_label(name, step);
        name += step;
        name += *name == '.';
    }
    return !numeric;
}

/* ---- options ---- */

static bool read_backlog(tenon_endpoint *e, const char *value, size_t len)
{
    uint32_t number;
    bool good = read_number(value, len, 10, INT32_MAX, &number) && number > 0;
    e->backlog = good ? (int)number : 0;
    return good;
}

static bool read_reuse_port(tenon_endpoint *e, const char *value, size_t len)
{
    uint32_t number = 0;
    bool good = read_number(value, len, 10, 1, &number);
    e->reuse_port = number == 1;
    return good;
}

static bool read_mode(tenon_endpoint *e, const char *value, size_t len)
{
    return read_number(value, len, 8, MODE_MAX, &e->mode) && e->mode > 0;
}

static bool read_timeout(tenon_endpoint *e, const char *value, size_t len)
{
    uint32_t seconds;
    bool good = read_number(value, len, 10, INT32_MAX, &seconds) && seconds > 0;
    e->timeout_ns = good ? (int64_t)seconds * TENON_SECOND : 0;
    return good;
}

static bool read_local(tenon_endpoint *e, const char *value, size_t len)
{
    return tenon__address_numeric(&e->local, value, len);
}

enum { OF_TCP = 1, OF_UNIX = 2, OF_FD = 4 };

static const struct option {
    const char *key; /* with its "=" */
    uint32_t flag;
    uint32_t kinds;
    bool (*read)(tenon_endpoint *e, const char *value, size_t len);
} option_table[] = {
    {"backlog=", TENON_ENDPOINT_BACKLOG, OF_TCP | OF_UNIX, read_backlog},
    {"reuse_port=", TENON_ENDPOINT_REUSE_PORT, OF_TCP, read_reuse_port},
    {"mode=", TENON_ENDPOINT_MODE, OF_UNIX, read_mode},
    {"timeout=", TENON_ENDPOINT_TIMEOUT, OF_TCP | OF_UNIX, read_timeout},
    {"local=", TENON_ENDPOINT_LOCAL, OF_TCP, read_local},
};

enum { OPTION_COUNT = sizeof option_table / sizeof option_table[0] };

static bool read_option(tenon_endpoint *e, const field *f, uint32_t kinds)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_table[i];
        size_t key_len = strlen(o->key);
        if (f->len > key_len && memcmp(f->text, o->key, key_len) == 0) {
            bool good = (o->kinds & kinds) && !(e->given & o->flag) &&
                        o->read(e, f->text + key_len, f->len - key_len);
            e->given |= o->flag;
            return good;
        }
    }
    return false;
}

static bool read_options(tenon_endpoint *e, cursor *from, uint32_t kinds)
{
    field f;
    while (from->at) {
        if (!next_field(from, &f, kinds == OF_TCP) ||
            !read_option(e, &f, kinds)) {
            return false;
        }
    }
    return true;
}

/* ---- kinds ---- */

static bool read_host(tenon_endpoint *e, const field *host)
{
    if (host->len == 0 || (host->len == 1 && host->text[0] == '*')) {
        e->kind = TENON_ENDPOINT_ANY;
        return true;
    }
    if (tenon__address_numeric(&e->address, host->text, host->len)) {
        tenon__address_set_port(&e->address, e->port);
        e->kind = TENON_ENDPOINT_ADDRESS;
        return true;
    }
    if (host->len > TENON_NAME_MAX || strlen(host->text) != host->len ||
        !tenon_name_is_valid(host->text)) {
        return false;
    }
    memcpy(e->name, host->text, host->len + 1);
    e->kind = TENON_ENDPOINT_NAME;
    return true;
}

static bool read_tcp(tenon_endpoint *e, cursor *from)
{
    field host, port;
    uint32_t number;
    if (!next_field(from, &host, true) || !next_field(from, &port, false) ||
        !read_number(port.text, port.len, 10, UINT16_MAX, &number)) {
        return false;
    }
    e->port = (uint16_t)number;
    return read_host(e, &host) && read_options(e, from, OF_TCP);
}

static bool read_unix(tenon_endpoint *e, cursor *from)
{
    field path;
    e->kind = TENON_ENDPOINT_ADDRESS;
    if (!next_field(from, &path, false) ||
        (path.len > 0 && path.text[0] == '\0')) {
        return false;
    }
    if (path.bare_at) {
        path.text[0] = '\0';
    }
    return tenon__address_local(&e->address, TENON_ADDRESS_UNIX, path.text,
                                path.len) &&
           read_options(e, from, OF_UNIX);
}

static bool read_memory(tenon_endpoint *e, cursor *from)
{
    field name;
    e->kind = TENON_ENDPOINT_ADDRESS;
    return next_field(from, &name, false) && !from->at && !name.bare_at &&
           strlen(name.text) == name.len &&
           tenon__address_local(&e->address, TENON_ADDRESS_MEMORY, name.text,
                                name.len);
}

static bool read_fd(tenon_endpoint *e, cursor *from)
{
    field number;
    uint32_t fd;
    e->kind = TENON_ENDPOINT_FD;
    if (!next_field(from, &number, false) ||
        !read_number(number.text, number.len, 10, INT32_MAX, &fd)) {
        return false;
    }
    e->fd = (int)fd;
    return read_options(e, from, OF_FD);
}

/* ---- public ---- */

tenon_status tenon_endpoint_parse(tenon_endpoint *out, const char *text)
{
    static const struct {
        const char *prefix;
        bool (*read)(tenon_endpoint *e, cursor *from);
    } kinds[] = {
        {"tcp:", read_tcp},
        {"unix:", read_unix},
        {"mem:", read_memory},
        {"fd:", read_fd},
    };
    if (!out || !text) {
        return TENON_INVALID;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, len) == 0) {
            tenon_endpoint e;
            cursor from = {text + len};
            memset(&e, 0, sizeof e);
            e.fd = -1;
            if (!kinds[i].read(&e, &from)) {
                return TENON_BAD_ADDRESS;
            }
            *out = e;
            return TENON_OK;
        }
    }
    return TENON_BAD_ADDRESS;
}

tenon_status tenon_address_parse(tenon_address *out, const char *text)
{
    tenon_endpoint e;
    tenon_status status = out ? tenon_endpoint_parse(&e, text) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (e.kind != TENON_ENDPOINT_ADDRESS || e.given) {
        return TENON_BAD_ADDRESS;
    }
    *out = e.address;
    return TENON_OK;
}

static void put_options(tenon__text *to, const tenon_endpoint *e)
{
    if (e->given & TENON_ENDPOINT_BACKLOG) {
        tenon__text_number(to, ":backlog=", (unsigned)e->backlog);
    }
    if (e->given & TENON_ENDPOINT_REUSE_PORT) {
        tenon__text_number(to, ":reuse_port=", e->reuse_port);
    }
    if (e->given & TENON_ENDPOINT_MODE) {
        char mode[16];
        int len = snprintf(mode, sizeof mode, ":mode=%04o", e->mode);
        tenon__text_put(to, mode, (size_t)len);
    }
    if (e->given & TENON_ENDPOINT_TIMEOUT) {
        tenon__text_number(
            to, ":timeout=", (unsigned)(e->timeout_ns / TENON_SECOND));
    }
    if (e->given & TENON_ENDPOINT_LOCAL) {
        tenon__text_put(to, ":local=", 7);
        tenon__text_host(to, &e->local);
    }
}

size_t tenon_endpoint_format(const tenon_endpoint *e, char *text, size_t len)
{
    tenon__text to = tenon__text_in(text, len);
    switch (e ? e->kind : TENON_ENDPOINT_NONE) {
    case TENON_ENDPOINT_ADDRESS:
        tenon__text_address(&to, &e->address);
        break;
    case TENON_ENDPOINT_ANY:
        tenon__text_number(&to, "tcp:*:", e->port);
        break;
    case TENON_ENDPOINT_NAME:
        tenon__text_put(&to, "tcp:", 4);
        tenon__text_put(&to, e->name, strlen(e->name));
        tenon__text_number(&to, ":", e->port);
        break;
    case TENON_ENDPOINT_FD:
        tenon__text_number(&to, "fd:", (unsigned)e->fd);
        break;
    default:
        return 0;
    }
    put_options(&to, e);
    return to.used;
}

size_t tenon_endpoint_quote(const char *argument, char *text, size_t len)
{
    tenon__text to = tenon__text_in(text, len);
    if (argument) {
        tenon__text_quote(&to, argument, strlen(argument), true);
    }
    return to.used;
}
