/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * One case on its stage: who is on it, when the call is made, and what must
 * hold at every callback and at the end.
 */

#include "matrix.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

stage st;

enum { SELF_AT, SIBLING_AT, ITERATIONS = 4000, PATIENCE = 40 };

/* ---- memory ---- */

void *own(size_t size)
{
    void *block = calloc(1, size);
    WANT(block != NULL);
    return block;
}

void disown_block(void *block, size_t size)
{
    if (block) {
        memset(block, 0xa5, size);
        free(block);
    }
}

void fresh_name(actor *a)
{
    static unsigned count;
    snprintf(a->name, sizeof a->name, "unix:@tenon-matrix-%d-%u", (int)getpid(),
             ++count);
}

void keep_transport(actor *a, tenon_transport *transport)
{
    if (!a->transport) {
        a->transport = transport;
        a->held = a->number != SELF_AT;
        if (a->held) {
            tenon_transport_ref(transport);
        }
    }
}

void lose_transport(actor *a)
{
    if (!a->held) {
        a->transport = NULL;
    }
}

void drop_transport(actor *a)
{
    bool lost = over(a, EV_LOST, 1) || over(a, EV_LINE_LOST, 1) || st.closed;
    if (a->held) {
        tenon_transport_unref(a->transport);
        a->transport = lost ? NULL : a->transport;
        a->held = false;
    }
}

/* ---- the call ---- */

/* Where an actor has its object of a class. */
static const struct {
    uint32_t on;
    size_t at;
} places[] = {
    {TIMER, offsetof(actor, timer)},
    {PERIODIC, offsetof(actor, periodic)},
    {WATCH, offsetof(actor, watch)},
    {INBOX, offsetof(actor, post)},
    {SIGNAL, offsetof(actor, signal)},
    {HOOK, offsetof(actor, hook)},
    {TRANSPORT, offsetof(actor, transport)},
    {LISTENER, offsetof(actor, listener)},
    {CONNECTOR, offsetof(actor, connector)},
    {LOOKUP, offsetof(actor, lookup)},
    {FUTURE, offsetof(actor, future)},
    {WAITER, offsetof(actor, waiter)},
    {PROMISE, offsetof(actor, promise)},
    {TASK, offsetof(actor, task)},
    {STREAM, offsetof(actor, stream)},
    {LINE, offsetof(actor, line)},
    {PLACE, offsetof(actor, ticket)},
};

static bool available(const actor *a, uint32_t on)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].on == on) {
            const void *object;
            memcpy(&object, (const char *)a + places[i].at, sizeof object);
            return object != NULL;
        }
    }
    return on != READER || a->fd > 0;
}

/* Objects of the loop are due at once: such a sibling enters late. */
static bool enters_late(const part *kind)
{
    const uint32_t loops =
        HANDLE | TIMER | PERIODIC | WATCH | READER | INBOX | TASK;
    return (kind->offers & loops) != 0;
}

static void open_actor(int at)
{
    actor *a = &st.cast[at];
    if (a->kind && !a->opened) {
        a->opened = true;
        a->kind->open(a);
    }
}

static bool may_return(const call_row *call, tenon_status status)
{
    const char *name = tenon_status_name(status);
    if (status >= 0 || status == TENON_CLOSED || status == TENON_HOST_GONE ||
        strcmp(call->may, "*") == 0) {
        return true;
    }
    name = strncmp(name, "TENON_", 6) == 0 ? name + 6 : name;
    size_t len = strlen(name);
    const char *at = call->may;
    while ((at = strstr(at, name)) != NULL) {
        if ((at == call->may || at[-1] == ' ') &&
            (at[len] == ' ' || at[len] == '\0')) {
            return true;
        }
        at += len;
    }
    return false;
}

static void do_act(const move *act)
{
    const call_row *call = act->call;
    actor *a = &st.cast[act->target == SIBLING ? SIBLING_AT : SELF_AT];
    if (!call || st.dropped) {
        return;
    }
    if (!a->opened || !available(a, call->on)) {
        st.absent = true;
        return;
    }
    a->loose = a->loose || (call->flags & (BENDS | ENDS));
    st.upset = st.upset || (call->flags & UPSETS);
    a->ended &= ~(call->flags & STARTS ? call->on : 0);
    st.act = act;
    st.calling++;
    tenon_status status = call->fn(a);
    st.calling--;
    a->ended |= (call->flags & ENDS) && status >= 0 ? call->on : 0;
    if (!may_return(call, status)) {
        broken("%s returned %s", call->function, tenon_status_name(status));
    }
}

static void do_acts(void *user)
{
    (void)user;
    st.inner = true;
    do_act(&st.now->acts[0]);
    do_act(&st.now->acts[1]);
}

/* A host that does not ask what is left of the turn is told. */
static void iterate_inside(void)
{
    tenon_turn_result result;
    if (!st.dropped && tenon_turn_peek(st.reactor, &result) == TENON_OK &&
        result.more && !(tenon_reactor_caps(st.reactor) & TENON_CAP_NESTED)) {
        tenon_turn(st.reactor, NULL);
    }
    st.fixture->iterate(st.loop, 0);
}

