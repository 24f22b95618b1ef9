/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Files: bytes there and back, errors of the system, what is refused after
 * close, cancelling, and files that are replaced whole or not at all.
 *
 * ctest: labels=threads timeout=120
 */

#include "executor_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tenon-file-XXXXXX";
static char path[64];

static void setup_folder(void)
{
    setup();
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

/* Names in the folder, but for the two that are always there. */
static int names(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count - 2;
}

static void teardown_folder(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
    teardown();
}

/* ---- waiting for one ---- */

static tenon_status status_of(tenon_future *future)
{
    UNTIL(tenon_future_is_done(future));
    tenon_status status = tenon_error_status(tenon_future_error(future));
    tenon_future_unref(future);
    return status;
}

static int64_t int_of(tenon_future *future)
{
    int64_t value = -1;
    UNTIL(tenon_future_is_done(future));
    ck_assert_int_eq(tenon_future_int(future, &value), TENON_OK);
    tenon_future_unref(future);
    return value;
}

static void require_data(tenon_future *future, const char *text, size_t len)
{
    void *value = NULL;
    UNTIL(tenon_future_is_done(future));
    ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
    const tenon_file_data *data = value;
    ck_assert_uint_eq(data->len, len);
    ck_assert_mem_eq(data->data, text, len);
    ck_assert_int_eq(data->data[len], 0);
    tenon_future_unref(future);
}

static tenon_file_options flags_of(int flags, tenon_executor *executor)
{
    return (tenon_file_options){.size = sizeof(tenon_file_options),
                                .flags = flags,
                                .mode = 0640,
                                .executor = executor};
}

static tenon_file *open_file(int flags, tenon_executor *executor)
{
    const tenon_file_options options = flags_of(flags, executor);
    tenon_future *future = NULL;
    void *file = NULL;
    ck_assert_int_eq(tenon_file_open(reactor, path, &options, &future),
                     TENON_OK);
    UNTIL(tenon_future_is_done(future));
    ck_assert_int_eq(tenon_future_value(future, &file), TENON_OK);
    tenon_file_ref(file);
    tenon_future_unref(future);
    return file;
}

static tenon_future *write_to(tenon_file *file, const char *text, int64_t at)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_file_write(file, text, strlen(text), at, &future),
                     TENON_OK);
    return future;
}

static tenon_future *read_of(tenon_file *file, size_t len, int64_t at)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_file_read(file, len, at, &future), TENON_OK);
    return future;
}

static tenon_future *close_of(tenon_file *file)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_file_close(file, &future), TENON_OK);
    return future;
}

static tenon_future *read_all(const char *name, size_t len_max)
{
    const tenon_file_options options = {.size = sizeof options,
                                        .len_max = len_max};
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_file_read_all(reactor, name, &options, &future),
                     TENON_OK);
    return future;
}

static tenon_future *write_all(const char *name, const void *data, size_t len,
                               tenon_executor *executor)
{
    const tenon_file_options options = {.size = sizeof options,
                                        .executor = executor};
    tenon_future *future = NULL;
    ck_assert_int_eq(
        tenon_file_write_all(reactor, name, data, len, &options, &future),
        TENON_OK);
    return future;
}

static mode_t mode_of(void)
{
    struct stat found;
    ck_assert_int_eq(stat(path, &found), 0);
    return found.st_mode & 07777;
}

/* ---- open files ---- */

