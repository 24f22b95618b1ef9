/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The resolver that a reactor has by itself, over a getaddrinfo of this test:
 * it answers by the name, and can be held up for as long as a case likes. No
 * name leaves this process.
 *
 * ctest: labels=threads timeout=60
 */

#include <tenon/tenon.h>

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "side.h"

enum { MOST = 4, MANY = 10 };

/* ---- a getaddrinfo that can be held up ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool held;
static int inside;
static int most_inside;
static int calls;
static bool signals_open;

static struct addrinfo *entry(struct addrinfo *next, const char *text)
{
    tenon_address address;
    if (tenon_address_parse(&address, text) < 0) {
        abort(); /* Check is for the main thread */
    }
    struct addrinfo *one = calloc(1, sizeof *one + sizeof address);
    one->ai_family = address.as.any.sa_family;
    one->ai_addrlen = address.len;
    one->ai_addr = (struct sockaddr *)(void *)(one + 1);
    memcpy(one->ai_addr, &address.as, address.len);
    one->ai_next = next;
    return one;
}

static struct addrinfo *many(int count)
{
    struct addrinfo *list = NULL;
    char text[32];
    for (; count > 0; count--) {
        snprintf(text, sizeof text, "tcp:127.0.1.%d:0", count);
        list = entry(list, text);
    }
    return list;
}

/* What nobody should believe: a wrong family, and too few bytes. */
static struct addrinfo *strange(void)
{
    struct addrinfo *list = entry(entry(NULL, "unix:/x"), "tcp:127.0.0.9:0");
    list->ai_addrlen = 3;
    return entry(list, "tcp:127.0.0.8:0");
}

static void wait_if_held(const char *name)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    pthread_mutex_lock(&lock);
    calls++;
    inside++;
    most_inside = inside > most_inside ? inside : most_inside;
    signals_open |= !sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGIO);
    pthread_cond_broadcast(&changed);
    while (held && strncmp(name, "slow", 4) == 0) {
        pthread_cond_wait(&changed, &lock);
    }
    inside--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **out)
{
    (void)service;
    (void)hints;
    wait_if_held(name);
    if (strcmp(name, "nobody") == 0) {
        return EAI_NONAME;
    }
    if (strcmp(name, "broken") == 0) {
        errno = ENETDOWN;
        return EAI_SYSTEM;
    }
    *out = strcmp(name, "many") == 0 ? many(100)
           : strcmp(name, "strange") == 0
               ? strange()
               : entry(entry(entry(NULL, "tcp:[::1]:0"), "tcp:127.0.0.1:0"),
                       "tcp:[::1]:0");
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

static void hold(bool on)
{
    pthread_mutex_lock(&lock);
    held = on;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* For at least so many, or for nobody. */
static void wait_inside(int count)
{
    pthread_mutex_lock(&lock);
    while (count ? inside < count : inside > 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

/* Detached threads tell nobody that they have gone, but the kernel. */
static int thread_count(void)
{
    int count = 0;
    char line[64];
    FILE *file = fopen("/proc/self/status", "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Threads: %d", &count) == 1) {
            break;
        }
    }
    fclose(file);
    return count;
}

static int threads_before;

static void wait_for_threads_to_go(void)
{
    for (int i = 0; thread_count() > threads_before && i < 5000; i++) {
        usleep(1000);
    }
    ck_assert_int_eq(thread_count(), threads_before);
}

/* ---- lookups ---- */

static char found[4096];
static int done;
static tenon_status done_status;
static char done_text[512];

static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    (void)lookup;
    (void)user;
    tenon_address_format(address, text, sizeof text);
    if (strlen(found) + strlen(text) + 2 < sizeof found) {
        strcat(strcat(found, text), " ");
    }
}

static void on_done(tenon_lookup *lookup, const tenon_error *error, void *user)
{
    (void)lookup;
    (void)user;
    done++;
    done_status = tenon_error_status(error);
    tenon_error_format(error, done_text, sizeof done_text);
}

static tenon_resolve_options how = {.size = sizeof how,
                                    .port = 80,
                                    .on_address = on_address,
                                    .on_done = on_done};

static tenon_lookup *look_up(const char *name)
{
    tenon_lookup *lookup;
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, name, &how), TENON_OK);
    return lookup;
}