/* Runs the loop from here until another callback has done it. */
static void do_acts_inside(void)
{
    if (tenon_call_soon(st.reactor, do_acts, NULL) < 0) {
        do_acts(NULL); /* the reactor is at its end */
    }
    for (int i = 0; i < PATIENCE && !st.inner; i++) {
        iterate_inside();
    }
    /* And a little more, with what it did. */
    for (int i = 0; i < 3; i++) {
        iterate_inside();
    }
    WANT(st.inner || tenon_reactor_is_closed(st.reactor));
}

static void make_call(void)
{
    st.made_call = true;
    if (!st.closing) {
        open_actor(SIBLING_AT);
    }
    if (st.now->nested) {
        do_acts_inside();
    } else {
        do_acts(NULL);
    }
}

void hit(actor *a, enum event event)
{
    const event_row *row = &events[event];
    if (row->self & a->ended & ~row->owed) {
        broken("%s came to the %s %s after its end", row->name, a->role,
               a->kind->name);
    }
    if (++a->seen[event] > 1 && !(row->flags & MANY)) {
        broken("%s came twice to the %s %s", row->name, a->role, a->kind->name);
    }
    if (st.calling && !(row->flags & INNER) && !(st.act->call->flags & RUNS)) {
        broken("%s came to the %s %s inside of the call", row->name, a->role,
               a->kind->name);
    }
    if ((a->inside[event] && !(row->flags & APART)) ||
        ((row->flags & ALONE) && a->on_stack)) {
        broken("%s came to the %s %s, which is on the stack", row->name,
               a->role, a->kind->name);
    }
    a->inside[event]++;
    a->on_stack += (row->flags & ALONE) != 0;
    if (!st.made_call && a == &st.cast[SELF_AT] &&
        event == st.now->callback->event) {
        make_call();
    }
    a->on_stack -= (row->flags & ALONE) != 0;
    a->inside[event]--;
}

/* ---- the reactor's own callbacks ---- */

tenon_status matrix_on_error(tenon_reactor *reactor, const tenon_report *report,
                             void *user)
{
    (void)reactor;
    (void)user;
    for (int i = 0; i < st.cast_count; i++) {
        actor *a = &st.cast[i];
        if (a->kind == &kind_COMPLAINT && strcmp(report->what, a->role) == 0) {
            hit(a, EV_REPORTED);
        }
    }
    return TENON_OK;
}

static void on_closed(void *user)
{
    actor *self = &st.cast[SELF_AT];
    (void)user;
    WANT(!st.closed);
    st.closed = true;
    if (self->kind == &kind_GOODBYE) {
        hit(self, EV_GONE);
    }
}

/* ---- the play ---- */

static void add_actor(const part *kind, const char *role, int at)
{
    st.cast[at] = (actor){.kind = kind, .role = role, .number = at};
}

static const part *kind_of_class(uint32_t on)
{
    static const struct {
        uint32_t on;
        const part *kind;
    } usual[] = {
        {HANDLE, &kind_LATER},       {TIMER, &kind_TICKET},
        {PERIODIC, &kind_METRONOME}, {WATCH, &kind_EYE},
        {READER, &kind_PEP},         {INBOX, &kind_LETTER},
        {SIGNAL, &kind_BELL},        {HOOK, &kind_SHUTDOWN},
        {TRANSPORT, &kind_SOCKET},   {LISTENER, &kind_SOCKET},
        {CONNECTOR, &kind_NAMED},    {LOOKUP, &kind_QUESTION},
        {FUTURE, &kind_PLEDGE},      {WAITER, &kind_PLEDGE},
        {PROMISE, &kind_WORD},       {LINE, &kind_LINES},
        {TASK, &kind_RUNNER},        {PLACE, &kind_QUEUER},
        {STREAM, &kind_HANDLER},
    };
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (usual[i].on == on) {
            return usual[i].kind;
        }
    }
    return NULL;
}

const part *sibling_of(const one_case *one)
{
    for (int i = 0; i < 2; i++) {
        const call_row *call = one->acts[i].call;
        if (call && one->acts[i].target == SIBLING) {
            return one->callback->kind->offers & call->on
                       ? one->callback->kind
                       : kind_of_class(call->on);
        }
    }
    return NULL;
}

static uint32_t wanted_of_sibling(void)
{
    const move *acts = st.now->acts;
    return acts[acts[0].target == SIBLING ? 0 : 1].call->on;
}

static void iterate(int64_t wait_ns)
{
    bool real = st.fixture->caps & TENON_FIXTURE_REAL_TIME;
    st.fixture->iterate(st.loop, real ? wait_ns : TENON_MILLISECOND);
}

static void step_all(void)
{
    for (int i = 0; i < st.cast_count; i++) {
        actor *a = &st.cast[i];
        bool plays = i != SIBLING_AT || st.made_call;
        if (a->opened && plays && a->kind->step && !st.upset && !st.closing) {
            a->kind->step(a);
        }
    }
}

