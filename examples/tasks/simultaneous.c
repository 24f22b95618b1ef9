/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * At the same time: each task has its own stack, and the loop goes from one to
 * the next wherever they wait.
 */

#include "tasks.h"

static tenon_status simultaneous(void *reactor)
{
    static job jobs[] = {{.name = "tea", .ms = 60},
                         {.name = "toast", .ms = 20},
                         {.name = "egg", .ms = 100}};
    for (int i = 0; i < 3; i++) {
        TENON_TRY(tenon_spawn(reactor, work, &jobs[i], NULL, NULL));
    }
    printf("all three are under way\n");
    while (tenon_task_count(reactor) > 1) { /* this one */
        TENON_TRY(tenon_sleep(10 * TENON_MILLISECOND));
    }
    printf("breakfast\n");
    return TENON_OK;
}

int main(void)
{
    tenon_reactor *reactor;
    return run_main(simultaneous, &reactor);
}
