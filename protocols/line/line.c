/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A chunk is looked at where it lies; only what is left of it, a line that is
 * not complete, is copied. One loop, one line a step, whatever a chunk holds.
 *
 * When a callback pauses the transport, the rest is held here, but for its
 * last byte, which goes back to the transport. That byte is delivered when
 * the transport is resumed, in order with all that comes later (more bytes,
 * the end of file), and so has this loop go on inside a callback of the
 * transport, as it should be.
 */

#include <tenon/line.h>

#include <string.h>

enum { CAPACITY_MIN = 256 };

#define HAS(line, slot)                                    \
    ((line)->ops->size > offsetof(tenon_line_ops, slot) && \
     (line)->ops->slot != NULL)

/* ---- what is held ---- */

static void drop_buffer(tenon_line *line)
{
    tenon_block_free(line->buffer);
    line->buffer = NULL;
    line->capacity = 0;
    line->begin = 0;
    line->end = 0;
}

static tenon_status make_room(tenon_line *line, size_t len)
{
    size_t held = line->end - line->begin;
    if (len <= line->capacity - line->end) {
        return TENON_OK;
    }
    /* Moving pays if that gives back half of the buffer. */
    if (held + len <= line->capacity && line->begin >= held) {
        memmove(line->buffer, line->buffer + line->begin, held);
    } else {
        size_t capacity = line->capacity * 2;
        capacity = capacity < CAPACITY_MIN ? CAPACITY_MIN : capacity;
        capacity = capacity < held + len ? held + len : capacity;
        char *buffer = tenon_block_new(
            tenon_reactor_allocator(tenon_transport_reactor(line->transport)),
            capacity);
        if (!buffer) {
            return TENON_NO_MEMORY;
        }
        if (held > 0) {
            memcpy(buffer, line->buffer + line->begin, held);
        }
        tenon_block_free(line->buffer);
        line->buffer = buffer;
        line->capacity = capacity;
    }
    line->begin = 0;
    line->end = held;
    return TENON_OK;
}

static tenon_status append(tenon_line *line, const char *data, size_t len)
{
    tenon_status status = make_room(line, len);
    if (status == TENON_OK) {
        memcpy(line->buffer + line->end, data, len);
        line->end += len;
    }
    return status;
}

/* Looks at what was held, with `data` behind it. */
static tenon_status open_view(tenon_line *line, const char *data, size_t len)
{
    if (line->begin == line->end) {
        line->at = data;
        line->left = len;
        return TENON_OK;
    }
    tenon_status status = append(line, data, len);
    line->at = line->buffer + line->begin;
    line->left = line->end - line->begin;
    return status;
}

static bool is_held(const tenon_line *line)
{
    return line->begin < line->end;
}

/* Holds what was not consumed. */
static tenon_status close_view(tenon_line *line)
{
    tenon_status status = TENON_OK;
    const char *at = line->at;
    size_t left = line->left;
    line->at = NULL;
    line->left = 0;
    if (left == 0) {
        drop_buffer(line);
    } else if (is_held(line)) {
        line->begin = line->end - left;
    } else {
        status = append(line, at, left);
    }
    return status;
}

static void consume(tenon_line *line, size_t len)
{
    line->at += len;
    line->left -= len;
    line->scanned = 0;
}

/* ---- lines ---- */

/* The offset of the delimiter, or SIZE_MAX. */
static size_t find(tenon_line *line)
{
    size_t len = line->delimiter_len;
    size_t from = line->scanned >= len ? line->scanned - (len - 1) : 0;
    while (line->left >= from + len) {
        const char *hit = memchr(line->at + from, line->delimiter[0],
                                 line->left - from - (len - 1));
        if (!hit) {
            break;
        }
        from = (size_t)(hit - line->at);
        if (memcmp(hit, line->delimiter, len) == 0) {
            return from;
        }
        from++;
    }
    line->scanned = line->left;
    return SIZE_MAX;
}

