/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * One after the other: a task calls, and waits as if it blocked.
 */

#include "tasks.h"

static tenon_status serial(void *reactor)
{
    job tea = {.name = "tea", .ms = 20};
    job toast = {.name = "toast", .ms = 10};
    (void)reactor;
    TENON_TRY(work(&tea));
    TENON_TRY(work(&toast));
    printf("breakfast\n");
    return TENON_OK;
}

int main(void)
{
    tenon_reactor *reactor;
    return run_main(serial, &reactor);
}
