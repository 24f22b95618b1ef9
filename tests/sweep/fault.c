/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Which call fails. The counters are shared with the parent, which learns from
 * a run without failures what there is to fail.
 */

#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

sweep_sites sweep_map;
sweep_plan sweep_now;
sweep_record *sweep_seen;

static atomic_bool armed;
static atomic_uint chance; /* state of the generator */
static atomic_uchar opened[HARNESS_FDS];

/* ---- sites ---- */

/* Where the program was loaded: what objdump says is relative to it. */
extern const char __executable_start[];

static int site_of_name(const char *name, const char *where)
{
    for (size_t i = 0; i < sweep_map.count; i++) {
        if (strcmp(sweep_map.sites[i].name, name) == 0) {
            return (int)i;
        }
    }
    if (sweep_map.count == SITES_MAX) {
        return -1;
    }
    sweep_site *site = &sweep_map.sites[sweep_map.count];
    snprintf(site->name, sizeof site->name, "%s", name);
    snprintf(site->where, sizeof site->where, "%s", where);
    return (int)sweep_map.count++;
}

/* "ADDRESS FILE:LINE FUNCTION CALL[#N]" */
static bool read_line(const char *line)
{
    unsigned long long address;
    char where[SITE_TEXT_LEN];
    char function[40];
    char call[36];
    if (sscanf(line, "%llx %79s %39s %35s", &address, where, function, call) !=
            4 ||
        sweep_map.address_count == CALLS_MAX) {
        return false;
    }
    char name[SITE_TEXT_LEN];
    snprintf(name, sizeof name, "%s %s", function, call);
    int site = site_of_name(name, where);
    if (site < 0) {
        return false;
    }
    sweep_map.addresses[sweep_map.address_count++] =
        (sweep_address){(uintptr_t)__executable_start + address, site};
    return true;
}

static void name_calls(void)
{
    for (size_t i = 0; i < sweep_map.count; i++) {
        sweep_map.sites[i].call = strchr(sweep_map.sites[i].name, ' ') + 1;
    }
}

bool sweep_sites_read(const char *path)
{
    char line[256];
    FILE *file = fopen(path, "re");
    bool good = file != NULL;
    while (good && fgets(line, sizeof line, file)) {
        good = read_line(line);
    }
    if (file) {
        fclose(file);
    }
    name_calls();
    return good && sweep_map.count > 0;
}

int sweep_site_named(const char *name)
{
    for (size_t i = 0; i < sweep_map.count; i++) {
        if (strcmp(sweep_map.sites[i].name, name) == 0) {
            return (int)i;
        }
    }
    fprintf(stderr, "tenon-sweep: there is no call site %s\n", name);
    exit(2);
}

static int site_of(const void *address)
{
    for (size_t i = 0; i < sweep_map.address_count; i++) {
        if (sweep_map.addresses[i].address == (uintptr_t)address) {
            return sweep_map.addresses[i].site;
        }
    }
    return -1;
}

/* ---- the failure ---- */

void sweep_arm(bool on)
{
    chance = sweep_now.seed * 2654435761U + 1;
    armed = on;
}

bool sweep_met(void)
{
    return sweep_seen && sweep_seen->met;
}

bool sweep_request(void)
{
    if (!armed) {
        return false;
    }
    uint64_t request = atomic_fetch_add(&sweep_seen->allocations, 1) + 1;
    if (sweep_now.site >= 0 || request != sweep_now.nth) {
        return false;
    }
    sweep_seen->met = true;
    return true;
}

static uint32_t draw(void)
{
    uint32_t next = chance;
    uint32_t drawn;
    do {
        drawn = next * 1664525U + 1013904223U;
    } while (!atomic_compare_exchange_weak(&chance, &next, drawn));
    return drawn >> 8;
}

static int storm(const int *soft)
{
    size_t count = 0;
    while (soft[count]) {
        count++;
    }
    if (count == 0 || draw() % 256 >= sweep_now.storm) {
        return FAULT_NONE;
    }
    return soft[draw() % count];
}

int sweep_ask(const void *address, const int *soft)
{
    if (!armed) {
        return FAULT_NONE;
    }
    int site = site_of(address);
    if (site < 0) {
        sweep_seen->unknown++;
        return FAULT_NONE;
    }
    uint64_t call = atomic_fetch_add(&sweep_seen->calls[site], 1) + 1;
    if (sweep_now.storm) {
        return storm(soft);
    }
    if (site != sweep_now.site || call != sweep_now.nth) {
        return FAULT_NONE;
    }
    sweep_seen->met = true;
    return sweep_now.fault;
}

bool sweep_may_block(int fd)
{
    static atomic_uchar blocked[HARNESS_FDS];
    if (!sweep_now.storm || fd < 0 || fd >= HARNESS_FDS) {
        return true;
    }
    blocked[fd] = !blocked[fd];
    return blocked[fd];
}

/* Often a few bytes only. */
size_t sweep_cut(size_t len)
{
    size_t most = len > 16 && draw() % 2 ? 16 : len;
    return most > 1 ? 1 + draw() % (most - 1) : len;
}

/* ---- descriptors that are the library's ---- */

enum { OTHER = 1, EPOLL = 2 };

static _Atomic(uint64_t) inodes[HARNESS_FDS];

static uint64_t inode_of(int fd)
{
    struct stat what = {0};
    return fstat(fd, &what) < 0 ? 0 : (uint64_t)what.st_ino;
}

/* An accepted descriptor is the case's, which may have closed it. */
static bool is_open_still(int fd)
{
    uint64_t inode = inode_of(fd);
    return opened[fd] && inode && inode == inodes[fd];
}

int sweep_opened(int fd, bool is_epoll)
{
    if (armed && fd >= 0 && fd < HARNESS_FDS) {
        opened[fd] = is_epoll ? EPOLL : OTHER;
        inodes[fd] = inode_of(fd);
    }
    return fd;
}

void sweep_closed(int fd)
{
    if (fd >= 0 && fd < HARNESS_FDS) {
        opened[fd] = 0;
    }
}

const char *sweep_left_open(void)
{
    static char why[HARNESS_TEXT_LEN];
    for (int fd = 0; fd < HARNESS_FDS; fd++) {
        if (opened[fd] == EPOLL) {
            return NULL; /* another reactor of the case's is open */
        }
    }
    for (int fd = 0; fd < HARNESS_FDS; fd++) {
        if (is_open_still(fd)) {
            snprintf(why, sizeof why, "descriptor %d of the library's leaked",
                     fd);
            return why;
        }
    }
    return NULL;
}
