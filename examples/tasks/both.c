/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Wait for both: a group ends when its last member has. When one of them fails
 * the other is cancelled, and the failure is the group's.
 */

#include <errno.h>

#include "tasks.h"

static tenon_status wait_for_both(job *one, job *two)
{
    tenon_group *group;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status = tenon_group_spawn(group, work, one, NULL, NULL);
    if (status == TENON_OK) {
        status = tenon_group_spawn(group, work, two, NULL, NULL);
    }
    return tenon_group_end(group, status);
}

static tenon_status both(void *reactor)
{
    job tea = {.name = "tea", .ms = 60};
    job toast = {.name = "toast", .ms = 20};
    (void)reactor;
    TENON_TRY(wait_for_both(&tea, &toast));
    printf("breakfast\n");
    toast.end = -ENOENT; /* of bread */
    tenon_status status = wait_for_both(&tea, &toast);
    printf("no breakfast: %s\n", tenon_status_text(status));
    return TENON_OK;
}

int main(void)
{
    tenon_reactor *reactor;
    return run_main(both, &reactor);
}
