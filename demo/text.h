/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What people type, before others get to see it.
 */

#ifndef DEMO_TEXT_H
#define DEMO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/** What is wrong with a line ("is not valid UTF-8"), or NULL. Strict UTF-8;
 *  no control characters but the tab. */
const char *text_fault(const char *text, size_t len);

/** 1 to 16 ASCII letters, digits, '-' and '_'. */
bool text_is_nick(const char *text, size_t len);

#define TEXT_NICK_MAX 16

#endif
