/* JSON pointers into text. */
#include "jobs/json_pointer.h"
#include "jobs/suites.h"

#include <string.h>

/* RFC 6901, 5, and what is beyond it */
static const char document[] =
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
    "\"k\\\"l\":6,\" \":7,\"m~n\":8, \"n\" : 123456789012345678901234567890.50 ,\"twice\":1,"
    "\"twice\":2,\"caf\\u00e9\":{\"x\":[[],[{}, {\"y\" : null}]]},\"k\":{\"0\":true}}";

static const struct {
    const char *pointer, *value; /* NULL: there is none */
} found[] = {
    { "/foo", "[\"bar\",\"baz\"]" },
    { "/foo/0", "\"bar\"" },
    { "/foo/1", "\"baz\"" },
    { "/", "0" },
    { "/a~1b", "1" },
    { "/c%d", "2" },
    { "/e^f", "3" },
    { "/g|h", "4" },
    { "/i\\j", "5" },
    { "/k\"l", "6" },
    { "/ ", "7" },
    { "/m~0n", "8" },
    { "/n", "123456789012345678901234567890.50" },
    { "/twice", "2" },
    { "/caf\xc3\xa9/x/1/1/y", "null" },
    { "/caf\xc3\xa9/x/0", "[]" },
    { "/k/0", "true" },
    { "/foo/2", NULL },
    { "/foo/-", NULL },
    { "/foo/00", NULL },
    { "/foo/01", NULL },
    { "/foo/", NULL },
    { "/foo/1/0", NULL },
    { "/foo/99999999999999999999", NULL },
    { "/fo", NULL },
    { "/n/0", NULL },
    { "/caf\xc3\xa9/x/0/0", NULL },
    { "//", NULL },
};

START_TEST(a_pointer_finds_the_text_of_a_value)
{
    er_span value, text = { document, sizeof document - 1 };
    ck_assert(er_json_pointer_valid(found[_i].pointer));
    ck_assert_int_eq(er_json_pointer_find(text, found[_i].pointer, &value), 0);
    if (!found[_i].value) {
        ck_assert_ptr_null(value.at);
        return;
    }
    ck_assert_ptr_nonnull(value.at);
    ck_assert_uint_eq(value.size, strlen(found[_i].value));
    ck_assert_mem_eq(value.at, found[_i].value, value.size);
}
END_TEST

START_TEST(the_empty_pointer_is_the_whole)
{
    er_span value;
    ck_assert_int_eq(er_json_pointer_find((er_span){ " 12 ", 4 }, "", &value), 0);
    ck_assert_uint_eq(value.size, 2);
    ck_assert_int_eq(er_json_pointer_find((er_span){ " 12 ", 4 }, "/0", &value), 0);
    ck_assert_ptr_null(value.at);
}
END_TEST

START_TEST(what_is_no_pointer_is_refused)
{
    static const char *const wrong[] = { "a", "a/b", "#/a", "/~", "/~2", "/a~", "/a/~x", "/\xff" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!er_json_pointer_valid(wrong[i]), "%s", wrong[i]);
}
END_TEST

Suite *json_pointer_suite(void)
{
    Suite *suite = suite_create("json_pointer");
    TCase *tests = tcase_create("pointers");
    tcase_add_loop_test(tests, a_pointer_finds_the_text_of_a_value, 0,
                        sizeof found / sizeof *found);
    tcase_add_test(tests, the_empty_pointer_is_the_whole);
    tcase_add_test(tests, what_is_no_pointer_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
