/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * tenon-matrix: enumerates the cases of a host, plays many of them in a child,
 * and says for which pair a child died. A child that fails is done again for
 * the one case, so that a fault of an earlier case is told from its own.
 */

#include "matrix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern const tenon_fixture *const tenon_fixtures[];

enum { BATCH = 400, LIMIT_SECONDS = 5, SHOWN = 3000, FAILED_MAX = 40 };

/* What a child tells, in memory that it shares with us. */
static struct report {
    size_t at;
    size_t absent;
    bool through; /* all played; only the leak checker is left */
    char why[HARNESS_TEXT_LEN];
} * report;

static struct order {
    const tenon_fixture *fixture;
    const char *only;
    size_t sample; /* 0: all */
    size_t pairs;  /* of calls, in place of single ones; 0: none */
    unsigned long seed;
    uint64_t random;
    bool list;
    bool absent; /* says which */
    one_case *cases;
    size_t count;
    size_t excluded;
    size_t failed;
    int err; /* what children write to standard error */
} order;

static const char *const target_names[] = {"self", "parent", "sibling"};

static size_t name_act(char *text, size_t size, const move *act)
{
    bool plain = strcmp(act->call->variant, "_") == 0;
    const char *target = act->call->on == REACTOR ? "reactor"
                         : act->call->on == HOST  ? "host"
                                                  : target_names[act->target];
    int len =
        snprintf(text, size, "%s%s%s x %s", act->call->function,
                 plain ? "" : "/", plain ? "" : act->call->variant, target);
    return (size_t)len;
}

static const char *name_of(const one_case *one)
{
    static char text[400];
    size_t len = (size_t)snprintf(text, sizeof text, "%s:%s x ",
                                  one->callback->kind->name,
                                  events[one->callback->event].name);
    len += name_act(text + len, sizeof text - len, &one->acts[0]);
    if (one->acts[1].call) {
        len += (size_t)snprintf(text + len, sizeof text - len, ", then ");
        len += name_act(text + len, sizeof text - len, &one->acts[1]);
    }
    snprintf(text + len, sizeof text - len, "%s",
             one->nested ? ", in a nested loop" : "");
    return text;
}

/* ---- the cases ---- */

static bool has_target(const callback_row *callback, const move *act)
{
    const event_row *event = &events[callback->event];
    uint32_t offered = act->call->on & callback->kind->offers;
    if (act->call->on & (REACTOR | HOST)) {
        return act->target == SELF;
    }
    return act->target == SIBLING ||
           (act->target == SELF && (event->self & offered)) ||
           (act->target == PARENT && (event->parent & offered));
}

static void add_case(one_case one)
{
    if (rule_against(one.callback, &one.acts[0], sibling_of(&one),
                     order.fixture)) {
        order.excluded++;
        return;
    }
    if (!order.only || strstr(name_of(&one), order.only)) {
        order.cases[order.count++] = one;
    }
    one.nested = true;
    if (!rule_against_nesting(one.callback, order.fixture) &&
        (!order.only || strstr(name_of(&one), order.only))) {
        order.cases[order.count++] = one;
    }
}

static void enumerate(void)
{
    order.cases = calloc(callback_count * call_count() * TARGETS * 2,
                         sizeof *order.cases);
    WANT(order.cases != NULL);
    for (size_t i = 0; i < callback_count; i++) {
        for (size_t k = 0; call_at(k); k++) {
            for (int target = 0; target < TARGETS; target++) {
                one_case one = {.callback = &callbacks[i],
                                .acts = {{call_at(k), (enum target)target}}};
                if (has_target(one.callback, &one.acts[0])) {
                    add_case(one);
                }
            }
        }
    }
}

static size_t draw(size_t below)
{
    order.random =
        order.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (size_t)(order.random >> 33) % below;
}