/* How many of the last bytes may be the beginning of a delimiter. */
static size_t partial(const tenon_line *line)
{
    size_t len = line->delimiter_len - 1u;
    len = len < line->left ? len : line->left;
    while (len > 0 &&
           memcmp(line->at + line->left - len, line->delimiter, len) != 0) {
        len--;
    }
    return len;
}

static tenon_status exceeded(tenon_line *line)
{
    const char *text = line->at;
    size_t len = line->max_len + 1;
    tenon_status status;
    line->skipping = true;
    consume(line, len);
    if (HAS(line, line_length_exceeded)) {
        status = line->ops->line_length_exceeded(line->self, line, text, len);
        if (status >= 0 && status != TENON_KEEP_OPEN) {
            return tenon_transport_close(line->transport);
        }
        return status;
    }
    line->left = 0;
    tenon_error *error = tenon_error_of(TENON_LIMIT, "line too long");
    status = tenon_transport_fail(line->transport, error);
    tenon_error_unref(error);
    return status;
}

/* What is there of a line that is not complete. */
static tenon_status wait_for_more(tenon_line *line, bool *more)
{
    size_t sure = line->left - partial(line);
    if (line->skipping) {
        size_t scanned = line->scanned - sure;
        consume(line, sure);
        line->scanned = scanned;
    } else if (sure > line->max_len) {
        return exceeded(line);
    }
    *more = false;
    return TENON_OK;
}

static tenon_status give_line(tenon_line *line, bool *more)
{
    size_t len = find(line);
    const char *text = line->at;
    if (len == SIZE_MAX) {
        return wait_for_more(line, more);
    }
    if (!line->skipping && len > line->max_len) {
        return exceeded(line);
    }
    consume(line, len + line->delimiter_len);
    if (line->skipping) {
        line->skipping = false;
        return TENON_OK;
    }
    return HAS(line, line_received)
               ? line->ops->line_received(line->self, line, text, len)
               : TENON_OK;
}

static tenon_status give_raw(tenon_line *line)
{
    const char *data = line->at;
    size_t len = line->left;
    consume(line, len);
    if (!HAS(line, raw_received)) {
        return TENON_OK;
    }
    line->raw_len = len;
    tenon_status status = line->ops->raw_received(line->self, line, data, len);
    line->raw_len = 0;
    return status;
}

/* ---- the protocol below ---- */

/* Keeps the rest for when the transport is resumed. */
static tenon_status hold(tenon_line *line)
{
    char last = line->at[line->left - 1];
    tenon_status status = tenon_transport_unread(line->transport, &last, 1);
    if (status < 0) {
        return status;
    }
    if (is_held(line)) {
        line->end--;
    }
    line->left--;
    return close_view(line);
}

static tenon_status run(tenon_line *line)
{
    /* One whose write failed delivers what it still has, without reading. */
    bool reading = tenon_transport_is_reading(line->transport);
    bool more = true;
    while (more && line->left > 0) {
        tenon_status status =
            line->raw ? give_raw(line) : give_line(line, &more);
        if (status < 0) {
            line->left = 0;
            (void)close_view(line);
            return status;
        }
        if (line->left == 0 ||
            reading == tenon_transport_is_reading(line->transport)) {
            continue;
        }
        if (!tenon_transport_is_closing(line->transport)) {
            return hold(line);
        }
        line->left = 0;
    }
    return close_view(line);
}

static tenon_status on_made(void *self, tenon_transport *t)
{
    tenon_line *line = self;
    line->transport = t;
    return HAS(line, connection_made)
               ? line->ops->connection_made(line->self, line)
               : TENON_OK;
}

static tenon_status on_data(void *self, tenon_transport *t, const void *data,
                            size_t len)
{
    tenon_line *line = self;
    (void)t;
    tenon_status status = open_view(line, data, len);
    return status < 0 ? status : run(line);
}

static tenon_status on_eof(void *self, tenon_transport *t)
{
    tenon_line *line = self;
    (void)t;
    drop_buffer(line);
    return HAS(line, eof_received) ? line->ops->eof_received(line->self, line)
                                   : TENON_OK;
}

