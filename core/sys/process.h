/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A process, as core/sys sees it. process.c is its life, stdio.c its
 * descriptors, spawn.c and child.c its birth on the two sides, exit.c its end,
 * communicate.c the helper.
 *
 *   BORN -> MADE (connection_made) -> EXITED (process_exited) -> GONE
 *
 * What is due is told by tenon__process_advance, from the ready queue.
 */

#ifndef TENON_SYS_PROCESS_H
#define TENON_SYS_PROCESS_H

#include <tenon/process.h>

#include "loop/engine.h"

enum tenon__process_state {
    TENON__PROCESS_BORN,
    TENON__PROCESS_MADE,
    TENON__PROCESS_EXITED,
    TENON__PROCESS_GONE
};

/* One of its pipes, our end. */
typedef struct tenon__process_pipe {
    tenon_process *process;
    tenon_transport *transport; /* NULL: lost */
    int fd;                     /* the child's number of it */
} tenon__process_pipe;

struct tenon_process {
    tenon__object object;
    tenon_reactor *reactor;
    tenon_process_protocol protocol;
    tenon_node ready;
    tenon_watch watch; /* of its pidfd, -1 without one */
    tenon_timer timer; /* to SIGKILL; to look again for one that is traced */
    struct tenon__vigil *vigil;     /* instead of a pidfd, or NULL */
    struct tenon__capture *capture; /* of communicate, or NULL */
    tenon_future *end;              /* completed when it ended */
    tenon_error *error;             /* what connection_lost will carry */
    tenon_process_exit exit;
    size_t output_max;
    int64_t kill_delay_ns;
    int kill_signal;
    pid_t pid;
    uint32_t refs;
    uint32_t depth; /* callbacks on the stack */
    enum tenon__process_state state;
    bool known; /* `exit` is */
    bool closing;
    bool owes;  /* `ready` waits for a callback to return */
    bool ended; /* the reactor has: what is due is told at once */
    uint32_t pipes_open;
    uint32_t pipe_count;
    tenon__process_pipe pipes[];
};

/* ---- life (process.c) ---- */

/* One call of the protocol; fields that do not apply stay zero. */
enum tenon__process_tell {
    TENON__PROCESS_TELL_MADE,
    TENON__PROCESS_TELL_DATA,
    TENON__PROCESS_TELL_PIPE_LOST,
    TENON__PROCESS_TELL_PAUSE,
    TENON__PROCESS_TELL_RESUME,
    TENON__PROCESS_TELL_EXITED,
    TENON__PROCESS_TELL_LOST
};
typedef struct tenon__process_notice {
    enum tenon__process_tell tell;
    int fd;
    const void *data;
    size_t len;
    const tenon_error *error;
} tenon__process_notice;
/** The one way into the protocol. A failure has been reported, and the process
 *  is being killed for it. */
void tenon__process_tell(tenon_process *p, const tenon__process_notice *notice);
/** Something is due: `known`, or a pipe was lost. */
void tenon__process_owe(tenon_process *p);
/** Ends it with an error for connection_lost, unless there is one.
 *  Ownership: of `error`. */
void tenon__process_fail(tenon_process *p, tenon_error *error);

/* ---- descriptors (stdio.c) ---- */

/** What the child is to find under its numbers, and what we hold for it. */
typedef struct tenon__stdio {
    tenon_process_fd fds[TENON_PROCESS_FDS_MAX + 3]; /* by child_fd */
    int from[TENON_PROCESS_FDS_MAX + 3];             /* our number of it */
    int held[TENON_PROCESS_FDS_MAX + 3];             /* to be closed, or -1 */
    size_t count;
    size_t pipe_count;
} tenon__stdio;
/** TENON_INVALID when they contradict each other. */
tenon_status tenon__stdio_plan(tenon__stdio *plan,
                               const tenon_process_options *options);
/** Opens all, and the transports of the process. On failure too,
 *  tenon__stdio_close and tenon__stdio_discard are owed. */
tenon_status tenon__stdio_open(tenon__stdio *plan, tenon_process *p);
/** Closes what was the child's. */
void tenon__stdio_close(tenon__stdio *plan, tenon_reactor *reactor);
/** connection_made of each transport in the next turn. */
void tenon__stdio_begin(tenon_process *p);
/** Ends the transports of a process that came to nothing. */
void tenon__stdio_discard(tenon_process *p);
/** Closes each, and aborts those that have something to send. */
void tenon__stdio_end(tenon_process *p);

/* ---- the end (exit.c) ---- */

/** Waits for the end from now on. */
tenon_status tenon__exit_watch(tenon_process *p, int pidfd);
/** Kills it and waits for that, though not for ever. */
void tenon__exit_force(tenon_process *p);
/** Sends a signal, if it is certain to be its. */
tenon_status tenon__exit_signal(tenon_process *p, int signo);
/** Looks whether it ended; once it did, `known` is set. */
void tenon__exit_look(tenon_process *p);

/* ---- communicate.c ---- */

/** Takes what came of `fd`; false when it collects nothing of that. */
bool tenon__capture_take(tenon_process *p, int fd, const void *data,
                         size_t len);
/** All has come. */
void tenon__capture_finish(tenon_process *p);

#endif
