/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The life of a process: what is told of it and in which order, how it is
 * closed. Its pipes are transports, whose protocol is in stdio.c; when one is
 * gone, or the end is known, the process is owed a look by its ready node.
 *
 * Two decisions. When the reactor ends, a child that runs is killed and waited
 * for, for a tenth of a second: a zombie beats a host that hangs. And a
 * future for everybody who waits follows the one in here, so that cancelling
 * is its owner's own affair.
 */

#include "sys/process.h"

#include <signal.h>
#include <string.h>

#include "async/future.h"
#include "sys/spawn.h"

#define KILL_DELAY_DEFAULT (5 * TENON_SECOND)

/* ---- the protocol ---- */

#define HAS(p, slot)                                                \
    ((p)->protocol.ops->size > offsetof(tenon_process_ops, slot) && \
     (p)->protocol.ops->slot != NULL)

static const char *name_of(const tenon_process *p)
{
    return p->protocol.ops ? p->protocol.ops->name : NULL;
}

static bool has_slot(const tenon_process *p, enum tenon__process_tell tell)
{
    if (!p->protocol.ops) {
        return false;
    }
    switch (tell) {
    case TENON__PROCESS_TELL_MADE:
        return HAS(p, connection_made);
    case TENON__PROCESS_TELL_DATA:
        return HAS(p, pipe_data_received);
    case TENON__PROCESS_TELL_PIPE_LOST:
        return HAS(p, pipe_connection_lost);
    case TENON__PROCESS_TELL_PAUSE:
        return HAS(p, pause_writing);
    case TENON__PROCESS_TELL_RESUME:
        return HAS(p, resume_writing);
    case TENON__PROCESS_TELL_EXITED:
        return HAS(p, process_exited);
    case TENON__PROCESS_TELL_LOST:
    default:
        return HAS(p, connection_lost);
    }
}

static tenon_status call(tenon_process *p, const tenon__process_notice *n)
{
    const tenon_process_ops *ops = p->protocol.ops;
    void *self = p->protocol.self;
    switch (n->tell) {
    case TENON__PROCESS_TELL_MADE:
        return ops->connection_made(self, p);
    case TENON__PROCESS_TELL_DATA:
        return ops->pipe_data_received(self, p, n->fd, n->data, n->len);
    case TENON__PROCESS_TELL_PIPE_LOST:
        return ops->pipe_connection_lost(self, p, n->fd, n->error);
    case TENON__PROCESS_TELL_PAUSE:
        return ops->pause_writing(self, p, n->fd);
    case TENON__PROCESS_TELL_RESUME:
        return ops->resume_writing(self, p, n->fd);
    case TENON__PROCESS_TELL_EXITED:
        return ops->process_exited(self, p, &p->exit);
    case TENON__PROCESS_TELL_LOST:
    default:
        return ops->connection_lost(self, p, n->error);
    }
}

static void on_failure(tenon_process *p, const tenon__process_notice *n,
                       tenon_status status)
{
    static const char *const whats[] = {
        "connection_made", "pipe_data_received", "pipe_connection_lost",
        "pause_writing",   "resume_writing",     "process_exited",
        "connection_lost"};
    /* ORDER tenon__process_tell */
    if (status == TENON_CLOSED && (p->closing || p->known)) {
        return;
    }
    tenon__report_status(p->reactor, whats[n->tell], name_of(p), p, status);
    if (n->tell != TENON__PROCESS_TELL_LOST) {
        tenon__process_fail(
            p, tenon__error(p->reactor, status, whats[n->tell], NULL));
    }
}

void tenon__process_tell(tenon_process *p, const tenon__process_notice *notice)
{
    tenon__frame frame;
    if (!has_slot(p, notice->tell)) {
        return;
    }
    tenon_process_ref(p);
    tenon__frame_enter(p->reactor, &frame, p, "process", name_of(p));
    p->depth++;
    tenon_status status = call(p, notice);
    p->depth--;
    tenon__frame_leave(p->reactor, &frame);
    if (status < 0) {
        on_failure(p, notice, status);
    }
    if (p->owes && p->depth == 0) {
        p->owes = false;
        tenon__process_owe(p);
    }
    tenon_process_unref(p);
}

/* ---- what is due ---- */

static void tell_made(tenon_process *p)
{
    const tenon__process_notice notice = {.tell = TENON__PROCESS_TELL_MADE};
    p->state = TENON__PROCESS_MADE;
    tenon__process_tell(p, &notice);
}

