/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A regex tool: reads patterns from standard input and tells whether they match
 * the text on its command line. Some patterns take for ever; so they run in a
 * thread, and the loop goes on meanwhile.
 */

#include <errno.h>
#include <regex.h>
#include <unistd.h>

#include "tasks.h"

static const char *text;

/* In the thread. */
static tenon_status match(tenon_work *own, void *pattern)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return TENON_INVALID;
    }
    tenon_work_set_int(own, regexec(&regex, text, 0, NULL, 0) == 0);
    regfree(&regex);
    return TENON_OK;
}

/* A byte at a time: what is behind the line is for the next call. A file is
 * always ready, and refuses to be waited for (EPERM). */
static tenon_status read_line(char *line, size_t size)
{
    for (size_t len = 0; len < size; len++) {
        tenon_status status = tenon_await_ready(STDIN_FILENO, TENON_READ, NULL);
        if (status < 0 && status != -EPERM) {
            return status;
        }
        if (read(STDIN_FILENO, line + len, 1) <= 0) {
            return TENON_ENDED;
        }
        if (line[len] == '\n') {
            line[len] = '\0';
            return TENON_OK;
        }
    }
    return TENON_LIMIT;
}

static tenon_status ask(void *reactor)
{
    char line[200];
    tenon_status status;
    while ((status = read_line(line, sizeof line)) == TENON_OK) {
        tenon_future *future;
        int64_t matches = 0;
        TENON_TRY(tenon_call_in(reactor, NULL, match, line, &future));
        status = tenon_await_int(future, &matches);
        printf("%s: %s\n", line,
               status < 0 ? "no pattern"
               : matches  ? "matches"
                          : "does not");
    }
    return status == TENON_ENDED ? TENON_OK : status;
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    text = argc > 1 ? argv[1] : "";
    return run_main(ask, &reactor);
}
