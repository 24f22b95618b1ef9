/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A filter: sends what comes on standard input through another program, as in
 * `filter sort -n <numbers`, and prints what that made of it. The future of
 * communicate holds it all; the program is found in PATH, and there is no
 * shell in between.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tenon/tenon.h>

enum { ROOM = 1 << 20 };

static int fail(const char *what, tenon_status status)
{
    (void)fprintf(stderr, "filter: %s: %s (%s)\n", what,
                  tenon_status_text(status), tenon_status_name(status));
    return 1;
}

static int show(const tenon_process_output *output)
{
    (void)fwrite(output->out, 1, output->out_len, stdout);
    (void)fwrite(output->err, 1, output->err_len, stderr);
    if (output->exit.status < 0) {
        return fail("how it ended is not known", output->exit.status);
    }
    if (output->exit.code < 0) {
        (void)fprintf(stderr, "filter: ended by %s\n",
                      strsignal(-output->exit.code));
        return 1;
    }
    return output->exit.code;
}

static int filter(tenon_reactor *reactor, const char *const *argv,
                  const char *input, size_t len)
{
    tenon_process *process;
    tenon_future *future;
    void *output = NULL;
    const tenon_process_options options = {
        .size = sizeof options,
        .argv = argv,
        .envp = (const char *const *)environ,
    };
    const tenon_process_protocol nobody = {NULL, NULL};
    tenon_status status =
        tenon_process_spawn(reactor, &process, &options, nobody);
    if (status < 0) {
        return fail(argv[0], status);
    }
    status = tenon_process_communicate(process, input, len, &future);
    tenon_process_unref(process); /* the reactor keeps it */
    if (status < 0) {
        return fail("communicate", status);
    }
    status = tenon_run_until(reactor, future, TENON_FOREVER);
    if (status == TENON_OK) {
        status = tenon_future_value(future, &output);
    }
    int code = status < 0 ? fail(argv[0], status) : show(output);
    tenon_future_unref(future);
    return code;
}

int main(int argc, char **argv)
{
    static char input[ROOM];
    tenon_reactor *reactor;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s PROGRAM [ARGUMENT]... <TEXT\n",
                      argc > 0 ? argv[0] : "filter");
        return 2;
    }
    size_t len = fread(input, 1, sizeof input, stdin);
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status < 0) {
        return fail("no reactor", status);
    }
    int code = filter(reactor, (const char *const *)(argv + 1), input, len);
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return code;
}
