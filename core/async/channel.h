/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Channels, as select sees them. */

#ifndef TENON_ASYNC_CHANNEL_H
#define TENON_ASYNC_CHANNEL_H

#include <tenon/channel.h>

#include "async/items.h"

/** Where one waits at this end. */
tenon_waitq *tenon__channel_queue(tenon_channel *end);

#endif