/* Who waits is not told by this, but in the next turn. */
static void complete_end(tenon_process *p)
{
    if (!tenon__future_pending(p->end)) {
        return;
    }
    tenon__future_see(p->end);
    if (p->exit.status < 0) {
        tenon__future_fail_status(p->end, p->exit.status, "how it ended", NULL);
    } else {
        tenon__future_set_int(p->end, p->exit.code);
    }
}

static void tell_exited(tenon_process *p)
{
    const tenon__process_notice notice = {.tell = TENON__PROCESS_TELL_EXITED};
    p->state = TENON__PROCESS_EXITED;
    complete_end(p);
    tenon__process_tell(p, &notice);
}

/* Before the last notice: nothing of the reactor's knows of it any more. */
static void let_go(tenon_process *p)
{
    p->state = TENON__PROCESS_GONE;
    (void)tenon_timer_stop(&p->timer);
    tenon__unqueue(&p->ready);
    tenon__list_remove(&p->object.node);
    complete_end(p);
    tenon__capture_finish(p);
}

static void tell_lost(tenon_process *p)
{
    const tenon__process_notice notice = {.tell = TENON__PROCESS_TELL_LOST,
                                          .error = p->error};
    let_go(p);
    tenon__process_tell(p, &notice);
    tenon__alive_sub(p->reactor);
    tenon_process_unref(p);
}

/* Each step may have closed it or ended the reactor, which changes nothing
 * about the order of the next ones. */
static void advance(tenon_process *p)
{
    tenon_process_ref(p);
    if (p->state == TENON__PROCESS_BORN) {
        tell_made(p);
    }
    if (p->state == TENON__PROCESS_MADE && p->known) {
        tell_exited(p);
    }
    if (p->state == TENON__PROCESS_EXITED && p->pipes_open == 0) {
        tell_lost(p);
    }
    tenon_process_unref(p);
}

static void on_ready(tenon_reactor *reactor, tenon_node *node)
{
    tenon_process *p = TENON__OF(node, tenon_process, ready);
    (void)reactor;
    if (p->depth > 0) {
        p->owes = true;
    } else {
        advance(p);
    }
}

void tenon__process_owe(tenon_process *p)
{
    if (p->state == TENON__PROCESS_GONE) {
        return;
    }
    if (p->ended && p->state != TENON__PROCESS_BORN) {
        advance(p);
    } else if (!tenon__linked(&p->ready)) {
        tenon__ready_push(p->reactor, &p->ready);
    }
}

/* ---- closing ---- */

static void on_timer(tenon_timer *timer, void *user)
{
    tenon_process *p = user;
    (void)timer;
    (void)tenon__exit_signal(p, SIGKILL);
}

static void end_child(tenon_process *p)
{
    if (p->known) {
        return;
    }
    (void)tenon__exit_signal(p, p->kill_signal);
    if (p->kill_signal != SIGKILL &&
        tenon_timer_start(&p->timer, p->kill_delay_ns, on_timer, p) < 0) {
        (void)tenon__exit_signal(p, SIGKILL);
    }
}

static void close_now(tenon_process *p)
{
    if (!p->closing && p->state != TENON__PROCESS_GONE) {
        p->closing = true;
        tenon__stdio_end(p);
        end_child(p);
    }
}

void tenon__process_fail(tenon_process *p, tenon_error *error)
{
    if (p->error || p->state == TENON__PROCESS_GONE) {
        tenon_error_unref(error);
    } else {
        p->error = error;
    }
    close_now(p);
    if (!p->known) {
        (void)tenon__exit_signal(p, SIGKILL);
    }
}

/* The engine calls this when nothing is on the stack. */
static void end(tenon__object *object, tenon_status status)
{
    tenon_process *p = TENON__OF(object, tenon_process, object);
    tenon_process_ref(p);
    p->ended = true;
    if (!p->error) {
        p->error = tenon__error(p->reactor, status, "the reactor ended", NULL);
    }
    if (!p->known) {
        tenon__exit_force(p); /* which may tell all */
    }
    if (p->state == TENON__PROCESS_BORN) {
        let_go(p); /* nobody was told of it */
        tenon__alive_sub(p->reactor);
        tenon_process_unref(p);
    } else if (p->state != TENON__PROCESS_GONE) {
        advance(p);
    }
    tenon_process_unref(p);
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon_process *p = TENON__OF(object, const tenon_process, object);
    const char *name = name_of(p);
    fprintf(file, "process %s %ld %s, %u pipes", name ? name : "-",
            (long)p->pid, p->known ? "ended" : "runs", p->pipes_open);
}

