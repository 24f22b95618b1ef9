/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The lists under every queue of the engine.
 */

#include "base/list.h"
#include "harness_check.h"

static tenon_node head;
static tenon_node other;
static tenon_node nodes[5];

static void setup(void)
{
    tenon__list_init(&head);
    tenon__list_init(&other);
    for (int i = 0; i < 5; i++) {
        nodes[i] = (tenon_node){NULL, NULL, NULL};
    }
}

static void push_all(tenon_node *list, int from, int to)
{
    for (int i = from; i < to; i++) {
        tenon__list_push(list, &nodes[i]);
    }
}

static void require_order(tenon_node *list, const int *order, int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_ptr_eq(tenon__list_pop(list), &nodes[order[i]]);
        ck_assert(!tenon__linked(&nodes[order[i]]));
    }
    ck_assert_ptr_null(tenon__list_pop(list));
    ck_assert(tenon__list_empty(list));
}

START_TEST(first_in_first_out)
{
    ck_assert(tenon__list_empty(&head));
    ck_assert_ptr_null(tenon__list_pop(&head));
    push_all(&head, 0, 5);
    ck_assert(tenon__linked(&nodes[0]));
    require_order(&head, (int[]){0, 1, 2, 3, 4}, 5);
}
END_TEST

START_TEST(remove_from_anywhere_and_twice)
{
    push_all(&head, 0, 5);
    tenon__list_remove(&nodes[0]);
    tenon__list_remove(&nodes[2]);
    tenon__list_remove(&nodes[4]);
    tenon__list_remove(&nodes[2]);
    ck_assert(!tenon__linked(&nodes[2]));
    tenon__list_push(&head, &nodes[0]);
    require_order(&head, (int[]){1, 3, 0}, 3);
}
END_TEST

START_TEST(splice)
{
    tenon__list_splice(&head, &other);
    ck_assert(tenon__list_empty(&head));
    push_all(&head, 0, 2);
    push_all(&other, 2, 5);
    tenon__list_splice(&head, &other);
    ck_assert(tenon__list_empty(&other));
    tenon__list_splice(&head, &other);
    require_order(&head, (int[]){0, 1, 2, 3, 4}, 5);
    push_all(&other, 0, 1);
    tenon__list_splice(&head, &other);
    tenon__list_remove(&nodes[0]);
    ck_assert(tenon__list_empty(&head));
}
END_TEST

struct thing {
    int before;
    tenon_node node;
};

START_TEST(of_finds_the_object)
{
    struct thing thing = {.before = 3};
    tenon__list_push(&head, &thing.node);
    struct thing *found = TENON__OF(tenon__list_pop(&head), struct thing, node);
    ck_assert_ptr_eq(found, &thing);
    ck_assert_int_eq(found->before, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list");
    TCase *tcase = tcase_create("list");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, first_in_first_out);
    tcase_add_test(tcase, remove_from_anywhere_and_twice);
    tcase_add_test(tcase, splice);
    tcase_add_test(tcase, of_finds_the_object);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
