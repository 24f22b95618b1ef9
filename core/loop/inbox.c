/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The inbox: a lock-free stack that any thread or signal handler pushes to and
 * the reactor takes whole, and an eventfd that is written by the first pusher
 * alone. The wake protocol: a pusher pushes, then writes if it is the one that
 * turned `wake` from 0 to 1; the reactor reads the eventfd, turns `wake` to 0,
 * and then takes the stack. Whatever was pushed before the read is seen by the
 * taking; whoever pushes after `wake` was turned writes again. The model of
 * it is tests/model/wake.pml.
 *
 * It also owns the page that tells a forked child: the kernel gives the child
 * a zeroed one (MADV_WIPEONFORK), so a read tells whose process this is.
 */

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop/engine.h"

enum post_state { POST_IDLE, POST_QUEUED };

/* A post whose memory is ours. */
typedef struct own_post {
    tenon_post_node post;
    tenon_allocator allocator;
    tenon_post_fn *fn;
    void *user;
} own_post;

/* ---- making and ending ---- */

static unsigned char *fork_page_new(void)
{
    size_t len = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, len, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    if (madvise(page, len, MADV_WIPEONFORK) < 0) {
        munmap(page, len);
        return NULL;
    }
    *(unsigned char *)page = 1;
    return page;
}

static void inbox_free(tenon_inbox *inbox)
{
    tenon_allocator allocator = inbox->allocator;
    if (inbox->event_fd >= 0) {
        close(inbox->event_fd);
    }
    if (inbox->fork_page) {
        munmap(inbox->fork_page, (size_t)sysconf(_SC_PAGESIZE));
    }
    tenon__free(&allocator, inbox, sizeof *inbox);
}

tenon_status tenon__inbox_new(tenon_reactor *r)
{
    tenon_inbox *inbox = tenon__alloc(&r->allocator, sizeof *inbox);
    if (!inbox) {
        return TENON_NO_MEMORY;
    }
    atomic_init(&inbox->refs, 1);
    atomic_init(&inbox->wake, 0);
    atomic_init(&inbox->head, NULL);
    inbox->allocator = r->allocator;
    inbox->fork_page = fork_page_new();
    inbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!inbox->fork_page || inbox->event_fd < 0) {
        tenon_status status = inbox->event_fd < 0 ? -errno : TENON_NO_MEMORY;
        inbox_free(inbox);
        return status;
    }
    r->inbox = inbox;
    return TENON_OK;
}

tenon_inbox *tenon_reactor_inbox(tenon_reactor *r)
{
    return r->inbox;
}

tenon_inbox *tenon_inbox_ref(tenon_inbox *inbox)
{
    atomic_fetch_add_explicit(&inbox->refs, 1, memory_order_relaxed);
    return inbox;
}

void tenon_inbox_unref(tenon_inbox *inbox)
{
    if (inbox &&
        atomic_fetch_sub_explicit(&inbox->refs, 1, memory_order_acq_rel) == 1) {
        inbox_free(inbox);
    }
}

/* ---- pushing: any thread, signal handlers too ---- */

void tenon__inbox_wake(tenon_inbox *inbox)
{
    if (atomic_exchange(&inbox->wake, 1) == 0) {
        uint64_t one = 1;
        int error = errno; /* of what a signal's handler interrupted */
        ssize_t wrote;
        do {
            wrote = write(inbox->event_fd, &one, sizeof one);
        } while (wrote < 0 && errno == EINTR);
        if (wrote < 0 && errno != EAGAIN) {
            /* Whoever comes next tries again. EAGAIN: it is readable. */
            atomic_store(&inbox->wake, 0);
        }
        errno = error;
    }
}

/* False when the inbox is closed. */
static bool push(tenon_inbox *inbox, tenon_node *node)
{
    tenon_node *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        if (head == &inbox->closed) {
            return false;
        }
        node->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &inbox->head, &head, node, memory_order_release, memory_order_relaxed));
    return true;
}

static void run_post(tenon_reactor *r, tenon_node *node);

void tenon_post_init(tenon_post_node *post)
{
    *post = (tenon_post_node){.state = POST_IDLE};
}

