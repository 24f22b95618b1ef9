/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Names, where the system or a resolver falls short: threads that cannot be
 * made or have nothing to do, answers that are none, memory that is missing,
 * resolvers of few slots. No name leaves this process.
 *
 * ctest: labels=threads
 */

#include "side.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <tenon/manual.h>

/* ---- what the resolver's threads call ---- */

static atomic_bool held;
static atomic_int inside;
static atomic_bool threads_fail;
static atomic_bool nothing_comes; /* who waits for work is told so at once */

static struct addrinfo *entry(struct addrinfo *next, const void *address,
                              size_t len)
{
    struct addrinfo *one = calloc(1, sizeof *one + sizeof(tenon_address));
    if (!one) {
        abort();
    }
    one->ai_next = next;
    if (address) {
        one->ai_addr = (struct sockaddr *)(void *)(one + 1);
        one->ai_addrlen = (socklen_t)len;
        memcpy(one->ai_addr, address, len < sizeof(tenon_address) ? len : 16);
    }
    return one;
}

/* Nothing to believe, but for the last one. */
static struct addrinfo *strange(void)
{
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct addrinfo *list = entry(NULL, &v4, sizeof v4);
    list = entry(list, &path, 4 * sizeof path);
    list = entry(list, &v6, 8);
    return entry(list, NULL, 0);
}

static struct addrinfo *many(void)
{
    struct addrinfo *list = NULL;
    for (uint32_t i = 1; i < 40; i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
        list = entry(list, &v4, sizeof v4);
    }
    return list;
}

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **out)
{
    (void)service;
    (void)hints;
    atomic_fetch_add(&inside, 1);
    while (atomic_load(&held)) {
    }
    *out = strcmp(name, "many") == 0 ? many() : strange();
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

static int name_error;

int getnameinfo(const struct sockaddr *address, socklen_t len, char *host,
                socklen_t host_len, char *service, socklen_t service_len,
                int flags)
{
    (void)address;
    (void)len;
    (void)service;
    (void)service_len;
    (void)flags;
    snprintf(host, host_len, "host.example");
    errno = ENETDOWN;
    return name_error;
}

int pthread_create(pthread_t *out, const pthread_attr_t *how,
                   void *(*fn)(void *), void *arg)
{
    union {
        void *found;
        int (*call)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                    void *);
    } real = {.found = dlsym(RTLD_NEXT, "pthread_create")};
    return atomic_load(&threads_fail) ? EAGAIN : real.call(out, how, fn, arg);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                           const struct timespec *until)
{
    union {
        void *found;
        int (*call)(pthread_cond_t *, pthread_mutex_t *,
                    const struct timespec *);
    } real = {.found = dlsym(RTLD_NEXT, "pthread_cond_timedwait")};
    return atomic_load(&nothing_comes) ? ETIMEDOUT
                                       : real.call(cond, mutex, until);
}

/* ---- lookups ---- */

static char found[4096];
static int done;
static tenon_status done_status;

static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    (void)lookup;
    (void)user;
    tenon_address_format(address, text, sizeof text);
    strcat(strcat(found, text), " ");
}

static void on_done(tenon_lookup *lookup, const tenon_error *error, void *user)
{
    (void)lookup;
    (void)user;
    done++;
    done_status = tenon_error_status(error);
}

static tenon_resolve_options how = {
    .size = sizeof how, .on_address = on_address, .on_done = on_done};

static tenon_status look_up(const char *name)
{
    return tenon_resolve(reactor, NULL, name, &how);
}

static char host_found[256];

static void on_name(tenon_lookup *lookup, const char *host,
                    const tenon_error *error, void *user)
{
    (void)lookup;
    (void)user;
    done++;
    done_status = tenon_error_status(error);
    snprintf(host_found, sizeof host_found, "%s", host ? host : "");
}

static tenon_name_options naming = {.size = sizeof naming, .on_name = on_name};

static tenon_status look_up_name(const char *text)
{
    tenon_address address;
    ck_assert_int_eq(tenon_address_parse(&address, text), TENON_OK);
    return tenon_resolve_name(reactor, NULL, &address, &naming);
}

START_TEST(R23_answers_that_are_none)
{
    native();
    ck_assert_int_eq(look_up("strange"), TENON_OK);
    UNTIL(done);
    ck_assert_int_eq(done_status, TENON_OK);
    ck_assert_str_eq(found, "tcp:127.0.0.1:0 ");
    end();
}
END_TEST

/* All or nothing. */
START_TEST(R23_no_memory_for_an_answer)
{
    native();
    ck_assert_int_eq(look_up("many"), TENON_OK);
    fail_at = 0;
    UNTIL(done);
    fail_at = -1;
    ck_assert_int_eq(done_status, TENON_NO_MEMORY);
    end();
}
END_TEST

