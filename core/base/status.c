/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Names and texts of statuses, from the one list in the header, and from libc
 * for errno values.
 */

#include <tenon/status.h>

#include <string.h>

const char *tenon_version(void)
{
    return TENON_VERSION_STRING;
}

const char *tenon_status_name(tenon_status status)
{
    const char *name = NULL;
    switch (status) {
#define NAME_CASE(id, value, text) \
    case value:                    \
        return "TENON_" #id;
        TENON_STATUS_MAP(NAME_CASE)
#undef NAME_CASE
    default:
        break;
    }
    if (status < 0 && status > -4096) {
        name = strerrorname_np(-status);
    }
    return name ? name : "TENON_UNKNOWN";
}

const char *tenon_status_text(tenon_status status)
{
    const char *text = NULL;
    switch (status) {
#define TEXT_CASE(id, value, words) \
    case value:                     \
        return words;
        TENON_STATUS_MAP(TEXT_CASE)
#undef TEXT_CASE
    default:
        break;
    }
    if (status < 0 && status > -4096) {
        text = strerrordesc_np(-status);
    }
    return text ? text : "unknown status";
}

tenon_status tenon_status_of_errno(int system_code)
{
    return system_code > 0 && system_code < 4096 ? -system_code : TENON_INVALID;
}
