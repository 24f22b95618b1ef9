/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The base of every transport. What a protocol can see of one (order, limits,
 * notices, the two ends) is decided here once, over a small body that knows
 * how to move bytes. Its rooms: transport.c its life, protocol.c the calls,
 * write.c the queue, level.c its length, loan.c what is owed for it, read.c the
 * reading, extra.c what few of them need and what is known, timeout.c their
 * deadlines, unclosed.c the report of those that were forgotten.
 *
 *   OPEN -> CLOSING (sends what is queued) -> LOST (connection_lost is owed)
 *   OPEN -> BROKEN (a write failed: reads what is there) -> LOST -> GONE
 */

#ifndef TENON_NET_TRANSPORT_H
#define TENON_NET_TRANSPORT_H

#include <sys/types.h>

#include <tenon/info.h>

#include "loop/engine.h"
#include "net/queue.h"

typedef struct tenon__transport_ops tenon__transport_ops;

enum tenon__transport_state {
    TENON__OPENED,
    TENON__CLOSING,
    TENON__BROKEN,
    TENON__LOST,
    TENON__GONE
};

/* What few transports need: made when the first of it is asked for, kept until
 * the transport goes. */
typedef struct tenon__extra {
    tenon__queue done;   /* loans that are through, to be told */
    tenon__queue riders; /* descriptors for the next byte */
    tenon__queue unread;
    uint32_t loans;   /* of `done`, `riders` and the write queue */
    uint32_t arrived; /* descriptors to be delivered */
    int fds[TENON_FDS_MAX];
    tenon_timer timer; /* for the earliest of: */
    int64_t idle_ns;   /* after active_ns; 0: none */
    int64_t active_ns;
    int64_t session_end_ns; /* TENON_FOREVER: none */
    int64_t close_end_ns;   /* TENON_FOREVER: none */
    tenon_tap_fn *tap;
    void *tap_user;
    bool in_tap;
    /* For whom it belongs to, a process: told after connection_lost, whoever
     * the protocol is by then; may call the user. */
    void (*gone)(tenon_transport *t, void *user);
    void *gone_user;
    struct tenon__past *past; /* of a lost connection, if there was memory */
} tenon__extra;

struct tenon_transport {
    tenon__object object;
    const tenon__transport_ops *ops;
    tenon_reactor *reactor;
    tenon_protocol protocol; /* until built, `self` is the factory's user */
    tenon_build_fn *build;   /* NULL once built */
    tenon_error *error;      /* what connection_lost will carry */
    tenon__extra *extra;     /* NULL as a rule */
    tenon__queue queue;
    size_t high;
    size_t low;
    size_t hard;
    uint64_t write_turn; /* the turn of the last write; see write.c */
    struct tenon_listener *listener; /* it came by this one, or NULL */
    tenon_node ready;                /* something owed in the next turn */
    tenon_node late;                 /* something owed at the end of this one */
    uint32_t refs;
    uint8_t state;    /* enum tenon__transport_state */
    uint8_t interest; /* TENON_READ, TENON_WRITE, as the body was told */
    uint8_t missed;   /* reports of the body that could not be delivered */
    uint8_t futile;   /* reports in a row that brought nothing */
    bool made : 1;    /* connection_made was or is called */
    bool opening : 1; /* connection_made is on the stack */
    bool daemon : 1;
    bool paused : 1;     /* by pause_reading */
    bool eof_seen : 1;   /* the peer writes no more */
    bool eof_asked : 1;  /* write_eof was called */
    bool eof_sent : 1;   /* and has reached the body */
    bool blocked : 1;    /* the body takes no more for now */
    bool above : 1;      /* the queue went above high, not yet to low */
    bool owes_pause : 1; /* it did so since the protocol was last told */
    bool told_pause : 1; /* pause_writing was the last notice */
    bool owes : 1;       /* `ready` waits for a callback to return */
    bool owes_late : 1;  /* `late` does */
};

/* A body. Failures are negative; -EAGAIN is "not now". None of these calls
 * back into the base, except through tenon__transport_post. */
