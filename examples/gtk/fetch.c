/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

#include "fetch.h"

#include <tenon/curl.h>
#include <tenon/gio.h>

struct fetcher {
    tenon_reactor *reactor;
    tenon_curl *curl;
    tenon_future *fetched; /* of the last one, held until the next: */
    tenon_future *saving;  /* who drops a future cancels it */
    tenon_future *result;
    char *folder;
    char *name; /* of the file that is being fetched */
    fetch_progress_fn *fn;
    void *user;
};

static void forget(tenon_future **future)
{
    tenon_future_unref(*future);
    *future = NULL;
}

/* ---- saving ---- */

static void *on_saved(GObject *file, GAsyncResult *result, GError **error,
                      void *user)
{
    (void)user;
    if (!g_file_replace_contents_finish(G_FILE(file), result, NULL, error)) {
        return NULL;
    }
    return g_file_get_path(G_FILE(file));
}

static tenon_status begin_saving(fetcher *self, GBytes *bytes)
{
    const tenon_gio_options options = {
        .size = sizeof options, .finish = on_saved, .free_value = g_free};
    tenon_gio_call *call;
    forget(&self->saving);
    tenon_status status =
        tenon_gio_call_new(self->reactor, &call, &self->saving, &options);
    if (status >= 0) {
        GFile *file = g_file_new_build_filename(self->folder, self->name, NULL);
        g_file_replace_contents_bytes_async(
            file, bytes, NULL, FALSE, G_FILE_CREATE_NONE,
            tenon_gio_call_cancellable(call), tenon_gio_ready, call);
        g_object_unref(file);
    }
    return status;
}

/* The bytes are all here; the result is the path, once it is written. */
static tenon_status save(tenon_future *fetched, tenon_future *result,
                         void *user)
{
    fetcher *self = user;
    tenon_free_fn *free_value = NULL;
    void *value = NULL;
    tenon_status status = tenon_future_take(fetched, &value, &free_value);
    if (status < 0) {
        return status;
    }
    const tenon_curl_result *got = value;
    GBytes *bytes = g_bytes_new_with_free_func(
        got->body ? got->body : "", got->body_len, free_value, value);
    status = begin_saving(self, bytes);
    g_bytes_unref(bytes);
    return status < 0
               ? status
               : tenon_future_link(self->saving, result, TENON_LINK_CANCEL);
}

/* ---- fetching ---- */

static tenon_status on_progress(CURL *easy, int64_t received, int64_t total,
                                void *user)
{
    fetcher *self = user;
    (void)easy;
    self->fn(total > 0 ? (double)received / (double)total : -1, self->user);
    return TENON_OK;
}

static CURL *easy_new(const char *url)
{
    CURL *easy = curl_easy_init();
    if (easy && (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
                 curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") !=
                     CURLE_OK)) {
        curl_easy_cleanup(easy);
        return NULL;
    }
    if (easy) {
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    }
    return easy;
}

static char *name_of(const char *url)
{
    char *path = NULL;
    (void)g_uri_split(url, G_URI_FLAGS_NONE, NULL, NULL, NULL, NULL, &path,
                      NULL, NULL, NULL);
    char *name = path ? g_path_get_basename(path) : NULL;
    g_free(path);
    if (!name || name[0] == '.' || name[0] == '/') {
        g_free(name);
        return g_strdup("download");
    }
    return name;
}

/* ---- public ---- */

tenon_status fetcher_new(tenon_reactor *reactor, const char *folder,
                         fetcher **out)
{
    fetcher *self = g_new0(fetcher, 1);
    tenon_status status = tenon_curl_new(reactor, &self->curl);
    if (status < 0) {
        g_free(self);
        return status;
    }
    self->reactor = reactor;
    self->folder = g_strdup(folder);
    *out = self;
    return TENON_OK;
}

void fetcher_free(fetcher *self)
{
    if (self) {
        (void)tenon_future_cancel(self->result, NULL); /* calls save no more */
        forget(&self->result);
        forget(&self->saving);
        forget(&self->fetched);
        tenon_curl_free(self->curl);
        g_free(self->folder);
        g_free(self->name);
        g_free(self);
    }
}

tenon_status fetcher_start(fetcher *self, const char *url,
                           fetch_progress_fn *fn, void *user,
                           tenon_future **out)
{
    const tenon_curl_fetch_options how = {
        .size = sizeof how, .on_progress = on_progress, .user = self};
    const tenon_then_options next = {
        .size = sizeof next, .on_value = save, .user = self};
    forget(&self->result);
    forget(&self->fetched);
    self->fn = fn;
    self->user = user;
    g_free(self->name);
    self->name = name_of(url);
    CURL *easy = easy_new(url);
    if (!easy) {
        return TENON_NO_MEMORY;
    }
    tenon_status status =
        tenon_curl_fetch(self->curl, easy, &how, &self->fetched);
    if (status < 0) {
        curl_easy_cleanup(easy);
        return status;
    }
    status = tenon_future_then(self->fetched, &next, &self->result);
    if (status >= 0) {
        *out = tenon_future_ref(self->result);
    }
    return status;
}
