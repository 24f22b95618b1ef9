/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The stack, by libc's backtrace, and its places as text. They are looked up
 * when a trace is told, not when it is taken, and by dladdr, which knows what
 * libraries export and allocates nothing. For the rest there is addr2line: a
 * place is told as the byte of the file that the call ends with, so that this
 * finds the line of the call and not the one after it.
 */

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <link.h>
#endif

#include "loop/trace_text.h"

#if __has_include(<execinfo.h>)
#include <execinfo.h>
#else
static int backtrace(void **places, int count)
{
    (void)places;
    (void)count;
    return 0;
}
#endif

/* Ours, and who asked for it. */
enum { SKIPPED = 2 };

__attribute__((noinline)) uint16_t tenon__places_here(
    void *places[TENON__TRACE_DEPTH])
{
    void *all[TENON__TRACE_DEPTH + SKIPPED];
    int count = backtrace(all, TENON__TRACE_DEPTH + SKIPPED) - SKIPPED;
    if (count <= 0) {
        return 0;
    }
    memcpy(places, all + SKIPPED, (size_t)count * sizeof *places);
    return (uint16_t)count;
}

/* ---- text ---- */

typedef struct writer {
    char *at;
    size_t left;
} writer;

/* `len` is snprintf's, of a line at w->at. */
static void put(writer *w, int len)
{
    if (len < 0 || (size_t)len >= w->left) {
        *w->at = '\0';
        w->left = 0; /* nothing after a line that is missing */
        return;
    }
    w->at += len;
    w->left -= (size_t)len;
}

/* What is known of a place. */
typedef struct spot {
    Dl_info info;
    ptrdiff_t offset; /* in the file, as addr2line wants it */
} spot;

static bool look_up(const void *place, spot *out)
{
    const char *call = (const char *)place - 1;
#ifdef __GLIBC__
    void *extra = NULL;
    if (!dladdr1(call, &out->info, &extra, RTLD_DL_LINKMAP)) {
        return false;
    }
    const struct link_map *map = extra;
    out->offset = (ptrdiff_t)((uintptr_t)call - map->l_addr);
#else
    if (!dladdr(call, &out->info)) {
        return false;
    }
    out->offset = call - (const char *)out->info.dli_fbase;
#endif
    return true;
}

static void put_place(writer *w, const void *place)
{
    spot s;
    if (!look_up(place, &s)) {
        put(w, snprintf(w->at, w->left, "    (%p)\n", place));
        return;
    }
    const char *slash = strrchr(s.info.dli_fname, '/');
    const char *file = slash ? slash + 1 : s.info.dli_fname;
    if (s.info.dli_sname) {
        ptrdiff_t offset =
            (const char *)place - 1 - (const char *)s.info.dli_saddr;
        put(w, snprintf(w->at, w->left, "    %.200s+0x%tx (%.200s+0x%tx)\n",
                        s.info.dli_sname, offset, file, s.offset));
    } else {
        put(w,
            snprintf(w->at, w->left, "    (%.200s+0x%tx)\n", file, s.offset));
    }
}

/* What the library called inside of itself nobody needs to know: the first
 * place of interest is its public function, where the linker knows that. */
static uint16_t first_of_interest(void *const *places, uint16_t count)
{
    static const char here = 0;
    Dl_info us;
    spot s;
    if (!dladdr(&here, &us)) {
        return 0;
    }
    for (uint16_t i = 0; i < count; i++) {
        if (!look_up(places[i], &s) || s.info.dli_fbase != us.dli_fbase) {
            return 0;
        }
        if (s.info.dli_sname) {
            return strncmp(s.info.dli_sname, "tenon_", 6) == 0 ? i : 0;
        }
    }
    return 0;
}

static void put_places(writer *w, void *const *places, uint16_t count)
{
    for (uint16_t i = first_of_interest(places, count); i < count; i++) {
        put_place(w, places[i]);
    }
}

void tenon__trace_format(const tenon__trace *trace, char *text)
{
    writer w = {.at = text, .left = TENON__TRACE_TEXT_LEN};
    const char *relation = "";
    for (int n = 0; trace && n <= TENON__TRACE_CHAIN; n++) {
        put(&w,
            snprintf(w.at, w.left, "  %s%s, made at\n", relation, trace->what));
        put_places(&w, trace->made, trace->made_count);
        if (trace->done_count > 0) {
            put(&w, snprintf(w.at, w.left, "  completed at\n"));
            put_places(&w, trace->done, trace->done_count);
        }
        relation = trace->passed_on ? "with the outcome of: " : "waiting for: ";
        trace = trace->from;
    }
}