struct tenon__transport_ops {
    size_t len; /* of the struct that begins with a tenon_transport */
    ssize_t (*send)(tenon_transport *t, const struct iovec *parts,
                    size_t count);
    ssize_t (*receive)(tenon_transport *t, void *buffer, size_t len);
    tenon_status (*shutdown_write)(tenon_transport *t);
    /* What to report, through tenon__transport_on_event, level-triggered. */
    tenon_status (*set_interest)(tenon_transport *t, uint32_t interest);
    /* Gives everything back; `reset` tells the peer that bytes were lost. */
    void (*release)(tenon_transport *t, bool reset);
    tenon_status (*address)(const tenon_transport *t, bool peer,
                            tenon_address *out);
    const char *kind;
    /* These may be NULL, and shutdown_write. */
    /* The pending error of the medium, TENON_OK if none. NULL: its reports may
     * be too many, they cost nothing. */
    tenon_status (*failure)(const tenon_transport *t);
    int (*fd)(const tenon_transport *t);
    /* As send, with descriptors on the first byte. */
    ssize_t (*send_fds)(tenon_transport *t, const struct iovec *parts,
                        size_t count, const int *fds, size_t fd_count);
    /* -EINVAL or -ENOSYS where it has to be read and written. */
    ssize_t (*send_file)(tenon_transport *t, int fd, off_t offset, size_t len);
};

/* ---- life (transport.c) ---- */

/** For reports; NULL when the protocol has none. */
static inline const char *tenon__transport_name(const tenon_transport *t)
{
    return t->build || !t->protocol.ops ? NULL : t->protocol.ops->name;
}

/** The one setter: forwards only, and what closes does not break. */
static inline void tenon__transport_set_state(tenon_transport *t,
                                              enum tenon__transport_state state)
{
    bool breaks = t->state == TENON__CLOSING && state == TENON__BROKEN;
    if (state > t->state && !breaks) {
        t->state = (uint8_t)state;
    }
}

/** tenon_transport_unref for a reference of our own, as a rule not the last. */
static inline void tenon__transport_unref(tenon_transport *t)
{
    if (TENON__LIKELY(t->refs > 1)) {
        t->refs--;
    } else {
        tenon_transport_unref(t);
    }
}

/** A zeroed body with its base in place; NULL when out of memory. It belongs
 *  to the reactor, but nothing happens until tenon__transport_begin. */
tenon_transport *tenon__transport_new(tenon_reactor *reactor,
                                      const tenon__transport_ops *ops,
                                      tenon_factory factory);
/** connection_made in the next turn. */
void tenon__transport_begin(tenon_transport *t);
/** Builds the protocol and calls connection_made, now.
 *  Errors: of the factory or of connection_made; the transport is then gone
 *  or on its way. */
tenon_status tenon__transport_open(tenon_transport *t);
/** Releases a transport whose protocol was not built. */
void tenon__transport_discard(tenon_transport *t);
/** Closes or aborts every one that came by `listener`. */
void tenon__transports_end(tenon_reactor *reactor,
                           const struct tenon_listener *listener, bool abort);
/** The transport that `object` is the base of; NULL for other objects. */
const tenon_transport *tenon__transport_of(const tenon__object *object);
/** Reports those that nobody closed (unclosed.c), once, in the reactor's end;
 *  `first` has just left the list of its objects. */
void tenon__transports_unclosed(tenon_reactor *reactor,
                                const tenon__object *first);
/** Something of `events` (TENON_READ, TENON_WRITE) is possible. */
void tenon__transport_on_event(tenon_transport *t, uint32_t events);
/** The same from the ready queue of the next turn. */
void tenon__transport_post(tenon_transport *t, uint32_t events);

/** The end began: releases the body, owes connection_lost(error).
 *  Ownership: of `error`. */
void tenon__transport_lose(tenon_transport *t, tenon_error *error, bool reset);
void tenon__transport_lose_status(tenon_transport *t, tenon_status status,
                                  const char *message);
/** Tells the body what to report, after any change of what is wanted. */
void tenon__transport_update(tenon_transport *t);
/** Runs `t->ready` in the next turn, or once `t` is off the stack. */
void tenon__transport_owe(tenon_transport *t);

/* ---- the protocol (protocol.c) ---- */