tenon_status tenon_post(tenon_inbox *inbox, tenon_post_node *post,
                        tenon_post_fn *fn, void *user)
{
    if (!inbox || !post || !fn) {
        return TENON_INVALID;
    }
    if (*(volatile unsigned char *)inbox->fork_page == 0) {
        return TENON_FORKED;
    }
    uint32_t idle = POST_IDLE;
    if (!__atomic_compare_exchange_n(&post->state, &idle, POST_QUEUED, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return TENON_BUSY;
    }
    post->fn = fn;
    post->user = user;
    post->node.run = run_post;
    if (!push(inbox, &post->node)) {
        __atomic_store_n(&post->state, POST_IDLE, __ATOMIC_RELEASE);
        return TENON_CLOSED;
    }
    tenon__inbox_wake(inbox);
    return TENON_OK;
}

static void run_own(tenon_post_node *post, tenon_status status, void *user)
{
    own_post own = *(own_post *)user;
    (void)post;
    tenon__free(&own.allocator, user, sizeof own);
    own.fn(NULL, status, own.user);
}

tenon_status tenon_call_soon_threadsafe(tenon_inbox *inbox, tenon_post_fn *fn,
                                        void *user)
{
    if (!inbox || !fn) {
        return TENON_INVALID;
    }
    own_post *own = tenon__alloc(&inbox->allocator, sizeof *own);
    if (!own) {
        return TENON_NO_MEMORY;
    }
    own->allocator = inbox->allocator;
    own->fn = fn;
    own->user = user;
    tenon_post_init(&own->post);
    tenon_status status = tenon_post(inbox, &own->post, run_own, own);
    if (status < 0) {
        tenon__free(&inbox->allocator, own, sizeof *own);
    }
    return status;
}

/* ---- taking: the reactor's thread ---- */

bool tenon__inbox_waiting(const tenon_reactor *r)
{
    const tenon_node *head =
        atomic_load_explicit(&r->inbox->head, memory_order_relaxed);
    return head && head != &r->inbox->closed;
}

void tenon__inbox_acknowledge(tenon_reactor *r)
{
    uint64_t count;
    ssize_t got = read(r->inbox->event_fd, &count, sizeof count);
    (void)got; /* a spurious report leaves nothing to read */
    atomic_exchange(&r->inbox->wake, 0);
}

/* Newest first as it was pushed, oldest first as it is returned. */
static tenon_node *take_all(tenon_inbox *inbox, tenon_node *leave)
{
    tenon_node *node =
        atomic_exchange_explicit(&inbox->head, leave, memory_order_acq_rel);
    tenon_node *oldest = NULL;
    while (node && node != &inbox->closed) {
        tenon_node *next = node->next;
        node->next = oldest;
        oldest = node;
        node = next;
    }
    return oldest;
}

static void enqueue(tenon_reactor *r, tenon_node *node)
{
    while (node) {
        tenon_node *next = node->next;
        tenon__list_push(&r->ready, node);
        r->stats.posts++;
        node = next;
    }
}

void tenon__inbox_drain(tenon_reactor *r)
{
    enqueue(r, take_all(r->inbox, NULL));
}

static void run_with(tenon_reactor *r, tenon_node *node, tenon_status status)
{
    tenon_post_node *post = TENON__OF(node, tenon_post_node, node);
    tenon_post_fn *fn = post->fn;
    void *user = post->user;
    /* From here on it may be posted again, by any thread. */
    __atomic_store_n(&post->state, POST_IDLE, __ATOMIC_RELEASE);
    tenon__frame frame;
    tenon__frame_enter(r, &frame, NULL, "post", NULL);
    fn(post, status, user);
    tenon__frame_leave(r, &frame);
}

static void run_post(tenon_reactor *r, tenon_node *node)
{
    run_with(r, node, TENON_OK);
}

bool tenon__post_run_closed(tenon_reactor *r, tenon_node *node)
{
    if (node->run != run_post) {
        return false;
    }
    run_with(r, node, r->end_status);
    return true;
}

void tenon__inbox_close(tenon_reactor *r)
{
    enqueue(r, take_all(r->inbox, &r->inbox->closed));
}