/* There is one thread, which has work; the next lookup waits for it. */
START_TEST(R23_a_second_thread_cannot_be_made)
{
    native();
    atomic_store(&held, true);
    ck_assert_int_eq(look_up("strange"), TENON_OK);
    while (atomic_load(&inside) == 0) {
    }
    atomic_store(&threads_fail, true);
    ck_assert_int_eq(look_up("other"), TENON_OK);
    ck_assert_int_eq(done, 0);
    atomic_store(&held, false);
    UNTIL(done == 2);
    ck_assert_int_eq(done_status, TENON_OK);
    atomic_store(&threads_fail, false);
    end();
}
END_TEST

/* Who has had nothing to do for a while goes; the next lookup makes another.
 * Here the while is none. */
START_TEST(R23_an_idle_thread_goes)
{
    native();
    atomic_store(&nothing_comes, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(look_up("strange"), TENON_OK);
        UNTIL(done == i + 1);
        ck_assert_int_eq(done_status, TENON_OK);
    }
    end();
}
END_TEST

START_TEST(N13_names_of_addresses)
{
    static const struct {
        int error;
        tenon_status told;
        const char *host;
    } answers[] = {{0, TENON_OK, "host.example"},
                   {EAI_NONAME, TENON_UNRESOLVED, ""},
                   {EAI_SYSTEM, TENON_UNRESOLVED, ""},
                   {EAI_MEMORY, TENON_NO_MEMORY, ""}};
    native();
    name_error = answers[_i].error;
    ck_assert_int_eq(look_up_name("tcp:[::1]:80"), TENON_OK);
    UNTIL(done);
    ck_assert_int_eq(done_status, answers[_i].told);
    ck_assert_str_eq(host_found, answers[_i].host);
    end();
}
END_TEST

/* ---- what cannot be asked ---- */

START_TEST(N12_what_cannot_be_asked)
{
    tenon_address address;
    native();
    how.timeout_ns = -1;
    ck_assert_int_eq(look_up("name"), TENON_INVALID);
    how.timeout_ns = 0;
    naming.timeout_ns = -1;
    ck_assert_int_eq(look_up_name("tcp:127.0.0.1:1"), TENON_INVALID);
    naming.timeout_ns = 0;
    ck_assert_int_eq(look_up_name("unix:/x"), TENON_INVALID);
    ck_assert_int_eq(tenon_address_parse(&address, "tcp:127.0.0.1:1"), 0);
    address.as.any.sa_family = AF_UNSPEC;
    ck_assert_int_eq(tenon_resolve_name(reactor, NULL, &address, &naming),
                     TENON_INVALID);
    ck_assert(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(done, 0);
    /* Nobody has to be told. */
    ck_assert_int_eq(tenon_resolve(reactor, NULL, "127.0.0.1", NULL), TENON_OK);
    UNTIL(!tenon_reactor_alive(reactor));
    end();
}
END_TEST

START_TEST(N38_a_cache_without_memory)
{
    native();
    fail_at = 0;
    ck_assert_int_eq(tenon_reactor_set_lookup_cache(reactor, 1, 1),
                     TENON_NO_MEMORY);
    fail_at = -1;
    ck_assert_int_eq(tenon_reactor_set_lookup_cache(reactor, 1, 1), TENON_OK);
    end();
}
END_TEST

/* ---- resolvers of few slots ---- */

static tenon_lookup *asked;

static tenon_status keep_lookup(void *self, tenon_lookup *lookup)
{
    (void)self;
    asked = lookup;
    return TENON_OK;
}

static int cancels;

static void count_cancel(void *self, tenon_lookup *lookup)
{
    (void)self;
    (void)lookup;
    cancels++;
}

static const size_t sizes[] = {offsetof(tenon_resolver_ops, cancel),
                               offsetof(tenon_resolver_ops, resolve_name),
                               sizeof(tenon_resolver_ops),
                               sizeof(tenon_resolver_ops)};

/* `_i`: by an older table, or, the last, with empty slots. */
START_TEST(N12_a_resolver_s_table)
{
    tenon_resolver_ops table = {.size = (uint32_t)sizes[_i],
                                .name = _i == 3 ? NULL : "few",
                                .resolve = keep_lookup,
                                .cancel = _i == 3 ? NULL : count_cancel,
                                .resolve_name = _i == 3 ? NULL : keep_lookup};
    char dump[1024] = "";
    tenon_lookup *lookup;
    manual();
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &table, NULL),
                     TENON_OK);
    tenon_status named = look_up_name("tcp:127.0.0.1:1");
    ck_assert_int_eq(named, _i == 2 ? TENON_OK : TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, "name", &how), TENON_OK);
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, NULL, NULL),
                     TENON_BUSY);
    FILE *file = fmemopen(dump, sizeof dump, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    ck_assert_ptr_nonnull(
        strstr(dump, _i == 3 ? "resolver -, " : "resolver few, "));
    ck_assert_int_eq(tenon_lookup_cancel(lookup), TENON_OK);
    ck_assert_int_eq(cancels, _i == 1 || _i == 2);
    settle();
    ck_assert_int_eq(done_status, TENON_CANCELLED);
    tenon_lookup_unref(lookup);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    end();
}
END_TEST

static const tenon_resolver_ops silent = {
    .size = sizeof silent, .name = "silent", .resolve = keep_lookup};

