/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Processes. A process is to its protocol what a transport is to one: it is
 * started, its pipes bring bytes, it ends.
 *
 *   connection_made (pipe_data_received | pause_writing | resume_writing |
 *   pipe_connection_lost | process_exited)* connection_lost
 *
 * process_exited comes once, each pipe is lost once, and connection_lost comes
 * when all of that has come. So what a process wrote before its end is always
 * delivered, and a pipe that a grandchild keeps open keeps the process here.
 * No callback runs inside a call on the process. In a host loop that one of
 * them runs, those of other pipes go on; all else waits for its return.
 *
 * Children are waited for by their own descriptors: no handler of SIGCHLD is
 * installed, nobody else's children are touched, and any thread may own the
 * reactor. There is never a shell in between.
 */

#ifndef TENON_PROCESS_H
#define TENON_PROCESS_H

#include <sys/types.h>

#include <tenon/future.h>
#include <tenon/transport.h>

/** A child process: opaque and counted. */
typedef struct tenon_process tenon_process;

/** How a process ended. */
typedef struct tenon_process_exit {
    uint32_t size;
    /** TENON_OK; -ECHILD when it ended and nobody can tell how, because
     *  somebody else in this program reaped it, or SIGCHLD is ignored;
     *  TENON_CLOSED when the reactor ended first and it would not be killed. */
    tenon_status status;
    int code;         /**< its exit code; -N: signal N killed it */
    bool core_dumped; /**< and left a core */
} tenon_process_exit;

/** What one process means: a table, usually static const. Any slot may be
 *  NULL. A negative status from any of them is reported, kills the process,
 *  and is what connection_lost gets (but for TENON_CLOSED once it closes).
 *  Source: PEP 3156, "Subprocess Protocol". */
typedef struct tenon_process_ops {
    uint32_t size;
    const char *name; /**< for reports; may be NULL */
    /** It runs; its program may have ended already. */
    tenon_status (*connection_made)(void *self, tenon_process *process);
    /** It wrote `len` bytes to its descriptor `fd`. `data` is the reactor's,
     *  until return. */
    tenon_status (*pipe_data_received)(void *self, tenon_process *process,
                                       int fd, const void *data, size_t len);
    /** Its descriptor `fd` is closed, by it and by all who had it. `error` is
     *  NULL after a clean end; EPIPE or ECONNRESET: it has not read all. */
    tenon_status (*pipe_connection_lost)(void *self, tenon_process *process,
                                         int fd, const tenon_error *error);
    /** The queue of the pipe to `fd` is above its high mark / low again. */
    tenon_status (*pause_writing)(void *self, tenon_process *process, int fd);
    /** See pause_writing. */
    tenon_status (*resume_writing)(void *self, tenon_process *process, int fd);
    /** It ended. `exit` is valid until return. */
    tenon_status (*process_exited)(void *self, tenon_process *process,
                                   const tenon_process_exit *exit);
    /** The last notice. `error` is NULL unless a callback of yours failed, or
     *  the reactor ended. */
    tenon_status (*connection_lost)(void *self, tenon_process *process,
                                    const tenon_error *error);
} tenon_process_ops;

/** A protocol of one process: a table and what it works on. */
typedef struct tenon_process_protocol {
    const tenon_process_ops *ops; /**< must outlive it; NULL: nobody is told */
    void *self;                   /**< handed to each of its functions */
} tenon_process_protocol;

/** What a descriptor of the child is. */
enum tenon_stdio {
    TENON_STDIO_PIPE,    /**< a pipe to us; see tenon_process_pipe */
    TENON_STDIO_NULL,    /**< /dev/null */
    TENON_STDIO_INHERIT, /**< ours of the same number */
    TENON_STDIO_FD,      /**< ours of the number `fd` */
    TENON_STDIO_SAME     /**< the child's own `fd`, which is no SAME */
};

/** One descriptor of the child. What is not named is closed there; 0, 1 and 2
 *  are pipes unless they are. */
typedef struct tenon_process_fd {
    int child_fd; /**< 0 to TENON_CHILD_FD_MAX */
    int kind;     /**< enum tenon_stdio */
    int fd;       /**< for FD, borrowed during the spawn, and for SAME */
} tenon_process_fd;

/** The highest descriptor that can be given to a child by its number. */
#define TENON_CHILD_FD_MAX 255
/** So many can be named. */
#define TENON_PROCESS_FDS_MAX 64
/** What tenon_process_communicate collects of each output at most, if the
 *  options do not say. */
#define TENON_PROCESS_OUTPUT_DEFAULT ((size_t)16777216)

/** Who the child becomes, before it enters its directory: setgroups, setgid,
 *  setuid, in this order, and then looks whether that came to pass. */
typedef struct tenon_process_user {
    uint32_t size;
    uid_t uid;           /**< real, effective and saved */
    gid_t gid;           /**< real, effective and saved */
    const gid_t *groups; /**< the supplementary ones; NULL with 0: none */
    size_t group_count;  /**< of `groups` */
} tenon_process_user;

/** For tenon_process_options.flags. */
enum tenon_process_flag {
    TENON_PROCESS_NEW_SESSION = 1, /**< it leads a session of its own */
    TENON_PROCESS_NEW_GROUP = 2    /**< it leads a process group of its own */
};

/** How a process is made. All is copied, or used during the spawn alone.
 *  The child has the default disposition of each signal and blocks none. */
