/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libcurl on any reactor, in two storeys: transfers as futures,
 *
 *   tenon_curl_new(reactor, &curl);
 *   CURL *easy = curl_easy_init();
 *   curl_easy_setopt(easy, CURLOPT_URL, "https://example.org/");
 *   tenon_curl_fetch(curl, easy, NULL, &future);
 *
 * and below it a driver for a multi handle of your own (tenon_curl_attach),
 * for programs that have code for one.
 *
 * curl_global_init is the application's affair, before other threads run.
 *
 * libcurl does not call itself: while one of its callbacks is on the stack,
 * in a host loop too that is run from there, the other transfers of the multi
 * handle wait.
 */

#ifndef TENON_CURL_H
#define TENON_CURL_H

#include <curl/curl.h>

#include <tenon/future.h>

/** Transfers as futures: opaque. */
typedef struct tenon_curl tenon_curl;
/** A multi handle that a reactor drives: opaque. */
typedef struct tenon_curl_driver tenon_curl_driver;

/** A piece of a body. A negative result fails the transfer with it. Called
 *  inside of libcurl, which allows curl_easy_getinfo on `easy` and no other
 *  call; all of this header but tenon_curl_detach are legal, and of Tenon. */
typedef tenon_status tenon_curl_data_fn(CURL *easy, const void *data,
                                        size_t len, void *user);
/** `received` bytes of the body are there, of `total`, or of 0 when nobody
 *  knows. Called often, also without news; else as tenon_curl_data_fn. */
typedef tenon_status tenon_curl_progress_fn(CURL *easy, int64_t received,
                                            int64_t total, void *user);

/** What is wanted beside the easy handle's own options. */
typedef struct tenon_curl_fetch_options {
    uint32_t size;
    uint32_t reserved;                   /**< 0 */
    size_t max_len;                      /**< of a gathered body; 0: 16 MiB */
    tenon_curl_data_fn *on_data;         /**< NULL: the body is gathered */
    tenon_curl_progress_fn *on_progress; /**< may be NULL */
    void *user;                          /**< for both */
} tenon_curl_fetch_options;

/** What a transfer resolves with. */
typedef struct tenon_curl_result {
    CURL *easy;      /**< for curl_easy_getinfo and curl_easy_header */
    char *body;      /**< a zero byte follows; NULL: nothing was gathered */
    size_t body_len; /**< without that byte */
    long status;     /**< the server's: 200, 404; 0: there is no such thing */
} tenon_curl_result;

/** What a driver calls; never inside of libcurl, so that every call of it is
 *  legal, and of this header. */
typedef struct tenon_curl_hooks {
    uint32_t size;
    CURLM *multi; /**< in which no transfer has begun */
    void *self;   /**< for all below */
    /** A transfer is over; its handle is still in `multi`. */
    void (*done)(void *self, CURL *easy, CURLcode result);
    /** After every entry into libcurl. May be NULL. */
    void (*idle)(void *self);
    /** The reactor ends: nothing is driven any more. Once; the one that may
     *  come from inside of libcurl, in which case `idle` is called after. May
     *  be NULL. */
    void (*closed)(void *self);
    /** A descriptor of `easy` could not be watched, or (NULL) no time be set:
     *  it stands still, or all do, until they are taken out. Inside of libcurl,
     *  so wait for `idle`. May be NULL. */
    void (*refused)(void *self, CURL *easy, tenon_status status);
} tenon_curl_hooks;

TENON_BEGIN

/** Makes one, with a multi handle of its own.
 *  Ownership: the caller's, until tenon_curl_free; the reactor may end first.
 *  Thread: the reactor's, here and below.
 *  Errors: as tenon_pollable_new. */
TENON_CHECKED TENON_API tenon_status tenon_curl_new(tenon_reactor *reactor,
                                                    tenon_curl **out);
/** Cancels its transfers and gives everything back; inside of libcurl, as soon
 *  as that has returned. NULL is legal. */
TENON_API void tenon_curl_free(tenon_curl *curl);
/** The multi handle, for its options, such as CURLMOPT_MAX_HOST_CONNECTIONS;
 *  what is in it is not yours. NULL once the reactor has ended. */
TENON_API CURLM *tenon_curl_multi(const tenon_curl *curl);

/** Begins a transfer; nothing is called in here. The future resolves with a
 *  tenon_curl_result, whatever the server said: 404 is an answer (but see
 *  CURLOPT_FAILONERROR). It fails with a tenon_curl_error, or with what a
 *  callback returned, TENON_LIMIT for a body above its limit. Cancelling or releasing it stops the
 *  transfer, at any stage: no callback of this header comes after. So does the end of the reactor.
 *  Ownership: `easy` is taken on success, and cleaned up with the result, or
 *  when there will be none. Its CURLOPT_PRIVATE, ERRORBUFFER and WRITEFUNCTION
 *  are used here, and NOSIGNAL and QUICK_EXIT (without which to cancel a
 *  lookup is to wait for it) are set. What other options point to stays the
 *  caller's, and must live as long. `options` may be NULL, and are copied.
 *  Errors: TENON_INVALID, TENON_BUSY for a handle that is in a multi handle,
 *  TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status
tenon_curl_fetch(tenon_curl *curl, CURL *easy,
                 const tenon_curl_fetch_options *options, tenon_future **out);

/** An error of domain "curl", whose system code is the CURLcode, and whose
 *  status is TENON_TIMED_OUT, TENON_UNRESOLVED, TENON_BAD_ADDRESS,
 *  TENON_NOT_SUPPORTED, TENON_PROTOCOL, TENON_NO_MEMORY, the system's (as
 *  -ECONNREFUSED) or TENON_ABORTED. `message` NULL: curl_easy_strerror's.
 *  Ownership: the caller holds one reference. */
TENON_API tenon_error *tenon_curl_error(CURL *easy, CURLcode code,
                                        const char *message);

/** Drives a multi handle of the program's: curl_multi_add_handle is all that
 *  it takes then. Sets its socket and timer functions.
 *  Ownership: the caller's, until tenon_curl_detach; the reactor may end
 *  first. `hooks` are copied.
 *  Errors: TENON_BUSY inside of libcurl; as tenon_pollable_new. */
TENON_CHECKED TENON_API tenon_status
tenon_curl_attach(tenon_reactor *reactor, const tenon_curl_hooks *hooks,
                  tenon_curl_driver **out);
/** Lets go of the multi handle, which may be cleaned up then; NULL is legal.
 *  Errors: TENON_BUSY inside of libcurl, with nothing done: wait for `idle`. */
TENON_CHECKED TENON_API tenon_status
tenon_curl_detach(tenon_curl_driver *driver);
/** Has `idle` called in the next turn.
 *  Errors: TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED. */
TENON_API tenon_status tenon_curl_wake(tenon_curl_driver *driver);

TENON_END

#endif
