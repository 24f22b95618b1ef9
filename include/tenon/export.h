/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What every public header needs: visibility, C++ linkage, warnings for
 * results that must be looked at, and the version.
 */

#ifndef TENON_EXPORT_H
#define TENON_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define TENON_BEGIN extern "C" {
#define TENON_END   }
#else
/** Begins what C++ shall link as C. */
#define TENON_BEGIN
/** Ends it. */
#define TENON_END
#endif

/** Part of the interface of the shared library. */
#define TENON_API __attribute__((visibility("default")))
/** A result that must be looked at. */
#define TENON_CHECKED __attribute__((warn_unused_result))
/** Arguments that the compiler checks as those of printf. */
#define TENON_PRINTF(text, args) \
    __attribute__((__format__(__printf__, text, args)))

/** The version of these headers; tenon_version() tells the library's. */
#define TENON_VERSION_MAJOR  0
#define TENON_VERSION_MINOR  1       /**< see TENON_VERSION_MAJOR */
#define TENON_VERSION_PATCH  0       /**< see TENON_VERSION_MAJOR */
#define TENON_VERSION_STRING "0.1.0" /**< see TENON_VERSION_MAJOR */

/** One second, millisecond and microsecond in nanoseconds, the unit of all
 *  times and delays here. */
#define TENON_SECOND      INT64_C(1000000000)
#define TENON_MILLISECOND INT64_C(1000000) /**< in nanoseconds */
#define TENON_MICROSECOND INT64_C(1000)    /**< in nanoseconds */

/** A delay or deadline that never comes. */
#define TENON_FOREVER INT64_MAX

TENON_BEGIN

/** The version of the library that is loaded, as "0.1.0".
 *  Thread: any. */
TENON_API const char *tenon_version(void);

TENON_END

#endif
