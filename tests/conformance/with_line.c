/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group I, lines: a protocol from a component of its own, the same object code
 * on every loop. The lines come from a socket, in chunks that the case cuts,
 * or from a memory pair where a chunk must be larger than sockets deliver.
 * Random sessions against a second parser are in the component's own tests.
 */

#include "recorder.h"

#include <tenon/line.h>

struct lines {
    tenon_line line;
    size_t pause_every; /* lines; 0: never */
    size_t seen;
    size_t depth;
    size_t deepest;
    bool silent;
    bool holds; /* paused for good, until the case resumes */
    bool lost;
    tenon_status on_exceeded;
    tenon_status status;
};

static void say(const char *mark, const char *text, size_t len)
{
    note("%s:%.*s", mark, (int)len, text);
}

static void resume(void *user)
{
    struct lines *self = user;
    if (!self->lost) {
        tenon_transport *transport = tenon_line_transport(&self->line);
        REQUIRE_OK(tenon_transport_resume_reading(transport));
    }
}

static void maybe_pause(struct lines *self)
{
    self->seen++;
    if (self->holds ||
        (self->pause_every && self->seen % self->pause_every == 0)) {
        tenon_transport_pause_reading(tenon_line_transport(&self->line));
        if (!self->holds) {
            soon(resume, self);
        }
    }
}

/* A line "rawN" has N raw bytes follow. */
static tenon_status on_line(void *user, tenon_line *line, const char *text,
                            size_t len)
{
    struct lines *self = user;
    self->depth++;
    self->deepest = self->depth > self->deepest ? self->depth : self->deepest;
    REQUIRE(tenon_transport_is_reading(tenon_line_transport(line)));
    if (!self->silent) {
        say("line", text, len);
    }
    if (len == 4 && memcmp(text, "raw", 3) == 0) {
        tenon_line_set_raw(line);
        note("%c", text[3]);
    }
    maybe_pause(self);
    self->depth--;
    return TENON_OK;
}

/* One raw byte at a time; "!" is the last one. */
static tenon_status on_raw(void *user, tenon_line *line, const void *data,
                           size_t len)
{
    const char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        note("raw:%02x", (unsigned)(unsigned char)bytes[i]);
        if (bytes[i] == '!') {
            REQUIRE_OK(tenon_line_set_lines(line, len - i - 1));
            break;
        }
    }
    maybe_pause(user);
    return TENON_OK;
}

static tenon_status on_exceeded(void *user, tenon_line *line, const char *text,
                                size_t len)
{
    (void)line;
    say("long", text, len);
    return ((struct lines *)user)->on_exceeded;
}

static tenon_status on_lost(void *user, tenon_line *line,
                            const tenon_error *error)
{
    struct lines *self = user;
    (void)line;
    REQUIRE(!self->lost);
    (void)harness_told(error);
    self->lost = true;
    self->status = tenon_error_status(error);
    return TENON_OK;
}

static const tenon_line_ops line_ops = {.size = sizeof line_ops,
                                        .name = "lines",
                                        .line_received = on_line,
                                        .raw_received = on_raw,
                                        .line_length_exceeded = on_exceeded,
                                        .connection_lost = on_lost};

static tenon_factory factory_of(struct lines *self, size_t max_len)
{
    tenon_line_options how = {.size = sizeof how, .max_len = max_len};
    tenon_factory factory = {0};
    REQUIRE_OK(tenon_line_init(&self->line, &line_ops, self, &how));
    factory.shared = tenon_line_protocol(&self->line);
    return factory;
}

/* The far end, a plain socket. */
static int join(struct lines *self, size_t max_len)
{
    int fds[2];
    tenon_transport *transport = NULL;
    socket_pair(fds);
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, fds[0],
                                     factory_of(self, max_len)));
    PUMP_UNTIL(tenon_line_transport(&self->line) == transport);
    return fds[1];
}

static void leave(struct lines *self, int *fd)
{
    close_fd(fd);
    PUMP_UNTIL(self->lost);
}

static void feed(int fd, const char *bytes, size_t len)
{
    char piece[64];
    REQUIRE(len < sizeof piece);
    memcpy(piece, bytes, len);
    piece[len] = '\0';
    put(fd, piece);
    rig_settle();
}

static const char session[] = "one\r\n\r\nt\rw\no\r\r\nraw2\r\n\r\n!raw1\r\n!"
                              "123456789\r\nend\r\n";
/* max_len is 8: "123456789" is too long, and dropped. */
#define SESSION_NOTES                                                 \
    "line:one line: line:t\rw\no\r line:raw2 2 raw:0d raw:0a raw:21 " \
    "line:raw1 1 raw:21 long:123456789 line:end"

