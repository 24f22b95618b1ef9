/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * One failure in a running case. The sweep's copy of the library calls
 * sweep_recv where the library calls recv (objcopy renamed it, see
 * cmake/TenonSweep.cmake), and so for all that can fail; each of these asks
 * here whether this is the call that fails. Nothing of the tests', the hosts'
 * or libc's own calls comes by.
 *
 * A call site is known by its return address, and has a name that the build
 * wrote down: "function call", and a number where the function has several.
 */

#ifndef TENON_SWEEP_FAULT_H
#define TENON_SWEEP_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness.h"

enum { SITES_MAX = 512, CALLS_MAX = 1024, SITE_TEXT_LEN = 80 };

/* What a fault is, where it is no errno: a transfer of fewer bytes than asked,
 * which is 1 to n bytes by the point's seed. */
enum { FAULT_NONE = 0, FAULT_SHORT = -1 };

typedef struct sweep_site {
    char name[SITE_TEXT_LEN];
    char where[SITE_TEXT_LEN]; /* file:line */
    const char *call;          /* in `name` */
} sweep_site;

/* Several addresses may be one site: the compiler copies functions. */
typedef struct sweep_address {
    uintptr_t address;
    int site;
} sweep_address;

typedef struct sweep_sites {
    sweep_site sites[SITES_MAX];
    size_t count;
    sweep_address addresses[CALLS_MAX];
    size_t address_count;
} sweep_sites;

extern sweep_sites sweep_map;

/** Reads what tests/sweep/sites.sh wrote. */
bool sweep_sites_read(const char *path);

/** Ends the program when there is none. */
int sweep_site_named(const char *name);

/* What fails. */
typedef struct sweep_plan {
    int site;     /* of sweep_map; -1: an allocation */
    uint64_t nth; /* the first is 1; 0: nothing fails, all is counted */
    int fault;    /* errno or FAULT_SHORT */
    uint32_t seed;
    /* Instead: each call that can is cut short, interrupted or told to come
     * again, so often in 256. */
    uint32_t storm;
} sweep_plan;

/* Shared with the parent. */
typedef struct sweep_record {
    atomic_ullong allocations;
    atomic_ullong calls[SITES_MAX];
    atomic_ullong unknown; /* calls from no site that is known */
    atomic_bool met;
} sweep_record;

extern sweep_plan sweep_now;
extern sweep_record *sweep_seen;

/** As harness_sweep wants them. */
void sweep_arm(bool armed);
bool sweep_met(void);
bool sweep_request(void);
const char *sweep_left_open(void);

/** FAULT_NONE, or what the call that returns to `address` fails with. `soft`:
 *  what a storm may do to it, FAULT_* and errnos, ended by 0. */
int sweep_ask(const void *address, const int *soft);
/** Whether a call on `fd` may be told EAGAIN: in a storm not twice in a row. */
bool sweep_may_block(int fd);
/** How many of `len` bytes a short transfer moves: at least 1. */
size_t sweep_cut(size_t len);
/** The library has made, or closed, a descriptor; -1 is neither. */
int sweep_opened(int fd, bool is_epoll);
void sweep_closed(int fd);

/** The errnos that a call can fail with, ended by 0; NULL: not a call that the
 *  sweep knows. FAULT_SHORT is among them where bytes are moved. */
const int *sweep_faults_of(const char *call);
/** As what the library tells of it; TENON_OK: it has to be overcome. */
tenon_status sweep_told_as(const char *call, int fault);

#endif
