/* What a mistyped word is taken for. */
#include "base/nearest.h"

#include "bases.h"

#include <string.h>

static const struct {
    const char *word, *name; /* NULL: none is near */
} words[] = {
    { "headers", "headers" }, /* no edit */
    { "haeders", "headers" }, /* two have changed places */
    { "header", "headers" },
    { "headerss", "headers" },
    { "hedders", "headers" },
    { "heds", NULL },
    { "ur", "url" },
    { "lru", NULL },
    { "x", NULL }, /* all of it would be edited */
    { "", NULL },
    { "a word that is longer than names are", NULL },
};

START_TEST(a_word_is_near_a_name_by_few_edits)
{
    er_nearest near = { .word = words[_i].word, .size = strlen(words[_i].word) };
    er_nearest_offer(&near, "url");
    er_nearest_offer(&near, "id");
    er_nearest_offer(&near, "headers");
    er_nearest_offer(&near, "y");
    if (words[_i].name) ck_assert_str_eq(near.name, words[_i].name);
    else ck_assert_ptr_null(near.name);
}
END_TEST

START_TEST(of_two_names_the_first_stays)
{
    er_nearest near = { .word = "bats and more", .size = 4 };
    er_nearest_offer(&near, "cats");
    er_nearest_offer(&near, "rats");
    ck_assert_str_eq(near.name, "cats");
}
END_TEST

Suite *nearest_suite(void)
{
    Suite *suite = suite_create("nearest");
    TCase *tc = tcase_create("nearest");
    tcase_add_loop_test(tc, a_word_is_near_a_name_by_few_edits, 0, sizeof words / sizeof *words);
    tcase_add_test(tc, of_two_names_the_first_stays);
    suite_add_tcase(suite, tc);
    return suite;
}
