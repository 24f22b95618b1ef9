/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A protocol that writes down what it is told, for the cases about
 * connections, and the sockets to try it on. Its callbacks note "made",
 * "data:N", "eof", "lost:NAME" (of the error's status, or TENON_OK), "pause"
 * and "resume", after a prefix; the first illegal order fails the case.
 */

#ifndef TENON_CONFORMANCE_RECORDER_H
#define TENON_CONFORMANCE_RECORDER_H

#include "rig.h"

typedef struct recorder {
    const char *prefix; /* "" when zeroed */
    tenon_transport *transport;
    bool silent; /* counts, and notes nothing */
    bool merged; /* notes "data" instead of "data:N" */
    int made;
    int eof;
    int lost;
    int pauses;
    int resumes;
    bool inside; /* a callback is on the stack */
    tenon_status lost_status;
    size_t received;
    char data[128]; /* the first bytes, as text */
    uint64_t checksum;
    /* What the callbacks return, and what they call before. */
    tenon_status on_made;
    tenon_status on_data;
    tenon_status on_eof;
    tenon_status on_pause;
    tenon_status on_resume;
    void (*made_fn)(struct recorder *self);
    void (*data_fn)(struct recorder *self, const void *data, size_t len);
    void (*pause_fn)(struct recorder *self);
    void (*resume_fn)(struct recorder *self);
    void (*lost_fn)(struct recorder *self);
    void *user;
} recorder;

extern const tenon_protocol_ops recorder_ops;

tenon_factory recorder_factory(recorder *self);
/** Takes `*fd` into a transport of the rig's reactor and waits for
 *  connection_made. */
void recorder_adopt(recorder *self, int *fd);
/** The same on one end of a new pair; returns the other end. */
int recorder_pair(recorder *self);
/** A connected pair of TCP sockets on 127.0.0.1, non-blocking. */
void tcp_pair(int fds[2]);
/** Writes, and iterates, until the kernel takes no more and something is left
 *  in the transport's queue; returns what was written in all. */
size_t fill(tenon_transport *transport);
/** The sum that recorder->checksum of these bytes would have, from there on. */
uint64_t checksum(uint64_t from, const void *data, size_t len);
/** Reads from a socket until it has `len` bytes more, iterating meanwhile. */
uint64_t read_sum(int fd, size_t len);
/** Iterates until the socket is at its end; returns how many bytes came. */
size_t read_to_end(int fd);

#endif
