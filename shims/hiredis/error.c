/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Why a connection ended, in our words: one error for all that it concerns.
 */

#include <string.h>

#include "client.h"

tenon_error *tenon__redis_error(tenon_status status, const char *message)
{
    tenon_error_options options = {.size = sizeof options,
                                   .status = status,
                                   .domain = "redis",
                                   .message = message};
    if (status == tenon_status_of_errno(errno)) {
        options.system_code = errno;
    }
    return tenon_error_new(&options);
}

/* hiredis keeps the text of an errno value alone. The value is still there
 * when this comes first; if it is another one, its text tells. */
tenon_status tenon__redis_status(const redisContext *context)
{
    switch (context->err) {
    case REDIS_ERR_PROTOCOL:
        return TENON_PROTOCOL;
    case REDIS_ERR_OOM:
        return TENON_NO_MEMORY;
    case REDIS_ERR_IO:
        return strstr(context->errstr, strerror(errno))
                   ? tenon_status_of_errno(errno)
                   : TENON_ABORTED;
    default:
        return TENON_ABORTED;
    }
}

tenon_error *tenon__redis_why(tenon_redis *c)
{
    if (!c->error && c->context) {
        const redisContext *context = &c->context->c;
        c->error =
            tenon__redis_error(tenon__redis_status(context), context->errstr);
    }
    return c->error;
}

void tenon__redis_fail(tenon_redis *c, tenon_future *future)
{
    if (c->reactor) {
        tenon_future_try_fail(future, tenon__redis_why(c));
    }
}
