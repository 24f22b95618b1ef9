/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Endpoints: H01 (the grammar), H02 (what is quoted is read back), and names
 * that are refused, never cut (R21).
 */

#include <tenon/endpoint.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const same[] = {
    "tcp:127.0.0.1:80",
    "tcp:[::1]:0:backlog=5",
    "tcp:*:0",
    "tcp:*:80:backlog=128:reuse_port=1",
    "tcp:*:80:reuse_port=0",
    "tcp:example.org:443:timeout=30",
    "tcp:example.org.:443:timeout=30:local=127.0.0.2",
    "tcp:a-b.x_y.org:1:local=[::1]",
    "tcp:1.2.3.4.five:1",
    "tcp:localhost:65535",
    "unix:/run/x:backlog=1:mode=0660",
    "unix:@name:timeout=5",
    "unix:/a\\:mode=0600",
    "mem:x",
    "fd:0",
    "fd:2147483647",
};

static const char *const bad[] = {
    "",
    "tcp:",
    "tcp:*",
    "tcp:**:1",
    "tcp:*:",
    "tcp:name",
    "tcp:name:",
    "tcp:name:080",
    "tcp:name:80:",
    "tcp:name:80::timeout=1",
    "tcp:name:80:timeout",
    "tcp:name:80:timeout=",
    "tcp:name:80:timeout=0",
    "tcp:name:80:timeout=+1",
    "tcp:name:80:timeout=1:timeout=1",
    "tcp:name:80:mode=0600",
    "tcp:name:80:backlog=0",
    "tcp:name:80:backlog=2147483648",
    "tcp:name:80:backlog=99999999999",
    "tcp:name:80:reuse_port=2",
    "tcp:name:80:local=name",
    "tcp:name:80:local=::1",
    "tcp:name:80:unknown=1",
    "tcp:na me:80",
    "tcp:na\\0me:80",
    "tcp:name\n:80",
    "tcp:n\xc3\xa4me:80",
    "tcp:-name:80",
    "tcp:name-:80",
    "tcp:.name:80",
    "tcp:na..me:80",
    "tcp:.:80",
    "tcp:127.1:80",
    "tcp:2130706433:80",
    "tcp:0x7f000001:80",
    "tcp:010.0.0.1:80",
    "tcp:1.2.3.4.:80",
    "tcp:1.2.3.4.5:80",
    "tcp:name.1:80",
    "tcp:name.0xz:80",
    "tcp:[name]:80",
    "tcp:[::1:80",
    "unix:/a:mode=0",
    "unix:/a:mode=0999",
    "unix:/a:mode=1777",
    "unix:/a:reuse_port=1",
    "mem:x:backlog=1",
    "fd:",
    "fd:-1",
    "fd:03",
    "fd:2147483648",
    "fd:3:backlog=1",
    "stdio:",
    "systemd:domain=INET:index=0",
};

START_TEST(H01_what_is_read_is_written)
{
    tenon_endpoint e;
    char text[TENON_ENDPOINT_TEXT_LEN];
    ck_assert_int_eq(tenon_endpoint_parse(&e, same[_i]), TENON_OK);
    ck_assert_uint_eq(tenon_endpoint_format(&e, text, sizeof text),
                      strlen(same[_i]));
    ck_assert_str_eq(text, same[_i]);
}
END_TEST

START_TEST(H01_nothing_else_is_read)
{
    tenon_endpoint e = {.kind = 77};
    ck_assert_int_eq(tenon_endpoint_parse(&e, bad[_i]), TENON_BAD_ADDRESS);
    ck_assert_uint_eq(e.kind, 77);
}
END_TEST

