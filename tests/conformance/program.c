/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The program: which cases on which loop, and one line about each.
 */

#include "rig.h"

#include <stdio.h>

const rig_group *const rig_groups[] = {
    &rig_loop,
    &rig_run,
    &rig_time,
    &rig_thread,
    &rig_signal,
    &rig_watch,
    &rig_stream,
    &rig_write,
    &rig_flow,
    &rig_accept,
    &rig_host,
    &rig_memory,
    &rig_lifetime,
    &rig_future,
    &rig_gather,
    &rig_lock,
    &rig_serve,
    &rig_names,
    &rig_convey,
    &rig_counted,
    &rig_lookup,
    &rig_process,
    &rig_shutdown,
    &rig_task,
    &rig_task_cancel,
    &rig_task_value,
    &rig_iostream,
    &rig_iostream_ends,
    &rig_sock,
    &rig_scope,
    &rig_limit,
    &rig_nursery,
    &rig_executor,
    &rig_file,
#ifdef TENON_WITH_LINE
    &rig_line,
#endif
    NULL,
};

#define ONLY_MAX 64

struct order {
    const tenon_fixture *fixture;
    const char *only[ONLY_MAX];
    size_t only_count;
    bool list;
    bool trace;
    size_t passed;
    size_t failed;
    size_t skipped;
};

struct job {
    const tenon_fixture *fixture;
    const rig_case *one;
};

static int usage(const tenon_fixture *const *fixtures)
{
    fprintf(stderr, "usage: tenon-conformance --host HOST [--list] "
                    "[--only ID]... [--trace]\nhosts:");
    for (size_t i = 0; fixtures[i]; i++) {
        fprintf(stderr, " %s", fixtures[i]->name);
    }
    fprintf(stderr, "\n");
    return 2;
}

static const tenon_fixture *find_host(const tenon_fixture *const *fixtures,
                                      const char *name)
{
    for (size_t i = 0; fixtures[i]; i++) {
        if (strcmp(fixtures[i]->name, name) == 0) {
            return fixtures[i];
        }
    }
    return NULL;
}

static bool parse(struct order *order, int argc, char **argv,
                  const tenon_fixture *const *fixtures)
{
    order->fixture = fixtures[0] && !fixtures[1] ? fixtures[0] : NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--list") == 0) {
            order->list = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            order->trace = true;
        } else if (strcmp(argv[i], "--host") == 0 && value) {
            order->fixture = find_host(fixtures, value);
            i++;
        } else if (strcmp(argv[i], "--only") == 0 && value &&
                   order->only_count < ONLY_MAX) {
            order->only[order->only_count++] = value;
            i++;
        } else {
            return false;
        }
    }
    return order->fixture != NULL;
}

static bool wanted(const struct order *order, const rig_case *one)
{
    for (size_t i = 0; i < order->only_count; i++) {
        if (strncmp(one->id, order->only[i], strlen(order->only[i])) == 0) {
            return true;
        }
    }
    return order->only_count == 0;
}

static void run_job(void *arg)
{
    const struct job *job = arg;
    rig_run_here(job->fixture, job->one);
}

static void run_one(struct order *order, const rig_case *one)
{
    const char *lack = rig_lacks(order->fixture, one->needs);
    harness_result result = {.verdict = HARNESS_SKIP};
    if (lack) {
        snprintf(result.why, sizeof result.why, "%s", lack);
    } else {
        struct job job = {order->fixture, one};
        harness_run_case(&result, run_job, &job, 0);
    }
    if (result.verdict == HARNESS_PASS) {
        order->passed++;
        printf("ok %s %s\n", one->id, one->text);
    } else if (result.verdict == HARNESS_SKIP) {
        order->skipped++;
        printf("skip %s %s: %s\n", one->id, one->text, result.why);
    } else {
        order->failed++;
        printf("not ok %s %s: %s\n", one->id, one->text, result.why);
    }
    fflush(stdout);
}

static size_t each_case(struct order *order,
                        void (*fn)(struct order *, const rig_case *))
{
    size_t count = 0;
    for (size_t g = 0; rig_groups[g]; g++) {
        for (size_t i = 0; i < rig_groups[g]->count; i++) {
            if (wanted(order, &rig_groups[g]->cases[i])) {
                fn(order, &rig_groups[g]->cases[i]);
                count++;
            }
        }
    }
    return count;
}

static void list_one(struct order *order, const rig_case *one)
{
    (void)order;
    printf("%s %s\n", one->id, one->text);
}

int tenon_conformance_main(int argc, char **argv,
                           const tenon_fixture *const *fixtures)
{
    struct order order = {0};
    if (!parse(&order, argc, argv, fixtures)) {
        return usage(fixtures);
    }
    if (order.trace) {
        return tenon_conformance_trace(order.fixture, stdout) ? 0 : 1;
    }
    size_t count = each_case(&order, order.list ? list_one : run_one);
    if (!count) {
        fprintf(stderr, "tenon-conformance: no such case\n");
        return 2;
    }
    if (!order.list) {
        printf("%zu passed, %zu failed, %zu skipped\n", order.passed,
               order.failed, order.skipped);
    }
    return order.failed ? 1 : 0;
}
