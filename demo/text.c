/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Strict UTF-8 (RFC 3629): shortest forms only, no surrogates, nothing above
 * U+10FFFF. A terminal obeys control characters, so a chat passes none on.
 */

#include <stdint.h>

#include "text.h"

/* How many bytes a character has, by its first one; 0: it cannot be one. */
static size_t width_of(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xe0) {
        return first >= 0xc2 ? 2 : 0;
    }
    if (first < 0xf0) {
        return 3;
    }
    return first < 0xf5 ? 4 : 0;
}

/* Reads one character; returns its width, 0 if it is none. */
static size_t decode(const unsigned char *text, size_t len, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t width = width_of(text[0]);
    if (width == 0 || width > len) {
        return 0;
    }
    uint32_t value = width == 1 ? text[0] : text[0] & (0x7fU >> width);
    for (size_t i = 1; i < width; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (text[i] & 0x3f);
    }
    bool surrogate = value >= 0xd800 && value < 0xe000;
    if (value < least[width] || value > 0x10ffff || surrogate) {
        return 0;
    }
    *out = value;
    return width;
}

const char *text_fault(const char *text, size_t len)
{
    if (len == 0) {
        return "is empty";
    }
    bool control = false;
    size_t width = 0;
    for (size_t i = 0; i < len; i += width) {
        uint32_t value = 0;
        width = decode((const unsigned char *)text + i, len - i, &value);
        if (width == 0) {
            return "is not valid UTF-8";
        }
        control |=
            (value < 0x20 && value != '\t') || (value >= 0x7f && value < 0xa0);
    }
    return control ? "holds a control character" : NULL;
}

bool text_is_nick(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '-' && c != '_') {
            return false;
        }
    }
    return len >= 1 && len <= TEXT_NICK_MAX;
}