START_TEST(H01_the_parts)
{
    tenon_endpoint e;
    ck_assert_int_eq(
        tenon_endpoint_parse(&e, "tcp:example.org:443:timeout=30:local=[::1]"),
        TENON_OK);
    ck_assert_uint_eq(e.kind, TENON_ENDPOINT_NAME);
    ck_assert_str_eq(e.name, "example.org");
    ck_assert_uint_eq(e.port, 443);
    ck_assert_int_eq(e.timeout_ns, 30 * TENON_SECOND);
    ck_assert_uint_eq(e.local.as.any.sa_family, AF_INET6);
    ck_assert_uint_eq(e.given, TENON_ENDPOINT_TIMEOUT | TENON_ENDPOINT_LOCAL);
    ck_assert_int_eq(tenon_endpoint_parse(&e, "tcp::8080:backlog=7"), TENON_OK);
    ck_assert_uint_eq(e.kind, TENON_ENDPOINT_ANY);
    ck_assert_uint_eq(e.port, 8080);
    ck_assert_int_eq(e.backlog, 7);
    ck_assert_int_eq(tenon_endpoint_parse(&e, "unix:/x:mode=660"), TENON_OK);
    ck_assert_uint_eq(e.mode, 0660);
    ck_assert_int_eq(tenon_endpoint_parse(&e, "fd:7"), TENON_OK);
    ck_assert_int_eq(e.fd, 7);
    ck_assert_int_eq(tenon_endpoint_parse(&e, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_endpoint_parse(NULL, "fd:7"), TENON_INVALID);
    ck_assert_uint_eq(tenon_endpoint_format(NULL, NULL, 0), 0);
}
END_TEST

START_TEST(H02_quoted_arguments_come_back)
{
    static const char alphabet[] = ":\\@=[]0a*.";
    char argument[8], quoted[64], text[128];
    unsigned random = 1;
    for (int i = 0; i < 20000; i++) {
        size_t len = 1 + (size_t)i % 7;
        for (size_t k = 0; k < len; k++) {
            random = random * 1103515245 + 12345;
            argument[k] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        argument[len] = '\0';
        tenon_endpoint e;
        size_t needed = tenon_endpoint_quote(argument, quoted, sizeof quoted);
        ck_assert_uint_eq(needed, strlen(quoted));
        strcpy(strcpy(text, "unix:") + 5, quoted);
        strcat(text, ":mode=0640");
        ck_assert_int_eq(tenon_endpoint_parse(&e, text), TENON_OK);
        ck_assert_str_eq(e.address.as.local.sun_path, argument);
        ck_assert_uint_eq(e.mode, 0640);
        ck_assert_uint_eq(tenon_endpoint_format(&e, quoted, sizeof quoted),
                          strlen(text));
        ck_assert_str_eq(quoted, text);
    }
    ck_assert_uint_eq(tenon_endpoint_quote("a:b", NULL, 0), 4);
    ck_assert_uint_eq(tenon_endpoint_quote(NULL, text, sizeof text), 0);
}
END_TEST

/* `labels` of `len` characters each, and one of `last`. */
static void make_name(char *out, size_t labels, size_t len, size_t last)
{
    for (; labels > 0; labels--) {
        memset(out, 'x', len);
        out[len] = '.';
        out += len + 1;
    }
    memset(out, 'x', last);
    out[last] = '\0';
}

START_TEST(R21_long_names)
{
    char name[600], text[700];
    tenon_endpoint e;
    make_name(name, 0, 0, 63);
    ck_assert(tenon_name_is_valid(name));
    make_name(name, 0, 0, 64);
    ck_assert(!tenon_name_is_valid(name));
    make_name(name, 3, 63, 61); /* 253 */
    ck_assert(tenon_name_is_valid(name));
    strcpy(strcpy(text, "tcp:") + 4, name);
    strcat(text, ":1");
    ck_assert_int_eq(tenon_endpoint_parse(&e, text), TENON_OK);
    ck_assert_str_eq(e.name, name);
    strcat(name, ".");
    ck_assert(tenon_name_is_valid(name));
    for (size_t last = 62; last < 66; last++) {
        make_name(name, 3, 63, last);
        ck_assert(!tenon_name_is_valid(name));
        strcpy(strcpy(text, "tcp:") + 4, name);
        strcat(text, ":1");
        ck_assert_int_eq(tenon_endpoint_parse(&e, text), TENON_BAD_ADDRESS);
    }
    make_name(name, 8, 63, 63);
    ck_assert(!tenon_name_is_valid(name));
    strcpy(strcpy(text, "tcp:") + 4, name);
    strcat(text, ":1");
    ck_assert_int_eq(tenon_endpoint_parse(&e, text), TENON_BAD_ADDRESS);
    ck_assert(!tenon_name_is_valid(""));
    ck_assert(!tenon_name_is_valid(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tcase = tcase_create("endpoint");
    tcase_add_loop_test(tcase, H01_what_is_read_is_written, 0,
                        (int)(sizeof same / sizeof same[0]));
    tcase_add_loop_test(tcase, H01_nothing_else_is_read, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tcase, H01_the_parts);
    tcase_add_test(tcase, H02_quoted_arguments_come_back);
    tcase_add_test(tcase, R21_long_names);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