static void there_and_back(tenon_executor *executor)
{
    tenon_future *f = NULL;
    void *value = NULL;
    tenon_file *file = open_file(O_RDWR | O_CREAT, executor);
    ck_assert_int_eq(int_of(write_to(file, "hello world", 0)), 11);
    ck_assert_int_eq(int_of(write_to(file, "W", 6)), 1);
    require_data(read_of(file, 5, 6), "World", 5);
    require_data(read_of(file, 100, 6), "World", 5);
    require_data(read_of(file, 100, 11), "", 0);
    require_data(read_of(file, 0, 0), "", 0);
    require_data(read_of(file, 5, TENON_FILE_CURRENT), "hello", 5);
    require_data(read_of(file, 2, TENON_FILE_CURRENT), " W", 2);
    ck_assert_int_eq(int_of(write_to(file, "alls", TENON_FILE_CURRENT)), 4);
    require_data(read_of(file, 50, 0), "hello Walls", 11);
    ck_assert_int_eq(tenon_file_sync(file, &f), TENON_OK);
    ck_assert_int_eq(int_of(f), 0);
    ck_assert_int_eq(tenon_file_stat(file, &f), TENON_OK);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(tenon_future_value(f, &value), TENON_OK);
    ck_assert_int_eq(((struct stat *)value)->st_size, 11);
    tenon_future_unref(f);
    ck_assert(!tenon_file_is_closed(file));
    f = close_of(file);
    ck_assert(tenon_file_is_closed(file));
    ck_assert_int_eq(int_of(f), 0);
    tenon_file_unref(file);
    ck_assert_int_eq(unlink(path), 0);
}

START_TEST(bytes_there_and_back)
{
    umask(0);
    there_and_back(NULL);
    there_and_back(tenon_executor_inline());
}
END_TEST

START_TEST(after_close_all_is_refused)
{
    tenon_file *file = open_file(O_RDWR | O_CREAT, NULL);
    tenon_future *f = NULL;
    ck_assert_int_eq(int_of(close_of(file)), 0);
    ck_assert_int_eq(tenon_file_read(file, 1, 0, &f), TENON_CLOSED);
    ck_assert_int_eq(tenon_file_write(file, "x", 1, 0, &f), TENON_CLOSED);
    ck_assert_int_eq(tenon_file_sync(file, &f), TENON_CLOSED);
    ck_assert_int_eq(tenon_file_stat(file, &f), TENON_CLOSED);
    ck_assert_int_eq(tenon_file_close(file, &f), TENON_CLOSED);
    ck_assert_ptr_null(f);
    tenon_file_unref(file);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    tenon_file *file = open_file(O_RDWR | O_CREAT, NULL);
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_file_read(file, SIZE_MAX, 0, &f), TENON_LIMIT);
    ck_assert_int_eq(tenon_file_read(file, 1, -2, &f), TENON_INVALID);
    ck_assert_int_eq(tenon_file_read(file, 1, 0, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_file_read(NULL, 1, 0, &f), TENON_INVALID);
    ck_assert_int_eq(tenon_file_write(file, NULL, 1, 0, &f), TENON_INVALID);
    ck_assert_int_eq(tenon_file_open(reactor, NULL, NULL, &f), TENON_INVALID);
    ck_assert_int_eq(tenon_file_read_all(reactor, NULL, NULL, &f),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_file_write_all(reactor, path, NULL, 1, NULL, &f),
                     TENON_INVALID);
    ck_assert_ptr_null(tenon_file_ref(NULL));
    tenon_file_unref(NULL);
    tenon_file_unref(file); /* which closes it */
}
END_TEST

START_TEST(errors_of_the_system)
{
    const tenon_file_options options = flags_of(O_RDONLY, NULL);
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_file_open(reactor, path, &options, &f), TENON_OK);
    ck_assert_int_eq(status_of(f), -ENOENT);
    ck_assert_int_eq(status_of(read_all(path, 0)), -ENOENT);
    ck_assert_int_eq(status_of(read_all(folder, 0)), -EISDIR);
    ck_assert_int_eq(status_of(write_all(folder, "x", 1, NULL)), -EISDIR);
    ck_assert_int_eq(status_of(write_all("/nowhere/file", "x", 1, NULL)),
                     -ENOENT);
    tenon_file *file = open_file(O_RDONLY | O_CREAT, NULL);
    ck_assert_int_eq(status_of(write_to(file, "x", 0)), -EBADF);
    tenon_file_unref(file);
}
END_TEST