/* A second call behind the first, on an object that the case has. */
static bool add_second(one_case *one)
{
    move second = {call_at(draw(call_count())), (enum target)draw(TARGETS)};
    const part *sibling = sibling_of(one);
    if (!has_target(one->callback, &second)) {
        return false;
    }
    if (second.target == SIBLING && sibling &&
        !(sibling->offers & second.call->on)) {
        return false;
    }
    one->acts[1] = second;
    return !rule_against(one->callback, &second, sibling_of(one),
                         order.fixture);
}

/* Cases of two calls, drawn by the seed, in place of those of one. */
static void enumerate_pairs(void)
{
    size_t ones = order.count;
    one_case *all = order.cases;
    order.cases = calloc(order.pairs, sizeof *order.cases);
    WANT(order.cases != NULL && ones > 0);
    for (order.count = 0; order.count < order.pairs;) {
        one_case one = all[draw(ones)];
        if (add_second(&one)) {
            order.cases[order.count++] = one;
        }
    }
    free(all);
}

/* Shuffles by the seed, and keeps the first ones. */
static void take_sample(void)
{
    if (order.sample == 0 || order.sample >= order.count) {
        return;
    }
    for (size_t i = 0; i < order.sample; i++) {
        size_t other = i + draw(order.count - i);
        one_case one = order.cases[i];
        order.cases[i] = order.cases[other];
        order.cases[other] = one;
    }
    order.count = order.sample;
}

/* ---- children ---- */

void broken(const char *format, ...)
{
    va_list arguments;
    char text[HARNESS_TEXT_LEN];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (report) {
        memcpy(report->why, text, sizeof text);
        _exit(1);
    }
    fprintf(stderr, "tenon-matrix: %s\n", text);
    exit(2);
}

_Noreturn static void play_range(size_t from, size_t to)
{
    dup2(order.err, STDERR_FILENO);
    for (size_t i = from; i < to; i++) {
        report->at = i;
        alarm((unsigned)(LIMIT_SECONDS * harness_time_scale()));
        stage_play(order.fixture, &order.cases[i]);
        report->absent += st.absent;
        if (st.absent && order.absent) {
            printf("absent %s\n", name_of(&order.cases[i]));
        }
    }
    report->through = true;
    exit(0); /* not _exit: a leak checker has its say */
}

/* Whether the range can be played; else report->at tells where it ended. */
static bool played(size_t from, size_t to)
{
    int status = 0;
    size_t absent = report->absent;
    memset(report, 0, sizeof *report);
    report->absent = absent;
    report->at = from;
    WANT(ftruncate(order.err, 0) == 0);
    lseek(order.err, 0, SEEK_SET);
    fflush(stdout);
    pid_t child = fork();
    WANT(child >= 0);
    if (child == 0) {
        play_range(from, to);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        snprintf(report->why, sizeof report->why, "%s",
                 number == SIGALRM ? "it never ended" : strsignal(number));
    } else if (WEXITSTATUS(status) != 0 && !report->why[0]) {
        snprintf(report->why, sizeof report->why, "exit status %d",
                 WEXITSTATUS(status));
    }
    return status == 0;
}

static void show_errors(void)
{
    static char text[SHOWN];
    ssize_t len = pread(order.err, text, sizeof text - 1, 0);
    if (len > 0) {
        text[len] = '\0';
        printf("%s\n", text);
    }
}

static void blame(size_t at, const char *after)
{
    order.failed++;
    printf("not ok %s%s%s: %s\n", name_of(&order.cases[at]),
           after ? ", only after " : "", after ? after : "", report->why);
    show_errors();
}

/* The range fails and its last case does not, alone: the latest beginning with
 * which it still does. */
static void blame_together(size_t from, size_t at)
{
    char after[400];
    size_t good = at;
    while (from + 1 < good) {
        size_t middle = from + (good - from) / 2;
        if (played(middle, at + 1)) {
            good = middle;
        } else {
            from = middle;
        }
    }
    (void)played(from, at + 1);
    snprintf(after, sizeof after, "%s", name_of(&order.cases[from]));
    blame(at, after);
}

