/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Runs the tests of check.h, and is what else of the harness they want.
 */

#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "harness.h"

const harness_sweep *harness_swept;

_Noreturn void harness_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}

_Noreturn void cross_fail(const char *file, int line, const char *what)
{
    harness_fail(file, line, "not true: %s", what);
}

TCase *tcase_create(const char *name)
{
    (void)name;
    return calloc(1, sizeof(TCase));
}

void cross_add(TCase *tcase, const char *name, void (*fn)(int _i), int from,
               int to)
{
    tcase->tests[tcase->count++] =
        (cross_test){.name = name, .fn = fn, .from = from, .to = to};
}

static bool passes(const TCase *tcase, const cross_test *test, int i)
{
    pid_t child = fork();
    if (child == 0) {
        tcase->setup();
        test->fn(i);
        tcase->teardown();
        _exit(0);
    }
    int status;
    bool passed = waitpid(child, &status, 0) == child && status == 0;
    printf("%s %s %d\n", passed ? "ok    " : "FAILED", test->name, i);
    fflush(stdout);
    return passed;
}

int srunner_ntests_failed(SRunner *runner)
{
    int failed = 0;
    for (int t = 0; t < runner->count; t++) {
        const cross_test *test = &runner->tests[t];
        for (int i = test->from; i < test->to; i++) {
            failed += !passes(runner, test, i);
        }
    }
    return failed;
}
