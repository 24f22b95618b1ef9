/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * hiredis' hooks on a pollable. Its handlers may free the context, which comes
 * back here as `cleanup`, so what is on the stack is freed on the way out.
 *
 * A write is first tried in the next turn, without asking the kernel when: it
 * nearly always can be done. Only what is left over waits for the descriptor.
 */

#include <string.h>
#include <sys/socket.h>

#include <tenon/hiredis.h>
#include <tenon/pollable.h>

typedef struct joint {
    redisAsyncContext *context; /* NULL: cleaned up under a handler */
    tenon_pollable *pollable;
    bool handling; /* one of its handlers is on the stack */
    bool writing;  /* and has not told yet whether anything is left */
    bool due;      /* the write of the next turn is asked for */
} joint;

static uint32_t wanted(const joint *j)
{
    return tenon_pollable_get(j->pollable, j->context->c.fd);
}

/* hiredis cannot be told no: a connection that cannot be served is cut, which
 * its old registration reports. */
static void want(joint *j, uint32_t events)
{
    int fd = j->context->c.fd;
    if (tenon_pollable_set(j->pollable, fd, events) < 0 && wanted(j)) {
        (void)shutdown(fd, SHUT_RDWR);
    }
}

static void handle(joint *j, void (*handler)(redisAsyncContext *context))
{
    j->handling = true;
    handler(j->context);
    j->handling = false;
    if (!j->context) {
        tenon_block_free(j);
    }
}

static void on_ready(void *self, tenon_pollable *pollable, int fd,
                     uint32_t events)
{
    joint *j = self;
    if (j->handling) {
        /* In a loop run by a callback of a write that failed: it ends here. */
        (void)tenon_pollable_set(pollable, fd, 0);
        return;
    }
    j->writing = events == TENON_WRITE;
    handle(j, j->writing ? redisAsyncHandleWrite : redisAsyncHandleRead);
}

/* Time to write. A loop that a reply's callback runs must not come back into
 * the context. */
static void on_timeout(void *self, tenon_pollable *pollable)
{
    joint *j = self;
    (void)pollable;
    j->due = false;
    if (j->handling) {
        want(j, wanted(j) | TENON_WRITE); /* which waits for its return */
    } else {
        j->writing = true;
        handle(j, redisAsyncHandleWrite);
    }
}

static const tenon_pollable_ops ops = {
    .size = sizeof ops,
    .flags = TENON_POLLABLE_SPLIT,
    .name = "redis",
    .ready = on_ready,
    .timeout = on_timeout,
};

static void add_read(void *self)
{
    want(self, wanted(self) | TENON_READ);
}

static void del_read(void *self)
{
    want(self, wanted(self) & ~(uint32_t)TENON_READ);
}

static void add_write(void *self)
{
    joint *j = self;
    if (j->due) {
        return;
    }
    bool left_over = j->writing || !(j->context->c.flags & REDIS_CONNECTED);
    j->writing = false;
    if (left_over || (wanted(j) & TENON_WRITE) ||
        tenon_pollable_set_timeout(j->pollable, 0) < 0) {
        want(j, wanted(j) | TENON_WRITE);
    } else {
        j->due = true;
    }
}

/* It reads whenever it does not write; in between nothing is unregistered. */
static void del_write(void *self)
{
    joint *j = self;
    j->writing = false;
    want(j, TENON_READ);
}

static void cleanup(void *self)
{
    joint *j = self;
    redisAsyncContext *context = j->context;
    memset(&context->ev, 0, sizeof context->ev);
    j->context = NULL;
    tenon_pollable_free(j->pollable);
    if (!j->handling) {
        tenon_block_free(j);
    }
}

tenon_status tenon_hiredis_attach(tenon_reactor *reactor,
                                  redisAsyncContext *context)
{
    if (!reactor || !context || context->err || context->c.fd < 0) {
        return TENON_INVALID;
    }
    if (context->ev.data) {
        return TENON_BUSY;
    }
    joint *j = tenon_block_new(tenon_reactor_allocator(reactor), sizeof *j);
    if (!j) {
        return TENON_NO_MEMORY;
    }
    j->context = context;
    tenon_status status = tenon_pollable_new(reactor, &ops, j, &j->pollable);
    if (status == TENON_OK) {
        bool connected = context->c.flags & REDIS_CONNECTED;
        status = tenon_pollable_set(j->pollable, context->c.fd,
                                    connected ? TENON_READ : TENON_WRITE);
    }
    if (status < 0) {
        tenon_pollable_free(j->pollable);
        tenon_block_free(j);
        return status;
    }
    context->ev.data = j;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    return TENON_OK;
}