START_TEST(what_cannot_be_replaced)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(status_of(write_all(path, "x", 1, NULL)), -EISDIR);
    ck_assert_int_eq(names(), 1); /* nothing is left beside it */
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* Several chunks, and a hole. */
START_TEST(large_files)
{
    size_t len = 3 * TENON_FILE_CHUNK + 7;
    char *bytes = malloc(len);
    tenon_future *f = NULL;
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(i * 31 + i / 4096);
    }
    ck_assert_int_eq(int_of(write_all(path, bytes, len, NULL)), (int64_t)len);
    require_data(read_all(path, 0), bytes, len);
    require_data(read_all(path, len), bytes, len);
    ck_assert_int_eq(status_of(read_all(path, len - 1)), TENON_LIMIT);
    tenon_file *file = open_file(O_RDWR, NULL);
    require_data(read_of(file, len, 0), bytes, len);
    ck_assert_int_eq(tenon_file_write(file, bytes, len, 10, &f), TENON_OK);
    ck_assert_int_eq(int_of(f), (int64_t)len);
    require_data(read_of(file, len * 2, 10), bytes, len);
    tenon_file_unref(file);
    free(bytes);
}
END_TEST

START_TEST(files_without_a_size)
{
    void *value = NULL;
    tenon_future *f = read_all("/proc/self/maps", 0);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(tenon_future_value(f, &value), TENON_OK);
    const tenon_file_data *data = value;
    ck_assert_uint_gt(data->len, 500);
    ck_assert_uint_eq(strlen(data->data), data->len);
    tenon_future_unref(f);
}
END_TEST

/* ---- whole files ---- */

START_TEST(replaced_whole)
{
    umask(022);
    ck_assert_int_eq(int_of(write_all(path, "one", 3, NULL)), 3);
    ck_assert_int_eq(mode_of(), 0644);
    ck_assert_int_eq(chmod(path, 0600), 0);
    int old = open(path, O_RDONLY);
    char text[8] = "";
    ck_assert_int_eq(int_of(write_all(path, "two", 3, NULL)), 3);
    ck_assert_int_eq(mode_of(), 0600);
    require_data(read_all(path, 0), "two", 3);
    ck_assert_int_eq(read(old, text, sizeof text), 3);
    ck_assert_str_eq(text, "one"); /* who had it has it */
    close(old);
    ck_assert_int_eq(int_of(write_all(path, NULL, 0, NULL)), 0);
    require_data(read_all(path, 0), "", 0);
    ck_assert_int_eq(names(), 1);
}
END_TEST

START_TEST(a_link_is_replaced)
{
    char target[80];
    struct stat found;
    snprintf(target, sizeof target, "%s/target", folder);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert_int_eq(int_of(write_all(path, "x", 1, NULL)), 1);
    ck_assert_int_eq(lstat(path, &found), 0);
    ck_assert(S_ISREG(found.st_mode));
    ck_assert_int_eq(found.st_mode & 0111, 0);
    ck_assert_int_lt(access(target, F_OK), 0);
}
END_TEST

/* ---- cancelling, and ends ---- */

START_TEST(cancelled_before_it_began)
{
    tenon_executor *pool = pool_of(1, 0);
    const tenon_file_options options = flags_of(O_RDWR | O_CREAT, pool);
    tenon_future *held = call(pool, wait_at_gate, NULL);
    tenon_future *f[2] = {NULL, NULL};
    wait_inside(1);
    ck_assert_int_eq(tenon_file_open(reactor, path, &options, &f[0]), TENON_OK);
    f[1] = write_all(path, "x", 1, pool);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tenon_future_cancel(f[i], NULL), TENON_EXISTED);
        tenon_future_unref(f[i]);
    }
    open_gate(true);
    end_pool(pool);
    ck_assert_int_eq(names(), 0);
    tenon_future_unref(held);
    settle();
}
END_TEST

