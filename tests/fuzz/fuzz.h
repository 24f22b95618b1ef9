/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A fuzz target is one function of bytes, which aborts when something that
 * must hold does not. It is linked with libFuzzer (TENON_FUZZ), or with
 * replay.c, which feeds it what is kept in its corpus.
 */

#ifndef TENON_TESTS_FUZZ_H
#define TENON_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/** Looks at one input; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HOLDS(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
                    #condition);                                              \
            abort();                                                          \
        }                                                                     \
    } while (0)

#endif