static const tenon__object_ops object_ops = {"process", end, dump};

/* ---- the object ---- */

static void free_now(tenon_reactor *reactor, tenon_node *node)
{
    tenon_process *p = TENON__OF(node, tenon_process, ready);
    size_t len = sizeof *p + p->pipe_count * sizeof p->pipes[0];
    tenon_future_unref(p->end);
    tenon_error_unref(p->error);
    tenon__free(&reactor->allocator, p, len);
    tenon__unpin(reactor);
}

tenon_process *tenon_process_ref(tenon_process *p)
{
    if (p) {
        p->refs++;
    }
    return p;
}

void tenon_process_unref(tenon_process *p)
{
    if (p && tenon__check_thread(p->reactor) == TENON_OK && --p->refs == 0) {
        p->ready.run = free_now;
        tenon__drop_push(p->reactor, &p->ready);
    }
}

tenon_process *tenon__process_new(tenon_reactor *r, size_t pipes,
                                  const tenon_process_options *options,
                                  tenon_process_protocol protocol)
{
    size_t len = sizeof(tenon_process) + pipes * sizeof(tenon__process_pipe);
    tenon_process *p = tenon__alloc(&r->allocator, len);
    if (!p) {
        return NULL;
    }
    if (tenon_future_new_at(r, &p->end, "tenon_process") < 0) {
        tenon__free(&r->allocator, p, len);
        return NULL;
    }
    bool mild = options->kill_signal && options->kill_signal != SIGKILL;
    p->reactor = r;
    p->protocol = protocol;
    p->ready.run = on_ready;
    p->exit.size = sizeof p->exit;
    p->kill_signal = mild ? options->kill_signal : SIGKILL;
    p->kill_delay_ns =
        options->kill_delay_ns ? options->kill_delay_ns : KILL_DELAY_DEFAULT;
    p->output_max = options->output_max ? options->output_max
                                        : TENON_PROCESS_OUTPUT_DEFAULT;
    p->pipe_count = (uint32_t)pipes;
    p->refs = 1;
    tenon_timer_init(&p->timer, r);
    (void)tenon_timer_set_daemon(&p->timer, true);
    tenon_timer_set_name(&p->timer, "process");
    tenon__pin(r);
    return p;
}

void tenon__process_begin(tenon_process *p)
{
    tenon__object_add(p->reactor, &p->object, &object_ops);
    tenon__alive_add(p->reactor);
    /* The pipes first: connection_made may give them other protocols. */
    tenon__stdio_begin(p);
    tenon__ready_push(p->reactor, &p->ready);
}

/* ---- public ---- */

pid_t tenon_process_pid(const tenon_process *p)
{
    return p->pid;
}

tenon_reactor *tenon_process_reactor(const tenon_process *p)
{
    return p->reactor;
}

tenon_status tenon_process_get_exit(const tenon_process *p,
                                    tenon_process_exit *out)
{
    if (!p->known) {
        return TENON_NOT_DONE;
    }
    if (out) {
        uint32_t size = out->size;
        memcpy(out, &p->exit, size < sizeof p->exit ? size : sizeof p->exit);
        out->size = size;
    }
    return TENON_OK;
}

tenon_status tenon_process_send_signal(tenon_process *p, int signo)
{
    tenon_status status = tenon__check(p->reactor);
    return status < 0 ? status : tenon__exit_signal(p, signo);
}

tenon_status tenon_process_terminate(tenon_process *p)
{
    return tenon_process_send_signal(p, SIGTERM);
}

tenon_status tenon_process_kill(tenon_process *p)
{
    return tenon_process_send_signal(p, SIGKILL);
}

tenon_status tenon_process_close(tenon_process *p)
{
    tenon_status status = tenon__check_thread(p->reactor);
    if (status == TENON_OK) {
        close_now(p);
    }
    return status;
}

tenon_status tenon_process_wait(tenon_process *p, tenon_future **out)
{
    tenon_future *future = NULL;
    tenon_status status =
        out ? tenon_future_new_at(p->reactor, &future, "tenon_process_wait")
            : TENON_INVALID;
    if (status == TENON_OK) {
        status = tenon_future_link(p->end, future, 0);
    }
    if (status < 0) {
        tenon_future_unref(future);
        return status;
    }
    *out = future;
    return TENON_OK;
}
