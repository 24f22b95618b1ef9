/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Whether what has come is what a read wants. A search goes on where the last
 * one ended, so that a long line in small pieces is not looked through again
 * with each of them.
 */

#include <string.h>

#include "net/iostream.h"

static const tenon__match pending = {TENON_PENDING, 0, 0};

static tenon__match found(size_t len, size_t skip)
{
    return (tenon__match){TENON_OK, len, skip};
}

/* `len` bytes may be read by whoever wants less. */
static tenon__match failed(tenon_status status, size_t len)
{
    return (tenon__match){status, len, 0};
}

tenon_status tenon__read_check(const tenon_read *what)
{
    const size_t mandatory = offsetof(tenon_read, user) + sizeof what->user;
    if (!what || what->size < mandatory || what->kind > TENON_READ_ALL ||
        (what->kind == TENON_READ_MATCH && !what->match)) {
        return TENON_INVALID;
    }
    if (what->kind != TENON_READ_UNTIL) {
        return TENON_OK;
    }
    for (size_t i = 0; what->separators && i < what->separator_count; i++) {
        if (what->separators[i].len == 0) {
            return TENON_INVALID;
        }
    }
    return what->separators && what->separator_count > 0 ? TENON_OK
                                                         : TENON_INVALID;
}

static size_t max_of(const tenon_stream *s, const tenon_read *what)
{
    return what->max ? what->max : s->limit;
}

static bool has_ended(const tenon_stream *s)
{
    return s->eof || s->lost || s->closed || s->failed;
}

static tenon__match ended(const tenon_stream *s)
{
    return failed(tenon__iostream_end_status(s), tenon__iostream_unread(s));
}

static tenon__match match_some(const tenon_stream *s, const tenon_read *what)
{
    size_t len = tenon__iostream_unread(s);
    if (what->max == 0) {
        return found(0, 0);
    }
    if (len == 0) {
        return has_ended(s) ? ended(s) : pending;
    }
    return found(len < what->max ? len : what->max, 0);
}

static tenon__match match_exactly(const tenon_stream *s, const tenon_read *what)
{
    if (tenon__iostream_unread(s) >= what->count) {
        return found(what->count, 0);
    }
    return has_ended(s) ? ended(s) : pending;
}

/* The longest separator decides how much may have to be looked at again. */
static size_t longest(const tenon_read *what)
{
    size_t len = 0;
    for (size_t i = 0; i < what->separator_count; i++) {
        len = what->separators[i].len > len ? what->separators[i].len : len;
    }
    return len;
}

typedef struct hit {
    size_t start;
    size_t end; /* 0: none */
} hit;

/* The separator that ends first, from `from` on. */
static hit search(const unsigned char *data, size_t len, size_t from,
                  const tenon_read *what)
{
    hit best = {0, 0};
    size_t end = len;
    for (size_t i = 0; i < what->separator_count; i++) {
        const tenon_bytes *separator = &what->separators[i];
        const unsigned char *at =
            memmem(data + from, end - from, separator->data, separator->len);
        if (at) {
            best.start = (size_t)(at - data);
            best.end = best.start + separator->len;
            end = best.end > from ? best.end : end;
        }
    }
    return best;
}

static tenon__match match_until(const tenon_stream *s, tenon__read_op *op)
{
    const tenon_read *what = op->what;
    size_t len = tenon__iostream_unread(s);
    size_t max = max_of(s, what);
    size_t again = longest(what) - 1; /* may begin a separator */
    hit at = len ? search(tenon__iostream_data(s), len, op->scanned, what)
                 : (hit){0, 0};
    if (at.end > 0) {
        return at.end <= max ? found(at.end, 0) : failed(TENON_LIMIT, at.start);
    }
    op->scanned = len > again ? len - again : 0;
    if (op->scanned > 0 && len > max) {
        return failed(TENON_LIMIT, op->scanned);
    }
    return has_ended(s) ? ended(s) : pending;
}

static size_t without_return(const unsigned char *data, size_t len)
{
    return len > 0 && data[len - 1] == '\r' ? len - 1 : len;
}

/* No end in sight. Only a clean end of the stream ends the last line. */
static tenon__match match_open_line(const tenon_stream *s, size_t max)
{
    size_t len = tenon__iostream_unread(s);
    const unsigned char *data = tenon__iostream_data(s);
    if (len > 0 && without_return(data, len) > max) {
        return failed(TENON_LIMIT, without_return(data, len));
    }
    if (!has_ended(s)) {
        return pending;
    }
    return len > 0 && tenon__iostream_end_status(s) == TENON_ENDED
               ? found(len, 0)
               : ended(s);
}

static tenon__match match_line(const tenon_stream *s, tenon__read_op *op)
{
    const unsigned char *data = tenon__iostream_data(s);
    size_t len = tenon__iostream_unread(s);
    size_t max = max_of(s, op->what);
    const unsigned char *at =
        len > op->scanned ? memchr(data + op->scanned, '\n', len - op->scanned)
                          : NULL;
    if (!at) {
        op->scanned = len;
        return match_open_line(s, max);
    }
    size_t end = (size_t)(at - data);
    size_t text = without_return(data, end);
    return text <= max ? found(text, end + 1 - text)
                       : failed(TENON_LIMIT, text);
}

static tenon__match match_by(const tenon_stream *s, const tenon_read *what)
{
    size_t len = tenon__iostream_unread(s);
    size_t max = max_of(s, what);
    size_t look = len < max ? len : max;
    ssize_t got =
        what->match(tenon__iostream_data(s), look, has_ended(s), what->user);
    if (got < 0) {
        return failed((tenon_status)got, look);
    }
    if (got > 0) {
        return (size_t)got <= look ? found((size_t)got, 0)
                                   : failed(TENON_INVALID, look);
    }
    if (len > max) {
        return failed(TENON_LIMIT, max);
    }
    return has_ended(s) ? ended(s) : pending;
}

static tenon__match match_all(const tenon_stream *s, const tenon_read *what)
{
    size_t len = tenon__iostream_unread(s);
    if (len > max_of(s, what)) {
        return failed(TENON_LIMIT, max_of(s, what));
    }
    if (!has_ended(s)) {
        return pending;
    }
    return tenon__iostream_end_status(s) == TENON_ENDED ? found(len, 0)
                                                        : ended(s);
}

tenon__match tenon__iostream_match(const tenon_stream *s, tenon__read_op *op)
{
    if (s->closed || s->failed) {
        return ended(s);
    }
    switch (op->what->kind) {
    case TENON_READ_SOME:
        return match_some(s, op->what);
    case TENON_READ_EXACTLY:
        return match_exactly(s, op->what);
    case TENON_READ_UNTIL:
        return match_until(s, op);
    case TENON_READ_LINE:
        return match_line(s, op);
    case TENON_READ_MATCH:
        return match_by(s, op->what);
    case TENON_READ_ALL:
    default:
        return match_all(s, op->what);
    }
}