static bool all_complete(void)
{
    for (int i = 0; i < st.cast_count; i++) {
        const actor *a = &st.cast[i];
        if (a->opened && !a->loose && !a->kind->complete(a)) {
            return false;
        }
    }
    return true;
}

static uint64_t happened(void)
{
    tenon_stats stats = {.size = sizeof stats};
    if (st.dropped || tenon_reactor_stats(st.reactor, &stats) < 0) {
        return 0;
    }
    return stats.callbacks + stats.events + stats.timers_fired;
}

/* Iterates until everybody is done, or nothing more happens. */
static void play(void)
{
    int quiet = 0;
    for (int i = 0; i < ITERATIONS && quiet < PATIENCE; i++) {
        uint64_t before = happened();
        iterate(quiet > 8 ? TENON_MILLISECOND : 0);
        step_all();
        quiet = happened() == before ? quiet + 1 : 0;
        if (st.made_call && (st.upset || all_complete()) && quiet > 2) {
            return;
        }
    }
}

static void open_stage(void)
{
    const one_case *one = st.now;
    const part *self = one->callback->kind;
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &st.heap.allocator,
                                     .name = "matrix",
                                     .slow_callback_ns = -1,
                                     .on_error = matrix_on_error,
                                     .on_closed = on_closed};
    st.loop = st.fixture->loop_new();
    WANT(st.loop != NULL);
    WANT(st.fixture->attach(st.loop, &st.reactor, &options) == TENON_OK);
    st.error = tenon_error_of(TENON_PROTOCOL, "matrix");
    add_actor(self, "self", SELF_AT);
    add_actor(NULL, "sibling", SIBLING_AT);
    add_actor(&kind_METRONOME, "bystanding", 2);
    add_actor(&kind_MEMORY, "bystanding", 3);
    st.cast_count = 4;
    st.cast[SIBLING_AT].kind = sibling_of(one);
    open_actor(2);
    open_actor(3);
}

static void enter_sibling(void)
{
    actor *sibling = &st.cast[SIBLING_AT];
    if (!sibling->kind || enters_late(sibling->kind)) {
        return;
    }
    open_actor(SIBLING_AT);
    for (int i = 0; i < PATIENCE && !available(sibling, wanted_of_sibling());
         i++) {
        iterate(0);
    }
}

/* Inside of a resolver's function, at a call outside of turns, a reactor can be
 * closed, but what is owed waits for the next close or unref. */
static bool told_late(void)
{
    return st.now->callback->event == EV_RESOLVE ||
           st.now->callback->event == EV_UNRESOLVE;
}

static void close_reactor(void)
{
    bool ended = st.dropped || tenon_reactor_is_closed(st.reactor);
    st.closing = true;
    if (!ended || (!st.dropped && told_late())) {
        WANT(tenon_reactor_close(st.reactor) >= 0 || st.upset);
    }
    for (int i = 0; i < ITERATIONS && !st.closed; i++) {
        iterate(TENON_MILLISECOND);
        if (st.dropped && i > 8) {
            break; /* the loop's reference is the last */
        }
    }
    WANT(st.closed || st.dropped);
}

static void close_actors(int odd)
{
    for (int i = odd; i < st.cast_count; i += 2) {
        if (st.cast[i].opened) {
            st.cast[i].kind->close(&st.cast[i]);
        }
    }
}

/* What the actors hold outlives the reactor, for half of them. */
static void leave_stage(void)
{
    if (!st.dropped) {
        close_actors(0);
        tenon_reactor_unref(st.reactor);
    }
    st.fixture->loop_free(st.loop);
    WANT(st.closed);
    if (st.dropped) {
        close_actors(0);
    }
    close_actors(1);
    calls_close();
    tenon_error_unref(st.error);
}

/* The lowest free number tells whether any was leaked. */
static int next_fd(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

static void want_complete(void)
{
    if (!st.made_call) {
        broken("the callback never came");
    }
    for (int i = 0; i < st.cast_count && !st.upset; i++) {
        const actor *a = &st.cast[i];
        if (a->opened && !a->loose && !a->kind->complete(a)) {
            broken("the %s %s did not come to its end", a->role, a->kind->name);
        }
    }
}

void stage_play(const tenon_fixture *fixture, const one_case *one)
{
    char why[HARNESS_TEXT_LEN] = "";
    int fd = next_fd();
    bool at_end =
        one->callback->event == EV_HOOKED || one->callback->event == EV_GONE;
    memset(&st, 0, sizeof st);
    st.fixture = fixture;
    st.now = one;
    harness_heap_begin(&st.heap);
    open_stage();
    enter_sibling();
    open_actor(SELF_AT);
    if (at_end || enters_late(one->callback->kind)) {
        open_actor(SIBLING_AT);
    }
    if (!at_end) {
        play();
        want_complete();
    }
    close_reactor();
    leave_stage();
    if (!st.made_call) {
        broken("the callback never came");
    }
    if (!harness_heap_end(&st.heap, why, sizeof why)) {
        broken("%s", why);
    }
    if (next_fd() != fd) {
        broken("descriptor %d is left open", fd);
    }
}