/** One call of the protocol; slots that do not apply stay zero. */
enum tenon__tell {
    TENON__MADE,
    TENON__DATA,
    TENON__GET_BUFFER,
    TENON__UPDATED,
    TENON__EOF,
    TENON__CONNECTION_LOST,
    TENON__PAUSE,
    TENON__RESUME,
    TENON__FD
};
typedef struct tenon__notice {
    enum tenon__tell tell;
    const void *data;
    size_t len;
    void *buffer;
    int fd;
    const tenon_error *error;
} tenon__notice;
/** The one way into a protocol. A negative result has been reported, and the
 *  transport is lost with it. */
tenon_status tenon__transport_tell(tenon_transport *t, tenon__notice *notice);
/** The same for TENON__DATA. */
tenon_status tenon__transport_tell_data(tenon_transport *t, const void *data,
                                        size_t len);
/** Before any call of the user's on behalf of `t`. */
void tenon__transport_enter(tenon_transport *t, tenon__frame *frame,
                            const char *what);
/** After it and tenon__frame_leave: what became due meanwhile is queued. */
void tenon__transport_leave(tenon_transport *t);

#define TENON__PROTOCOL_HAS(t, slot)                                 \
    ((t)->protocol.ops->size > offsetof(tenon_protocol_ops, slot) && \
     (t)->protocol.ops->slot != NULL)

/* ---- writing (write.c) ---- */

/** Sends what is queued as far as it goes; whether anything moved. */
bool tenon__transport_flush(tenon_transport *t);
/** The late node: flush, then notices. */
void tenon__transport_late(tenon_reactor *reactor, tenon_node *node);
/** Nothing is sent any more; `error` may be NULL. */
void tenon__transport_drop_queue(tenon_transport *t, const tenon_error *error);
/** The one way in: copies `parts`, or, where there is a loan, queues that.
 *  Ownership: of `loan`, when the status is not negative. */
tenon_status tenon__transport_enqueue(tenon_transport *t,
                                      const struct iovec *parts, size_t count,
                                      tenon__loan *loan);
/** Ends a closing transport whose queue is empty. */
void tenon__transport_drained(tenon_transport *t);

/* ---- the level of the queue (level.c) ---- */

/** After any change of its length: the state at once, the notice later. */
void tenon__transport_follow_level(tenon_transport *t);
void tenon__transport_give_notices(tenon_transport *t);

/* ---- what is owed for writes (loan.c) ---- */

static inline bool tenon__transport_owes_loans(const tenon_transport *t)
{
    return t->extra && t->extra->done.first;
}
/** Where loans go that are through, NULL when there can be none. */
static inline tenon__queue *tenon__transport_done(tenon_transport *t)
{
    return t->extra ? &t->extra->done : NULL;
}
/** Tells what is owed; not while `t` is on the stack. */
void tenon__transport_settle_loans(tenon_transport *t);

/* ---- what few need (extra.c, timeout.c) ---- */

/** NULL when out of memory. */
tenon__extra *tenon__transport_extra(tenon_transport *t);
void tenon__transport_free_extra(tenon_transport *t);
/** Keeps what info.c tells after the end. */
void tenon__transport_remember(tenon_transport *t);
/** Bytes came or went. */
static inline void tenon__transport_touch(tenon_transport *t)
{
    if (t->extra) {
        t->extra->active_ns = tenon_now(t->reactor);
    }
}
void tenon__transport_tapped(tenon_transport *t, enum tenon_tap_way way,
                             const void *data, size_t len);
/** Nothing can be written then: what the tap is told of is being sent. */
static inline bool tenon__transport_in_tap(const tenon_transport *t)
{
    return t->extra && t->extra->in_tap;
}
static inline bool tenon__transport_is_tapped(const tenon_transport *t)
{
    return t->extra && t->extra->tap;
}

/* ---- pipes (pipe.c) ---- */

/** A transport whose protocol this was has another one. May call the user. */
void tenon__pipe_left(tenon_protocol protocol);

/* ---- reading (read.c) ---- */

bool tenon__transport_readable(const tenon_transport *t);
/** Reads and delivers within the bounds of R6; whether anything came. */
bool tenon__transport_read(tenon_transport *t);

#endif
