/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The report of connections that are still open when their reactor is closed:
 * one for them all, with the names of the first few.
 */

#include <stdio.h>

#include "net/transport.h"

typedef struct unclosed {
    const tenon__object *first;
    char text[200]; /* the names of the first few */
    size_t len;
} unclosed;

/* Whether somebody seems to have forgotten it. */
static bool is_unclosed(const tenon_transport *t)
{
    return t && t->state == TENON__OPENED && !t->daemon;
}

static void add_unclosed(unclosed *all, const tenon__object *object)
{
    const tenon_transport *t = tenon__transport_of(object);
    if (!is_unclosed(t)) {
        return;
    }
    const char *name = tenon__transport_name(t);
    all->first = all->first ? all->first : object;
    size_t room = sizeof all->text - all->len;
    int wrote = snprintf(all->text + all->len, room, "%s%s",
                         all->len > 0 ? ", " : "", name ? name : t->ops->kind);
    size_t more = wrote > 0 ? (size_t)wrote : 0;
    all->len += more < room ? more : room - 1;
}

void tenon__transports_unclosed(tenon_reactor *r, const tenon__object *first)
{
    unclosed all = {.len = 0};
    add_unclosed(&all, first);
    for (tenon_node *n = r->objects.next; n != &r->objects; n = n->next) {
        add_unclosed(&all, TENON__OF(n, const tenon__object, node));
    }
    if (all.len > 0) {
        tenon_error *error = tenon__error(r, TENON_CLOSED, all.text, NULL);
        tenon__report(r, "unclosed transports", NULL, all.first, error);
        tenon_error_unref(error);
    }
}