/* What only the end of the process told: halves, down to one case. */
static void blame_leak(size_t from, size_t to)
{
    while (to - from > 1) {
        size_t middle = from + (to - from) / 2;
        if (!played(from, middle)) {
            to = middle;
        } else if (!played(middle, to)) {
            from = middle;
        } else {
            break;
        }
    }
    (void)played(from, to);
    blame(to - 1, to - from > 1 ? "others" : NULL);
}

static void play_batch(size_t from, size_t to)
{
    while (from < to && order.failed < FAILED_MAX && !played(from, to)) {
        size_t at = report->at;
        if (report->through) {
            blame_leak(from, to);
            return;
        }
        if (played(at, at + 1)) {
            blame_together(from, at);
        } else {
            blame(at, NULL);
        }
        from = at + 1;
    }
}

/* ---- the program ---- */

static int tell_names(void)
{
    for (size_t i = 0; call_at(i); i++) {
        printf("call %s\n", call_at(i)->function);
    }
    for (size_t i = 0; i < callback_count; i++) {
        printf("callback %s\n", events[callbacks[i].event].contract);
    }
    for (size_t i = 0; i < exclusion_count; i++) {
        printf("excluded %s\n", exclusions[i].name);
    }
    return 0;
}

static const tenon_fixture *find_host(const char *name)
{
    for (size_t i = 0; tenon_fixtures[i]; i++) {
        if (strcmp(tenon_fixtures[i]->name, name) == 0) {
            return tenon_fixtures[i];
        }
    }
    return NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: tenon-matrix --host HOST [--sample COUNT] "
                    "[--pairs COUNT] [--seed N] [--only TEXT] "
                    "[--list] [--absent]\n"
                    "       tenon-matrix --names\n");
    return 2;
}

static bool parse(int argc, char **argv)
{
    order.seed = 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--list") == 0) {
            order.list = true;
            continue;
        }
        if (strcmp(argv[i], "--absent") == 0) {
            order.absent = true;
            continue;
        }
        if (!value) {
            return false;
        }
        if (strcmp(argv[i], "--host") == 0) {
            order.fixture = find_host(value);
        } else if (strcmp(argv[i], "--only") == 0) {
            order.only = value;
        } else if (strcmp(argv[i], "--seed") == 0) {
            order.seed = strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--sample") == 0) {
            order.sample = strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--pairs") == 0) {
            order.pairs = strtoul(value, NULL, 10);
        } else {
            return false;
        }
        i++;
    }
    return order.fixture != NULL;
}

static int play_all(void)
{
    signal(SIGPIPE, SIG_IGN); /* the raw peers */
    for (size_t from = 0; from < order.count && order.failed < FAILED_MAX;
         from += BATCH) {
        size_t to = from + BATCH < order.count ? from + BATCH : order.count;
        play_batch(from, to);
    }
    if (order.failed >= FAILED_MAX) {
        printf("enough: the rest is not played\n");
    }
    printf("%s: %zu cases, %zu failed; %zu left out by rule; in %zu the "
           "object was not there; seed %lu\n",
           order.fixture->name, order.count, order.failed, order.excluded,
           report->absent, order.seed);
    return order.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--names") == 0) {
        return tell_names();
    }
    if (!parse(argc, argv)) {
        return usage();
    }
    order.random = order.seed * 2 + 1;
    if (getenv("TENON_EXHAUSTIVE") != NULL) {
        order.sample = 0;
        order.pairs *= 20;
    }
    enumerate();
    if (order.pairs) {
        enumerate_pairs();
    }
    take_sample();
    if (order.list) {
        for (size_t i = 0; i < order.count; i++) {
            printf("%s\n", name_of(&order.cases[i]));
        }
        return 0;
    }
    order.err = memfd_create("errors", MFD_CLOEXEC);
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    WANT(order.err >= 0 && report != MAP_FAILED);
    return play_all();
}