typedef struct tenon_process_options {
    uint32_t size;
    uint32_t flags; /**< enum tenon_process_flag */
    /** What to execute; NULL: argv[0]. A name without "/" is looked for in the
     *  PATH of `envp`, without one in /usr/local/bin:/usr/bin:/bin; an empty
     *  place in PATH is none. */
    const char *file;
    const char *const *argv; /**< ends with NULL; at least one */
    /** Its environment, which ends with NULL; `environ` to hand on yours.
     *  NULL: an empty one. */
    const char *const *envp;
    const char *cwd;                /**< NULL: where we are */
    const tenon_process_fd *fds;    /**< besides and instead of three pipes */
    size_t fd_count;                /**< of `fds` */
    const tenon_process_user *user; /**< NULL: who we are */
    int kill_signal;                /**< what close sends; 0: SIGKILL */
    int64_t kill_delay_ns; /**< then, SIGKILL; 0: after 5 s; for others */
    size_t output_max;     /**< see TENON_PROCESS_OUTPUT_DEFAULT; 0: that */
} tenon_process_options;

/** What tenon_process_communicate has collected. Each text is followed by a
 *  NUL that does not count; never NULL. */
typedef struct tenon_process_output {
    uint32_t size;
    size_t out_len;          /**< of `out` */
    size_t err_len;          /**< of `err` */
    const char *out;         /**< of its descriptor 1 */
    const char *err;         /**< of its descriptor 2 */
    tenon_process_exit exit; /**< how it ended */
} tenon_process_output;

TENON_BEGIN

/** Starts a process. It keeps the reactor alive until connection_lost.
 *  Ownership: `out` may be NULL; else the caller holds one reference, and the
 *  reactor one until connection_lost.
 *  Thread: the owner's, which waits until the program is loaded.
 *  Errors: of the child before its program runs, ENOENT, EACCES, ENOEXEC,
 *  EPERM, EBADF, ...; EAGAIN, EMFILE, ENFILE; TENON_INVALID, TENON_CLOSED,
 *  TENON_NO_MEMORY. Nothing is left behind, and a child that ran already, as
 *  it may when its end cannot be watched for, was killed.
 *  Source: PEP 3156 subprocess_exec. */
TENON_CHECKED TENON_API tenon_status tenon_process_spawn(
    tenon_reactor *reactor, tenon_process **out,
    const tenon_process_options *options, tenon_process_protocol protocol);

/** Another reference, for the caller. NULL is legal. */
TENON_API tenon_process *tenon_process_ref(tenon_process *process);
/** Drops a reference, which neither closes nor kills. NULL is legal. */
TENON_API void tenon_process_unref(tenon_process *process);

/** Its number, for people to read: it may be another's once this one ended. */
TENON_API pid_t tenon_process_pid(const tenon_process *process);
/** The reactor it belongs to, borrowed. */
TENON_API tenon_reactor *tenon_process_reactor(const tenon_process *process);
/** TENON_NOT_DONE while it runs, as far as is known; else TENON_OK, with how
 *  it ended in `out->size` bytes of `out`, which may be NULL. */
TENON_API tenon_status tenon_process_get_exit(const tenon_process *process,
                                              tenon_process_exit *out);

/** The transport behind a pipe of the child's, borrowed: to write to, pause,
 *  close; NULL when `fd` is no pipe, or lost. From connection_made on it can be
 *  given another protocol, which gets what comes; pipe_connection_lost stays
 *  here. It is a UNIX socket: 1 and 2 bring bytes only, others go both ways
 *  (with 1 the SAME as 0, tenon_pipe joins a child to a connection), and a
 *  child that opens /dev/stdout anew gets ENXIO. */
TENON_API tenon_transport *tenon_process_pipe(const tenon_process *process,
                                              int fd);

/** Sends a signal to it, and never to another one that got its number.
 *  Errors: ESRCH once it ended and that is known, EPERM, EINVAL. */
TENON_API tenon_status tenon_process_send_signal(tenon_process *process,
                                                 int signo);
/** SIGTERM. */
TENON_API tenon_status tenon_process_terminate(tenon_process *process);
/** SIGKILL. */
TENON_API tenon_status tenon_process_kill(tenon_process *process);

/** Closes its pipes, dropping what is not sent; kills it, if it runs. Its end
 *  is told as always, in later turns. Twice is a no-op. */
TENON_API tenon_status tenon_process_close(tenon_process *process);

/** A future of its end: the number of tenon_process_exit.code, or a failure of
 *  its status. Cancelling it leaves the process alone. At any time.
 *  Ownership: the caller holds one reference.
 *  Errors: TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_process_wait(tenon_process *process,
                                                        tenon_future **out);

/** Sends `len` bytes (copied) to its descriptor 0 and ends that, and collects
 *  what comes of 1 and 2 until connection_lost. The future's value is a
 *  tenon_process_output. A child that does not read all is no failure; one
 *  that writes more than output_max is killed, and the future fails with
 *  TENON_LIMIT. Meanwhile pipe_data_received is not called for 1 and 2.
 *  Cancelling it leaves the process alone, and what was collected is lost.
 *  Ownership: the caller holds one reference.
 *  Errors: TENON_BUSY the second time, TENON_CLOSED, TENON_INVALID for bytes
 *  without a pipe to 0, TENON_LIMIT, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_process_communicate(
    tenon_process *process, const void *input, size_t len, tenon_future **out);

TENON_END

#endif