START_TEST(N12_more_lookups_than_there_may_be)
{
    manual();
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &silent, NULL),
                     TENON_OK);
    for (int i = 0; i < TENON_LOOKUPS_MAX; i++) {
        ck_assert_int_eq(look_up("name"), TENON_OK);
    }
    ck_assert_int_eq(look_up("name"), TENON_LIMIT);
    tenon_lookup_done(asked, NULL);
    settle();
    ck_assert_int_eq(done, 1);
    ck_assert_int_eq(look_up("name"), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(done, 1 + TENON_LOOKUPS_MAX);
    end();
}
END_TEST

START_TEST(R23_more_addresses_than_there_may_be)
{
    tenon_address address;
    manual();
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &silent, NULL),
                     TENON_OK);
    ck_assert_int_eq(look_up("name"), TENON_OK);
    ck_assert_int_eq(tenon_address_parse(&address, "tcp:127.0.0.1:0"), 0);
    for (uint32_t i = 0; i < TENON_ADDRESSES_MAX + 5; i++) {
        address.as.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
        ck_assert_int_eq(tenon_lookup_add(asked, &address),
                         i < TENON_ADDRESSES_MAX ? TENON_OK : TENON_LIMIT);
    }
    tenon_lookup_done(asked, NULL);
    settle();
    ck_assert_int_eq(done_status, TENON_OK);
    end();
}
END_TEST

/* The lookup itself, then an address of it: what is numeric asks nobody, but
 * takes memory. */
START_TEST(N11_a_number_without_memory)
{
    manual();
    /* The resolver and its cache are there. */
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &silent, NULL),
                     TENON_OK);
    int failed = 0;
    for (long nth = 0; done == 0; nth++) {
        fail_at = nth;
        tenon_status status = look_up("127.0.0.1");
        fail_at = -1;
        ck_assert(status == TENON_OK || status == TENON_NO_MEMORY);
        failed += status < 0;
        ck_assert_int_eq(tenon_reactor_alive(reactor), status == TENON_OK);
        settle();
        ck_assert_int_eq(done, status == TENON_OK);
    }
    ck_assert_int_eq(failed, 2);
    ck_assert_str_eq(found, "tcp:127.0.0.1:0 ");
    end();
}
END_TEST

/* From where, to a name, and for how long. */
START_TEST(C_a_name_from_an_address)
{
    side a = {.t = NULL};
    tenon_connect_options options_of = told;
    options_of.local = "tcp:[::1]:0";
    options_of.timeout_ns = _i == 0 ? TENON_SECOND : 5 * TENON_SECOND;
    manual();
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &silent, NULL),
                     TENON_OK);
    ck_assert_int_eq(
        tenon_connector_start(reactor, NULL,
                              _i == 0 ? "tcp:name:1" : "tcp:name:1:timeout=1",
                              as(&a), &options_of),
        TENON_OK);
    ck_assert_int_eq(tenon_lookup_family(asked), AF_INET6);
    ck_assert_int_eq(tenon_manual_advance(reactor, TENON_SECOND - 1), TENON_OK);
    ck_assert_int_eq(connected, 0);
    ck_assert_int_eq(tenon_manual_advance(reactor, 1), TENON_OK);
    ck_assert_int_eq(connected, 1);
    ck_assert_int_eq(connect_error, TENON_TIMED_OUT);
    end();
}
END_TEST

START_TEST(H01_addresses_without_a_name)
{
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    side a = {.t = NULL};
    tenon_transport *t;
    int fds[2];
    native();
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], as(&a)),
                     TENON_OK);
    UNTIL(a.t);
    ck_assert_int_eq(tenon_transport_peer_address(a.t, &address), TENON_OK);
    (void)tenon_address_format(&address, text, sizeof text);
    ck_assert_str_eq(text, "unix:");
    ck_assert_uint_eq(tenon_address_port(&address), 0);
    ck_assert_uint_eq(tenon_address_port(NULL), 0);
    close_it(&a);
    UNTIL(is_lost(&a));
    forget(&a);
    close(fds[1]);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tcase = tcase_create("names");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, R23_answers_that_are_none);
    tcase_add_test(tcase, R23_no_memory_for_an_answer);
    tcase_add_test(tcase, R23_a_second_thread_cannot_be_made);
    tcase_add_test(tcase, R23_an_idle_thread_goes);
    tcase_add_loop_test(tcase, N13_names_of_addresses, 0, 4);
    tcase_add_test(tcase, N12_what_cannot_be_asked);
    tcase_add_test(tcase, N38_a_cache_without_memory);
    tcase_add_test(tcase, R23_more_addresses_than_there_may_be);
    tcase_add_loop_test(tcase, N12_a_resolver_s_table, 0, 4);
    tcase_add_test(tcase, N12_more_lookups_than_there_may_be);
    tcase_add_test(tcase, N11_a_number_without_memory);
    tcase_add_loop_test(tcase, C_a_name_from_an_address, 0, 2);
    tcase_add_test(tcase, H01_addresses_without_a_name);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