static tenon_status on_lost(void *self, tenon_transport *t,
                            const tenon_error *error)
{
    tenon_line *line = self;
    (void)t;
    drop_buffer(line);
    return HAS(line, connection_lost)
               ? line->ops->connection_lost(line->self, line, error)
               : TENON_OK;
}

static tenon_status on_pause(void *self, tenon_transport *t)
{
    tenon_line *line = self;
    (void)t;
    return HAS(line, pause_writing) ? line->ops->pause_writing(line->self, line)
                                    : TENON_OK;
}

static tenon_status on_resume(void *self, tenon_transport *t)
{
    tenon_line *line = self;
    (void)t;
    return HAS(line, resume_writing)
               ? line->ops->resume_writing(line->self, line)
               : TENON_OK;
}

static const tenon_protocol_ops line_ops = {
    .size = sizeof line_ops,
    .name = "line",
    .connection_made = on_made,
    .data_received = on_data,
    .eof_received = on_eof,
    .connection_lost = on_lost,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
};

/* ---- public ---- */

static size_t length_or_default(size_t max_len)
{
    size_t most = (size_t)PTRDIFF_MAX / 2;
    max_len = max_len ? max_len : TENON_LINE_MAX_DEFAULT;
    return max_len < most ? max_len : most;
}

tenon_status tenon_line_init(tenon_line *line, const tenon_line_ops *ops,
                             void *self, const tenon_line_options *options)
{
    tenon_line_options chosen = {0};
    if (options) {
        size_t len = options->size;
        memcpy(&chosen, options, len < sizeof chosen ? len : sizeof chosen);
    }
    if (!chosen.delimiter || chosen.delimiter_len == 0) {
        chosen.delimiter = "\r\n";
        chosen.delimiter_len = 2;
    }
    if (!ops || chosen.delimiter_len > TENON_LINE_DELIMITER_MAX) {
        return TENON_INVALID;
    }
    *line = (tenon_line){.ops = ops,
                         .self = self,
                         .max_len = length_or_default(chosen.max_len),
                         .delimiter_len = (uint8_t)chosen.delimiter_len};
    memcpy(line->delimiter, chosen.delimiter, chosen.delimiter_len);
    return TENON_OK;
}

tenon_protocol tenon_line_protocol(tenon_line *line)
{
    return (tenon_protocol){&line_ops, line};
}

tenon_transport *tenon_line_transport(const tenon_line *line)
{
    return line->transport;
}

tenon_status tenon_line_send(tenon_line *line, const char *text, size_t len)
{
    struct iovec parts[] = {{(void *)text, len},
                            {line->delimiter, line->delimiter_len}};
    if (!line->transport) {
        return TENON_INVALID;
    }
    return tenon_transport_writev(line->transport, parts, 2);
}

void tenon_line_set_raw(tenon_line *line)
{
    line->raw = true;
}

tenon_status tenon_line_set_lines(tenon_line *line, size_t rest_len)
{
    if (rest_len > line->raw_len) {
        return TENON_INVALID;
    }
    line->raw = false;
    line->raw_len = 0; /* once a delivery */
    line->at -= rest_len;
    line->left += rest_len;
    return TENON_OK;
}

void tenon_line_set_max_len(tenon_line *line, size_t max_len)
{
    line->max_len = length_or_default(max_len);
}

tenon_status tenon_line_set_protocol(tenon_line *line, tenon_protocol protocol)
{
    if (!line->transport || !protocol.ops) {
        return TENON_INVALID;
    }
    bool viewing = line->at != NULL;
    tenon_status status = TENON_OK;
    if (viewing) {
        status = tenon_transport_unread(line->transport, line->at, line->left);
    } else if (is_held(line)) {
        status =
            tenon_transport_unread(line->transport, line->buffer + line->begin,
                                   line->end - line->begin);
    }
    if (status == TENON_OK) {
        status = tenon_transport_set_protocol(line->transport, protocol);
    }
    if (status == TENON_OK) {
        line->left = 0;
        if (!viewing) {
            drop_buffer(line);
        }
    }
    return status;
}
