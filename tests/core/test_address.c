/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Addresses: what is read is written back, and nothing else is read (R21).
 */

#include <tenon/address.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
    "tcp:127.0.0.1:0",
    "tcp:0.0.0.0:65535",
    "tcp:255.255.255.255:1",
    "tcp:[::1]:80",
    "tcp:[::]:0",
    "tcp:[fe80::1:2]:8080",
    "tcp:[::ffff:1.2.3.4]:443",
    "unix:/run/x.sock",
    "unix:relative",
    "unix:/a\\:b c",
    "unix:C\\:\\\\x",
    "unix:\\@file",
    "unix:a@b",
    "unix:@name",
    "unix:@@name",
    "unix:@a\\0b\\:",
    "unix:[a",
    "mem:NAME",
    "mem:\\@x",
};

static const char *const bad[] = {
    "",
    "tcp",
    "tcp:",
    "TCP:127.0.0.1:80",
    "127.0.0.1:80",
    "udp:127.0.0.1:80",
    "tcp:127.0.0.1",
    "tcp:127.0.0.1:",
    "tcp::80",
    "tcp:localhost:80",
    "tcp:127.1:80",
    "tcp:0127.0.0.1:80",
    "tcp:0x7f.0.0.1:80",
    "tcp:127.0.0.1:+80",
    "tcp:127.0.0.1:-1",
    "tcp:127.0.0.1: 80",
    "tcp:127.0.0.1:80 ",
    "tcp: 127.0.0.1:80",
    "tcp:127.0.0.1:080",
    "tcp:127.0.0.1:65536",
    "tcp:127.0.0.1:99999999999999999999",
    "tcp:127.0.0.1:0x50",
    "tcp:127.0.0.1:80:80",
    "tcp:::1:80",
    "tcp:[]:80",
    "tcp:[::1]80",
    "tcp:[::1]",
    "tcp:[::1:80",
    "tcp:[::1%lo]:80",
    "tcp:[127.0.0.1]:80",
    "tcp:[::::::::::::::::::::::::::::::::::::::::::::::::::::::]:80",
    "unix:",
    "unix:@",
    "unix:/a:b",
    "unix:/a:mode=0600",
    "unix:/a\\",
    "unix:/a\\n",
    "unix:/a\\0b",
    "unix:a\\@b",
    "unix:\\0name",
    "mem:",
    "mem:@x",
    "mem:x:y",
    "mem:x\\0",
    "fd:3",
    "tcp:*:80",
    "tcp:127.0.0.1:80:timeout=3",
};

START_TEST(R21_round_trip)
{
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    ck_assert_int_eq(tenon_address_parse(&address, good[_i]), TENON_OK);
    ck_assert_uint_eq(tenon_address_format(&address, text, sizeof text),
                      strlen(good[_i]));
    ck_assert_str_eq(text, good[_i]);
}
END_TEST

START_TEST(R21_refused)
{
    tenon_address address = {.kind = 77};
    ck_assert_int_eq(tenon_address_parse(&address, bad[_i]), TENON_BAD_ADDRESS);
    ck_assert_uint_eq(address.kind, 77);
}
END_TEST

START_TEST(R21_longest_path)
{
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    char path[200] = "unix:";
    size_t room = sizeof address.as.local.sun_path - 1;
    memset(path + 5, 'x', room);
    path[5 + room] = '\0';
    ck_assert_int_eq(tenon_address_parse(&address, path), TENON_OK);
    ck_assert_uint_eq(tenon_address_format(&address, text, sizeof text),
                      room + 5);
    ck_assert_str_eq(text, path);
    path[5 + room] = 'x';
    path[6 + room] = '\0';
    ck_assert_int_eq(tenon_address_parse(&address, path), TENON_BAD_ADDRESS);
    /* An abstract name has no end to pay for. */
    path[5] = '@';
    ck_assert_int_eq(tenon_address_parse(&address, path), TENON_OK);
    ck_assert_uint_eq(address.len, sizeof address.as.local);
    ck_assert_uint_eq(tenon_address_format(&address, text, sizeof text),
                      strlen(path));
    ck_assert_str_eq(text, path);
    path[6 + room] = 'x';
    path[7 + room] = '\0';
    ck_assert_int_eq(tenon_address_parse(&address, path), TENON_BAD_ADDRESS);
}
END_TEST

START_TEST(R21_null_and_abstract)
{
    tenon_address address;
    ck_assert_int_eq(tenon_address_parse(NULL, "mem:x"), TENON_INVALID);
    ck_assert_int_eq(tenon_address_parse(&address, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_address_parse(&address, "unix:@name"), TENON_OK);
    ck_assert_mem_eq(address.as.local.sun_path, "\0name", 6);
    ck_assert_uint_eq(address.len, offsetof(struct sockaddr_un, sun_path) + 5);
    ck_assert_uint_eq(tenon_address_format(NULL, NULL, 0), 0);
    ck_assert_uint_eq(tenon_address_port(NULL), 0);
}
END_TEST

START_TEST(R21_cut_format)
{
    tenon_address address;
    char text[8];
    ck_assert_int_eq(tenon_address_parse(&address, "tcp:[::1]:4321"), TENON_OK);
    ck_assert_uint_eq(tenon_address_port(&address), 4321);
    ck_assert_uint_eq(tenon_address_format(&address, text, sizeof text), 14);
    ck_assert_str_eq(text, "tcp:[::");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tcase = tcase_create("address");
    tcase_add_loop_test(tcase, R21_round_trip, 0,
                        (int)(sizeof good / sizeof good[0]));
    tcase_add_loop_test(tcase, R21_refused, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tcase, R21_longest_path);
    tcase_add_test(tcase, R21_null_and_abstract);
    tcase_add_test(tcase, R21_cut_format);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