static void i11_every_cut(void)
{
    struct lines self = {.on_exceeded = TENON_KEEP_OPEN};
    int fd = join(&self, 8);
    size_t len = sizeof session - 1;
    for (size_t cut = 1; cut <= len; cut++) {
        notes_clear();
        feed(fd, session, cut);
        feed(fd, session + cut, len - cut);
        REQUIRE_NOTES(SESSION_NOTES);
    }
    leave(&self, &fd);
    REQUIRE_STATUS(self.status, TENON_OK);
}

static void i11_byte_by_byte(void)
{
    struct lines self = {.on_exceeded = TENON_KEEP_OPEN};
    int fd = join(&self, 8);
    for (const char *at = session; *at; at++) {
        feed(fd, at, 1);
    }
    REQUIRE_NOTES(SESSION_NOTES);
    leave(&self, &fd);
}

static void i11_too_long(void)
{
    struct lines self = {.on_exceeded = TENON_OK};
    int fd = join(&self, 4);
    feed(fd, "fine\r\nabcd", 10);
    REQUIRE_NOTES("line:fine");
    feed(fd, "efgh\r\nnever\r\n", 13);
    REQUIRE_NOTES("line:fine long:abcde");
    PUMP_UNTIL(self.lost);
    REQUIRE_STATUS(self.status, TENON_OK);
    close_fd(&fd);
}

static void i12_raw_in_a_chunk(void)
{
    struct lines self = {0};
    int fd = join(&self, 0);
    feed(fd, "a\r\nraw9\r\n\r\nx!b\r\nraw9\r\n!c\r\n", 27);
    REQUIRE_NOTES("line:a line:raw9 9 raw:0d raw:0a raw:78 raw:21 line:b "
                  "line:raw9 9 raw:21 line:c");
    leave(&self, &fd);
}

static void i12_paused_inside(void)
{
    struct lines self = {.pause_every = 1};
    int fd = join(&self, 0);
    feed(fd, "a\r\nb\r\nraw9\r\nx", 13);
    feed(fd, "!c\r\nd", 5);
    REQUIRE_NOTES("line:a line:b line:raw9 9 raw:78 raw:21 line:c");
    feed(fd, "\r\n", 2);
    REQUIRE(noted("line:d"));
    leave(&self, &fd);
}

static void i12_held_until_resumed(void)
{
    struct lines self = {.holds = true};
    int fd = join(&self, 0);
    feed(fd, "a\r\nb\r\nc", 7);
    feed(fd, "\r\n", 2);
    close_fd(&fd);
    rig_settle();
    REQUIRE_NOTES("line:a");
    resume(&self);
    REQUIRE_NOTES("line:a"); /* not inside the call */
    PUMP_UNTIL(noted("line:b"));
    REQUIRE_NOTES("line:a line:b");
    self.holds = false;
    resume(&self);
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("line:a line:b line:c");
}

static void i13_no_recursion(void)
{
    enum { LINES = 100000 };
    static char bytes[LINES * 4];
    for (size_t i = 0; i < LINES; i++) {
        memcpy(bytes + i * 4, "ab\r\n", 4);
    }
    struct lines self = {.silent = true};
    recorder feeder = {.silent = true};
    tenon_transport *ends[2] = {NULL, NULL};
    tenon_memory_options memory = {.size = sizeof memory, .capacity = 1 << 20};
    REQUIRE_OK(tenon_memory_pair(rig.reactor, ends, recorder_factory(&feeder),
                                 factory_of(&self, 0), &memory));
    PUMP_UNTIL(feeder.made);
    REQUIRE(tenon_transport_write(ends[0], bytes, sizeof bytes) >= 0);
    PUMP_UNTIL(self.seen == LINES);
    REQUIRE_EQ(self.deepest, 1);
    tenon_transport_close(ends[0]);
    PUMP_UNTIL(self.lost && feeder.lost);
}

static const rig_case cases[] = {
    {"I11", "lines are the same however they are cut in two", i11_every_cut, 0},
    {"I11b", "lines are the same byte by byte", i11_byte_by_byte, 0},
    {"I11c", "a line that is too long is shown, then the connection closed",
     i11_too_long, 0},
    {"I12", "raw bytes and lines in one chunk", i12_raw_in_a_chunk, 0},
    {"I12b", "paused inside: the rest is held, and loses nothing",
     i12_paused_inside, 0},
    {"I12c", "paused: nothing comes, the end neither, until resumed",
     i12_held_until_resumed, 0},
    {"I13", "100,000 lines do not recurse", i13_no_recursion, 0},
};

const rig_group rig_line = RIG_GROUP(cases);