/* Its first look whether it was cancelled comes when it was. */
static tenon_status submit_late(void *self, tenon_work *work)
{
    *(tenon_work **)self = work;
    return TENON_OK;
}

static tenon_work *late;

static void *run_late(void *user)
{
    tenon_work_run(user);
    return NULL;
}

/* The gate is a FIFO: who opens it waits for the other end. */
START_TEST(cancelled_while_it_runs)
{
    static const tenon_executor_ops ops = {.size = sizeof ops,
                                           .submit = submit_late};
    tenon_executor *e = NULL;
    pthread_t thread;
    ck_assert_int_eq(tenon_executor_new(&ops, &late, &e), TENON_OK);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    const tenon_file_options options = {.size = sizeof options, .executor = e};
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_file_read_all(reactor, path, &options, &f),
                     TENON_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_late, late), 0);
    int fd;
    WAIT_FOR((fd = open(path, O_WRONLY | O_NONBLOCK)) >= 0);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_EXISTED);
    /* It may be in the middle of a read: that ends with the other end. */
    close(fd);
    pthread_join(thread, NULL);
    settle();
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    tenon_future_unref(f);
    tenon_executor_unref(e);
}
END_TEST

START_TEST(an_open_that_nobody_wants_is_closed)
{
    tenon_executor *pool = pool_of(1, 0);
    const tenon_file_options options = flags_of(O_RDWR | O_CREAT, pool);
    size_t before = harness_fds_count();
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_file_open(reactor, path, &options, &f), TENON_OK);
    end_pool(pool);
    ck_assert_uint_eq(harness_fds_count(), before + 1);
    end_reactor(); /* before the news */
    tenon_future_unref(f);
}
END_TEST

START_TEST(closing_waits_for_what_is_under_way)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_file *file = open_file(O_RDWR | O_CREAT, pool);
    tenon_future *held = call(pool, wait_at_gate, NULL);
    wait_inside(1);
    tenon_future *f[2] = {write_to(file, "late", 0), close_of(file)};
    tenon_file_unref(file);
    settle();
    ck_assert(!tenon_future_is_done(f[1]));
    open_gate(true);
    ck_assert_int_eq(int_of(f[0]), 4);
    ck_assert_int_eq(int_of(f[1]), 0);
    require_data(read_all(path, 0), "late", 4);
    tenon_future_unref(held);
    end_pool(pool);
}
END_TEST

START_TEST(a_close_that_cannot_begin)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_file *file = open_file(O_RDWR | O_CREAT, pool);
    tenon_future *f = NULL;
    end_pool(tenon_executor_ref(pool));
    ck_assert_int_eq(tenon_file_close(file, &f), TENON_CLOSED);
    ck_assert_ptr_null(f);
    ck_assert(!tenon_file_is_closed(file));
    ck_assert_int_eq(tenon_file_read(file, 1, 0, &f), TENON_CLOSED);
    tenon_file_unref(file);
    tenon_executor_unref(pool);
    settle();
}
END_TEST

START_TEST(the_reactor_ends_first)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_file *file = open_file(O_RDWR | O_CREAT, pool);
    tenon_future *f = NULL;
    end_reactor();
    ck_assert_int_eq(tenon_file_sync(file, &f), TENON_CLOSED);
    ck_assert_uint_eq(guard.heap.count, 0);
    tenon_file_unref(file);
    end_pool(pool);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        bytes_there_and_back,
        after_close_all_is_refused,
        nonsense_is_refused,
        errors_of_the_system,
        what_cannot_be_replaced,
        large_files,
        files_without_a_size,
        replaced_whole,
        a_link_is_replaced,
        cancelled_before_it_began,
        cancelled_while_it_runs,
        an_open_that_nobody_wants_is_closed,
        closing_waits_for_what_is_under_way,
        a_close_that_cannot_begin,
        the_reactor_ends_first,
    };
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup_folder, teardown_folder);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
