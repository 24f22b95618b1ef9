/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Feeds a fuzz target every file of the directories given, each by itself and
 * each cut short at every length, so that a corpus goes a long way. Without
 * any file it fails: then the corpus is not where it was.
 */

#include "fuzz.h"

#include <dirent.h>
#include <string.h>

enum { LEN_MAX = 65536, CUT_MAX = 2048 };

/* A block of just this length, so that a sanitizer sees who reads beyond. */
static void feed(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    HOLDS(exact);
    memcpy(exact, bytes, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

static void replay(const char *path)
{
    static uint8_t bytes[LEN_MAX];
    FILE *file = fopen(path, "rbe");
    HOLDS(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    HOLDS(!ferror(file));
    fclose(file);
    feed(bytes, len);
    for (size_t cut = 0; cut < len && cut < CUT_MAX; cut++) {
        feed(bytes, cut);
    }
}

static int replay_all(const char *directory)
{
    int count = 0;
    DIR *list = opendir(directory);
    HOLDS(list);
    for (struct dirent *one; (one = readdir(list)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, one->d_name);
        if (one->d_name[0] != '.') {
            replay(path);
            count++;
        }
    }
    closedir(list);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        count += replay_all(argv[i]);
    }
    printf("%d inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
