/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A pipe joins two connections: what one receives the other sends, both ways.
 * Neither side's bytes pile up: when one cannot send, the other does not read.
 * An end of file is passed on. When one side ends cleanly the other is closed
 * once all is sent; when it fails, the other is aborted.
 */

#ifndef TENON_PIPE_H
#define TENON_PIPE_H

#include <tenon/transport.h>

/** Told once, when both sides are gone. `error` is that of the first side
 *  that failed, NULL if none did; the counts are bytes that were passed from
 *  the first transport to the second, and back. */
typedef void tenon_piped_fn(const tenon_error *error, uint64_t there,
                            uint64_t back, void *user);

/** What tenon_pipe may be told. */
typedef struct tenon_pipe_options {
    uint32_t size;           /**< sizeof(tenon_pipe_options) */
    int64_t linger_ns;       /**< for the last bytes of a side; 0: 30 s */
    tenon_piped_fn *on_done; /**< may be NULL */
    void *user;              /**< handed to on_done */
} tenon_pipe_options;

TENON_BEGIN

/** Joins two open connections, of one reactor and of any kind. It becomes the
 *  protocol of both (tenon_transport_set_protocol) and resumes reading. Ends
 *  when they do: close or abort either one. One that is given to another
 *  protocol has left, and the other is closed. `options` may be NULL.
 *  Reentrancy: from callbacks of either; what is left of a chunk goes to
 *  tenon_transport_unread first.
 *  Errors: TENON_INVALID for one transport twice, of two reactors, or before
 *  its connection_made; TENON_CLOSED when one is closing; TENON_BUSY when they
 *  are joined with each other; TENON_NO_MEMORY, TENON_WRONG_THREAD,
 *  TENON_FORKED. Nothing has changed then.
 *  Source: Twisted's portforward and pcp. */
TENON_CHECKED TENON_API tenon_status
tenon_pipe(tenon_transport *first, tenon_transport *second,
           const tenon_pipe_options *options);

TENON_END

#endif
