/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Everything a protocol author needs. Adapters and whoever extends the library
 * include the headers of tenon/sys/ besides.
 */

#ifndef TENON_TENON_H
#define TENON_TENON_H

#include <tenon/address.h>
#include <tenon/alloc.h>
#include <tenon/await.h>
#include <tenon/blocking.h>
#include <tenon/call.h>
#include <tenon/channel.h>
#include <tenon/completed.h>
#include <tenon/connector.h>
#include <tenon/coop.h>
#include <tenon/endpoint.h>
#include <tenon/error.h>
#include <tenon/executor.h>
#include <tenon/file.h>
#include <tenon/foreign.h>
#include <tenon/future.h>
#include <tenon/gather.h>
#include <tenon/group.h>
#include <tenon/inbox.h>
#include <tenon/info.h>
#include <tenon/iostream.h>
#include <tenon/listener.h>
#include <tenon/lock.h>
#include <tenon/manual.h>
#include <tenon/map.h>
#include <tenon/once.h>
#include <tenon/pipe.h>
#include <tenon/process.h>
#include <tenon/promise.h>
#include <tenon/queue.h>
#include <tenon/reactor.h>
#include <tenon/resolver.h>
#include <tenon/signal.h>
#include <tenon/sock.h>
#include <tenon/stagger.h>
#include <tenon/status.h>
#include <tenon/stream.h>
#include <tenon/sync.h>
#include <tenon/task.h>
#include <tenon/timeout.h>
#include <tenon/timer.h>
#include <tenon/transport.h>
#include <tenon/waitq.h>
#include <tenon/watch.h>
#include <tenon/work.h>
#include <tenon/write.h>

#endif