static void *nothing(void *user)
{
    return user;
}

/* A sanitizer's own thread comes with the first of ours. */
static void warm_up(void)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, nothing, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static void start(void)
{
    warm_up();
    threads_before = thread_count();
    native();
}

static void finish(void)
{
    end();
    wait_for_threads_to_go();
}

START_TEST(N12_both_families_at_once)
{
    start();
    tenon_lookup *lookup = look_up("name.example");
    ck_assert_int_eq(done, 0);
    UNTIL(done == 1);
    ck_assert_int_eq(done_status, TENON_OK);
    ck_assert_str_eq(found, "tcp:[::1]:80 tcp:127.0.0.1:80 ");
    ck_assert_int_eq(calls, 1);
    ck_assert(!signals_open);
    ck_assert(!tenon_reactor_alive(reactor));
    tenon_lookup_unref(lookup);
    found[0] = '\0';
    how.family = AF_INET;
    tenon_lookup_unref(look_up("name.example"));
    UNTIL(done == 2);
    ck_assert_str_eq(found, "tcp:127.0.0.1:80 ");
    finish();
}
END_TEST

START_TEST(N12_failure_is_an_error)
{
    start();
    tenon_lookup_unref(look_up("nobody"));
    UNTIL(done == 1);
    ck_assert_int_eq(done_status, TENON_UNRESOLVED);
    ck_assert_ptr_nonnull(strstr(done_text, "nobody: "));
    ck_assert_ptr_nonnull(strstr(done_text, gai_strerror(EAI_NONAME)));
    ck_assert_ptr_nonnull(strstr(done_text, "(-2)"));
    tenon_lookup_unref(look_up("broken"));
    UNTIL(done == 2);
    ck_assert_ptr_nonnull(strstr(done_text, strerror(ENETDOWN)));
    ck_assert_str_eq(found, "");
    ck_assert_int_eq(reports, 0);
    finish();
}
END_TEST

START_TEST(R23_answers_are_checked)
{
    start();
    tenon_lookup_unref(look_up("strange"));
    UNTIL(done == 1);
    ck_assert_str_eq(found, "tcp:127.0.0.8:80 ");
    found[0] = '\0';
    tenon_lookup_unref(look_up("many"));
    UNTIL(done == 2);
    int count = 0;
    for (const char *at = found; (at = strchr(at, ' ')) != NULL; at++) {
        count++;
    }
    ck_assert_int_eq(count, TENON_ADDRESSES_MAX);
    finish();
}
END_TEST

START_TEST(R21_names_are_refused_not_cut)
{
    char name[300];
    tenon_lookup *lookup = NULL;
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    start();
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, name, &how),
                     TENON_BAD_ADDRESS);
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, "a b", &how),
                     TENON_BAD_ADDRESS);
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, "127.1", &how),
                     TENON_BAD_ADDRESS);
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, "", &how),
                     TENON_BAD_ADDRESS);
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, NULL, &how),
                     TENON_INVALID);
    ck_assert_ptr_null(lookup);
    ck_assert_int_eq(calls, 0);
    finish();
}
END_TEST

START_TEST(N11_numeric_names_ask_nobody)
{
    start();
    tenon_lookup_unref(look_up("127.0.0.7"));
    tenon_lookup_unref(look_up("::1"));
    tenon_lookup_unref(look_up("[::2]"));
    ck_assert_int_eq(done, 0);
    UNTIL(done == 3);
    ck_assert_str_eq(found, "tcp:127.0.0.7:80 tcp:[::1]:80 tcp:[::2]:80 ");
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(thread_count(), threads_before);
    finish();
}
END_TEST

START_TEST(R23_four_threads_at_most)
{
    start();
    hold(true);
    for (int i = 0; i < MANY; i++) {
        tenon_lookup_unref(look_up("slow"));
    }
    wait_inside(MOST);
    ck_assert_int_eq(thread_count(), threads_before + MOST);
    ck_assert_int_eq(done, 0);
    hold(false);
    UNTIL(done == MANY);
    ck_assert_int_eq(most_inside, MOST);
    finish();
}
END_TEST

