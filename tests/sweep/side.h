/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Two sides of a stream, for the sweeps: each sends so many bytes, in every
 * way there is, and takes what comes. Byte n of a stream has a value of its
 * own, and both ends sum what passes. A stream that ends without anybody being
 * told of a failure is whole; one that ends with a failure is a beginning of
 * what was sent. Anything else fails the case, whatever the sweep put in.
 */

#ifndef TENON_SWEEP_SIDE_H
#define TENON_SWEEP_SIDE_H

#include "recorder.h"

enum { PATTERN_LEN = 1 << 20 };

typedef struct side {
    tenon_transport *transport;
    size_t total; /* to be sent */
    size_t sent;
    size_t received;
    uint64_t sent_sum;
    uint64_t received_sum;
    int way;
    int file; /* what the last way sends from, or 0 */
    bool paused;
    bool done; /* has ended its side */
    bool failed;
    bool lost;
    char into[700]; /* of the buffered protocol */
} side;

extern side sides[2];
extern const tenon_protocol_ops side_plain;
/** Reads into memory of its own. */
extern const tenon_protocol_ops side_buffered;

/** Makes sides[i] new; it will send `total` bytes. */
tenon_factory side_factory(int i, const tenon_protocol_ops *ops, size_t total);
/** Whether it was lost, or never was. */
bool side_is_over(const side *s);
/** Waits for the end of both and compares what they sent and took. */
void sides_finish(void);
/** A file of what a side sends. */
int side_pattern_file(void);
/** Fails the case: a sweep forgives much, but not this. */
_Noreturn void corrupt(const char *what, size_t at);

#endif
