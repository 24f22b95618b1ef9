/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Text addresses: whatever is read is written so that it is read as the same
 * thing, within the documented lengths, and cut where its room ends; what is
 * refused leaves nothing behind; what is quoted stands for itself.
 */

#include "fuzz.h"

#include <string.h>
#include <tenon/endpoint.h>

/* The text with its end, in a block of just that length. */
static char *text_of(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    HOLDS(text);
    memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

static void same_address(const tenon_address *a, const tenon_address *b)
{
    HOLDS(a->kind == b->kind && a->len == b->len);
    HOLDS(memcmp(&a->as, &b->as, a->len) == 0);
}

static void same(const tenon_endpoint *a, const tenon_endpoint *b)
{
    HOLDS(a->kind == b->kind && a->given == b->given && a->port == b->port);
    HOLDS(a->fd == b->fd && a->backlog == b->backlog && a->mode == b->mode);
    HOLDS(a->reuse_port == b->reuse_port && a->timeout_ns == b->timeout_ns);
    HOLDS(strcmp(a->name, b->name) == 0);
    same_address(&a->address, &b->address);
    same_address(&a->local, &b->local);
}

static void cut(const tenon_endpoint *e, const char *whole, size_t len)
{
    static const size_t rooms[] = {0, 1, 2, 7, 20};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        size_t room = rooms[i] < len ? rooms[i] : len;
        char *text = malloc(room ? room : 1);
        HOLDS(text);
        HOLDS(tenon_endpoint_format(e, text, room) == len);
        HOLDS(room == 0 || strncmp(text, whole, room - 1) == 0);
        HOLDS(room == 0 || text[room - 1] == '\0');
        free(text);
    }
}

static void check_endpoint(const char *text)
{
    tenon_endpoint before;
    tenon_endpoint e;
    memset(&before, 0x5a, sizeof before);
    memcpy(&e, &before, sizeof e);
    tenon_status status = tenon_endpoint_parse(&e, text);
    if (status < 0) {
        HOLDS(status == TENON_BAD_ADDRESS);
        HOLDS(memcmp(&e, &before, sizeof e) == 0);
        return;
    }
    tenon_endpoint again;
    char written[TENON_ENDPOINT_TEXT_LEN];
    size_t len = tenon_endpoint_format(&e, written, sizeof written);
    HOLDS(len < sizeof written && len == strlen(written));
    HOLDS(tenon_endpoint_parse(&again, written) == TENON_OK);
    same(&e, &again);
    cut(&e, written, len);
    HOLDS(e.kind != TENON_ENDPOINT_NAME || tenon_name_is_valid(e.name));
}

static void check_address(const char *text)
{
    tenon_address a;
    tenon_status status = tenon_address_parse(&a, text);
    if (status < 0) {
        HOLDS(status == TENON_BAD_ADDRESS);
        return;
    }
    tenon_address again;
    char written[TENON_ADDRESS_TEXT_LEN];
    size_t len = tenon_address_format(&a, written, sizeof written);
    HOLDS(len < sizeof written && len == strlen(written));
    HOLDS(tenon_address_parse(&again, written) == TENON_OK);
    same_address(&a, &again);
}

static void check_quoted(const char *path)
{
    enum { PATH_MAX_LEN = 107 };
    char text[5 + 2 * PATH_MAX_LEN + 1] = "unix:";
    tenon_endpoint e;
    size_t len = strlen(path);
    if (len == 0 || len > PATH_MAX_LEN) {
        return;
    }
    HOLDS(tenon_endpoint_quote(path, text + 5, sizeof text - 5) <=
          2 * PATH_MAX_LEN);
    HOLDS(tenon_endpoint_parse(&e, text) == TENON_OK);
    HOLDS(e.kind == TENON_ENDPOINT_ADDRESS && e.given == 0);
    HOLDS(strcmp(e.address.as.local.sun_path, path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = text_of(data, len);
    check_endpoint(text);
    check_address(text);
    check_quoted(text);
    (void)tenon_name_is_valid(text);
    free(text);
    return 0;
}