START_TEST(N12_cancel_stops_delivery)
{
    tenon_lookup *lookups[MANY];
    start();
    hold(true);
    for (int i = 0; i < MANY; i++) {
        lookups[i] = look_up("slow");
    }
    wait_inside(MOST);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(tenon_lookup_cancel(lookups[i]), TENON_OK);
        ck_assert_int_eq(tenon_lookup_cancel(lookups[i]), TENON_OK);
        tenon_lookup_unref(lookups[i]);
    }
    ck_assert_int_eq(done, 0);
    UNTIL(done == MANY);
    ck_assert_int_eq(done_status, TENON_CANCELLED);
    ck_assert(!tenon_reactor_alive(reactor));
    hold(false);
    wait_inside(0);
    /* The threads serve on, and the abandoned answers come to nothing. */
    tenon_lookup_unref(look_up("name"));
    UNTIL(done == MANY + 1);
    ck_assert_int_eq(calls, MOST + 1);
    ck_assert_str_eq(found, "tcp:[::1]:80 tcp:127.0.0.1:80 ");
    ck_assert_int_eq(reports, 0);
    finish();
}
END_TEST

START_TEST(R23_a_deadline)
{
    start();
    hold(true);
    how.timeout_ns = 20 * TENON_MILLISECOND;
    tenon_lookup_unref(look_up("slow"));
    UNTIL(done == 1);
    ck_assert_int_eq(done_status, TENON_TIMED_OUT);
    hold(false);
    finish();
}
END_TEST

static char reported_names[256];
static tenon_status note_report(tenon_reactor *r, const tenon_report *report,
                                void *user)
{
    (void)r;
    (void)user;
    strcat(strcat(reported_names, report->what), ":");
    strcat(strcat(reported_names, report->name), " ");
    return TENON_OK;
}

START_TEST(R17_the_reactor_ends_first)
{
    start();
    ck_assert_int_eq(
        tenon_reactor_set_error_handler(reactor, note_report, NULL), TENON_OK);
    hold(true);
    tenon_lookup *abandoned = look_up("slow.abandoned");
    wait_inside(1);
    tenon_lookup_cancel(abandoned);
    tenon_lookup_unref(abandoned);
    UNTIL(done == 1);
    tenon_lookup_unref(look_up("slow.pending"));
    wait_inside(2);
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "abandoned slow.abandoned"));
    ck_assert_ptr_nonnull(strstr(text, "lookup slow.pending"));
    free(text);
    end();
    ck_assert_int_eq(done, 2);
    ck_assert_int_eq(done_status, TENON_CLOSED);
    ck_assert_ptr_nonnull(strstr(reported_names, "lookup:slow.pending "));
    ck_assert_ptr_nonnull(
        strstr(reported_names, "abandoned lookup:slow.abandoned "));
    hold(false);
    wait_for_threads_to_go();
    ck_assert_str_eq(found, "");
}
END_TEST

/* The answers race with the end, in every order. */
START_TEST(R17_the_end_and_the_answers)
{
    warm_up();
    threads_before = thread_count();
    for (int i = 0; i < 50; i++) {
        native();
        hold(true);
        for (int k = 0; k < MOST; k++) {
            tenon_lookup *lookup = look_up("slow");
            if (k == 1) {
                tenon_lookup_cancel(lookup);
            }
            tenon_lookup_unref(lookup);
        }
        if (i % 2) {
            wait_inside(1 + i % 3);
        }
        hold(false);
        if (i % 3 == 0) {
            ck_assert_int_eq(tenon_run_once(reactor, TENON_MILLISECOND), 0);
        }
        end();
    }
    ck_assert_int_eq(done, 50 * MOST);
    wait_for_threads_to_go();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolver");
    TCase *tcase = tcase_create("resolver");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, N12_both_families_at_once);
    tcase_add_test(tcase, N12_failure_is_an_error);
    tcase_add_test(tcase, R23_answers_are_checked);
    tcase_add_test(tcase, R21_names_are_refused_not_cut);
    tcase_add_test(tcase, N11_numeric_names_ask_nobody);
    tcase_add_test(tcase, R23_four_threads_at_most);
    tcase_add_test(tcase, N12_cancel_stops_delivery);
    tcase_add_test(tcase, R23_a_deadline);
    tcase_add_test(tcase, R17_the_reactor_ends_first);
    tcase_add_test(tcase, R17_the_end_and_the_answers);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
