/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group X, files, and work for many items: what executors are used for.
 */

#include "rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tenon-XXXXXX";
static char path[sizeof folder + 8];

static void make_folder(void)
{
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/file", folder);
}

static void remove_folder(void)
{
    REQUIRE(unlink(path) == 0);
    REQUIRE(rmdir(folder) == 0); /* nothing is left beside it */
}

static void require_int(tenon_future *future, int64_t wanted)
{
    int64_t number = ~wanted;
    PUMP_UNTIL(tenon_future_is_done(future));
    REQUIRE_STATUS(tenon_future_int(future, &number), TENON_OK);
    REQUIRE_EQ(number, wanted);
    tenon_future_unref(future);
}

static void require_text(tenon_future *future, const char *wanted)
{
    void *value = NULL;
    PUMP_UNTIL(tenon_future_is_done(future));
    REQUIRE_STATUS(tenon_future_value(future, &value), TENON_OK);
    REQUIRE_STR(((tenon_file_data *)value)->data, wanted);
    tenon_future_unref(future);
}

static void require_failure(tenon_future *future, tenon_status wanted)
{
    int64_t number;
    PUMP_UNTIL(tenon_future_is_done(future));
    REQUIRE_STATUS(tenon_future_int(future, &number), wanted);
    tenon_future_unref(future);
}

static void replace(const char *name, const char *text, tenon_status wanted)
{
    tenon_future *f = NULL;
    REQUIRE_OK(
        tenon_file_write_all(rig.reactor, name, text, strlen(text), NULL, &f));
    if (wanted == TENON_OK) {
        require_int(f, (int64_t)strlen(text));
    } else {
        require_failure(f, wanted);
    }
}

static void whole_files(void)
{
    tenon_future *f = NULL;
    make_folder();
    replace(path, "first", TENON_OK);
    replace(path, "second", TENON_OK);
    replace(folder, "third", -EISDIR);
    REQUIRE_OK(tenon_file_read_all(rig.reactor, path, NULL, &f));
    require_text(f, "second");
    remove_folder();
}

static tenon_file *open_one(void)
{
    const tenon_file_options options = {
        .size = sizeof options, .flags = O_RDWR | O_CREAT, .mode = 0600};
    tenon_future *f = NULL;
    void *file = NULL;
    REQUIRE_OK(tenon_file_open(rig.reactor, path, &options, &f));
    PUMP_UNTIL(tenon_future_is_done(f));
    REQUIRE_STATUS(tenon_future_value(f, &file), TENON_OK);
    tenon_file_ref(file);
    tenon_future_unref(f);
    return file;
}

static void open_files(void)
{
    tenon_future *f = NULL;
    void *value = NULL;
    make_folder();
    tenon_file *file = open_one();
    REQUIRE_OK(tenon_file_write(file, "some text", 9, 0, &f));
    require_int(f, 9);
    REQUIRE_OK(tenon_file_write(file, "S", 1, TENON_FILE_CURRENT, &f));
    require_int(f, 1);
    REQUIRE_OK(tenon_file_sync(file, &f));
    require_int(f, 0);
    REQUIRE_OK(tenon_file_read(file, 4, 0, &f));
    require_text(f, "Some");
    REQUIRE_OK(tenon_file_read(file, 100, TENON_FILE_CURRENT, &f));
    require_text(f, "ome text");
    REQUIRE_OK(tenon_file_stat(file, &f));
    PUMP_UNTIL(tenon_future_is_done(f));
    REQUIRE_STATUS(tenon_future_value(f, &value), TENON_OK);
    REQUIRE_EQ(((struct stat *)value)->st_size, 9);
    tenon_future_unref(f);
    REQUIRE_OK(tenon_file_close(file, &f));
    require_int(f, 0);
    REQUIRE(tenon_file_sync(file, &f) == TENON_CLOSED);
    tenon_file_unref(file);
    remove_folder();
}

/* ---- many items ---- */

enum { ITEMS = 20 };

static int items[ITEMS];
static size_t results;

static tenon_status twice(tenon_work *work, void *item, void *user)
{
    (void)user;
    tenon_work_set_int(work, 2 * *(int *)item);
    return TENON_OK;
}

static void on_result(tenon_future *map, size_t index, tenon_future *result,
                      void *user)
{
    int64_t number = -1;
    (void)map;
    (void)user;
    REQUIRE_EQ(index, results++);
    REQUIRE_STATUS(tenon_future_int(result, &number), TENON_OK);
    REQUIRE_EQ(number, 2 * (int64_t)index);
}

static void results_in_order(void)
{
    const tenon_map_options options = {.size = sizeof options,
                                       .at_once = 4,
                                       .items = items,
                                       .item_len = sizeof items[0],
                                       .count = ITEMS,
                                       .fn = twice,
                                       .on_result = on_result};
    tenon_future *f = NULL;
    for (int i = 0; i < ITEMS; i++) {
        items[i] = i;
    }
    REQUIRE_OK(tenon_executor_map(rig.reactor, NULL, &options, &f));
    require_int(f, ITEMS);
    REQUIRE_EQ(results, ITEMS);
}

static tenon_status count_run(tenon_work *work, void *user)
{
    (void)work;
    ++*(int *)user;
    return TENON_OK;
}

static void one_run_for_two(void)
{
    int runs = 0;
    const tenon_work_options options = {
        .size = sizeof options, .fn = count_run, .user = &runs};
    tenon_once *once = NULL;
    tenon_future *f[2] = {NULL, NULL};
    REQUIRE_OK(tenon_once_new(rig.reactor, NULL, NULL, &once));
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(tenon_call_once(once, "key", &options, &f[i]));
    }
    tenon_once_free(once);
    for (int i = 0; i < 2; i++) {
        void *value = NULL;
        PUMP_UNTIL(tenon_future_is_done(f[i]));
        REQUIRE_STATUS(tenon_future_value(f[i], &value), TENON_OK);
        tenon_future_unref(f[i]);
    }
    REQUIRE_EQ(runs, 1);
}

static const rig_case cases[] = {
    {"X20", "a file is replaced whole, and read whole", whole_files, 0},
    {"X21", "a file is read and written where one says", open_files, 0},
    {"X22", "work for many items has its results in order", results_in_order,
     0},
    {"X23", "callers with one key share one run", one_run_for_two, 0},
};

const rig_group rig_file = RIG_GROUP(cases);
