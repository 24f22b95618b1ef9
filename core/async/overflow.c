/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Stacks that are too small. What runs into the guard of a task's stack is a
 * SIGSEGV like any other; on request a handler, on a stack of its own, says
 * whose it was before the process dies as it would have. A stack that has no
 * guard has a canary, which is looked at after each step: then memory of others
 * is spoiled already, and nothing may go on.
 */

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/task.h"

/* Enough for a handler of the program's, which ours hands on to. */
enum { HANDLER_STACK = 65536 };

struct tenon__overflow {
    void *area; /* of the handler's stack; NULL: the thread has another one */
    pthread_t thread;
};

/* ---- saying so ---- */

typedef struct line {
    char text[160];
    size_t len;
} line;

static void add(line *l, const char *text)
{
    size_t len = strnlen(text, sizeof l->text - l->len);
    memcpy(l->text + l->len, text, len);
    l->len += len;
}

static void add_number(line *l, size_t number)
{
    char digits[24];
    char *at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add(l, at);
}

/* In a signal handler, too. */
static void say(const tenon_task *t)
{
    line l = {.len = 0};
    add(&l, "tenon: stack overflow in task ");
    add(&l, t->name);
    add(&l, " (");
    add_number(&l, t->stack.size);
    add(&l, " bytes)\n");
    (void)!write(STDERR_FILENO, l.text, l.len);
}

void tenon__overflow_die(const tenon_task *t)
{
    say(t);
    __builtin_trap();
}

/* ---- the handler ---- */

static bool is_in_guard(const tenon_task *t, const char *address)
{
    const char *base = t->stack.base;
    return base && address < base && address >= base - sysconf(_SC_PAGESIZE);
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    const tenon_reactor *r = tenon__current;
    const tenon_task *t = r && r->tasks ? r->tasks->current : NULL;
    if (t && is_in_guard(t, info->si_addr)) {
        say(t);
    }
    tenon__signal_hand_on(signo, info, context);
}

/* ---- on request ---- */

/* The thread's own, if it has one. */
static tenon_status need_stack(struct tenon__overflow *o)
{
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE)) {
        return TENON_OK;
    }
    void *area = mmap(NULL, HANDLER_STACK, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (area == MAP_FAILED) {
        return -errno;
    }
    const stack_t ours = {.ss_sp = area, .ss_size = HANDLER_STACK};
    (void)sigaltstack(&ours, NULL);
    o->area = area;
    return TENON_OK;
}

/* One that another thread may still have is left to it. */
static void leave_stack(const struct tenon__overflow *o)
{
    stack_t now;
    const stack_t none = {.ss_flags = SS_DISABLE};
    if (!o->area || !pthread_equal(o->thread, pthread_self())) {
        return;
    }
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == o->area) {
        (void)sigaltstack(&none, NULL);
    }
    (void)munmap(o->area, HANDLER_STACK);
}

static tenon_status turn_on(tenon_reactor *r)
{
    struct tenon__overflow *o = tenon__alloc(&r->allocator, sizeof *o);
    if (!o) {
        return TENON_NO_MEMORY;
    }
    o->thread = pthread_self();
    tenon_status status = need_stack(o);
    if (status == TENON_OK) {
        status = tenon__signal_take(SIGSEGV, on_fault);
    }
    if (status < 0) {
        leave_stack(o);
        tenon__free(&r->allocator, o, sizeof *o);
        return status;
    }
    r->tasks->overflow = o;
    return TENON_OK;
}

void tenon__overflow_off(tenon_reactor *r)
{
    struct tenon__overflow *o = r->tasks->overflow;
    if (o) {
        r->tasks->overflow = NULL;
        tenon__signal_give(SIGSEGV, on_fault);
        leave_stack(o);
        tenon__free(&r->allocator, o, sizeof *o);
    }
}

tenon_status tenon_reactor_report_overflow(tenon_reactor *r, bool on)
{
    tenon_status status = tenon__check(r);
    if (status == TENON_OK) {
        status = tenon__tasks_need(r);
    }
    if (status < 0 || on == (r->tasks->overflow != NULL)) {
        return status;
    }
    if (on) {
        return turn_on(r);
    }
    tenon__overflow_off(r);
    return TENON_OK;
}
