/* JSON as text: what is valid and what is not, and that copied text keeps every character. */
#include "jobs/json_scan.h"
#include "jobs/suites.h"

#include <string.h>

static er_span span(const char *text) { return (er_span){ text, strlen(text) }; }

static bool good(const char *text)
{
    size_t where;
    const char *why;
    return er_json_check(span(text), &where, &why) == 0;
}

static const char *const json[] = {
    "{}",
    "[]",
    "0",
    "-0",
    "12",
    "-1.5e+10",
    "1E5",
    "\"\"",
    "true",
    "false",
    "null",
    " [1 , 2]\t\n\r",
    "[[],{},[{}]]",
    "{\"a\":1,\"a\":2}",
    "\"\\u00e9\\ud83d\\ude00\\ud800\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"",
    "123456789012345678901234567890.5e-400",
    "{\"\":{\"\":[]}}",
};

START_TEST(valid_json_is_accepted) { ck_assert_msg(good(json[_i]), "%s", json[_i]); }
END_TEST

static const char *const not_json[] = {
    "",
    " ",
    "{",
    "[",
    "[1,]",
    "{\"a\":1,}",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{'a':1}",
    "[1 2]",
    "01",
    "-",
    "+1",
    ".5",
    "1.",
    "1e",
    "1e+",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "True",
    "\"",
    "\"\\",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\u12\"",
    "\"a\nb\"",
    "\"\t\"",
    "{} {}",
    "[]]",
    "}",
    "]",
    "[}",
    "{]",
    "1,2",
    "/* */ 1",
    "\"\xc3\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xff\"",
    "\"\x80\"",
    "\"\xe2\x82\"",
    "\xef\xbb\xbf{}",
};

START_TEST(invalid_json_is_refused) { ck_assert_msg(!good(not_json[_i]), "%s", not_json[_i]); }
END_TEST

START_TEST(a_nul_byte_is_refused_anywhere)
{
    static const struct {
        const char *at;
        size_t size;
    } with_nul[] = {
        { "{}\0", 3 }, { "\0{}", 3 }, { "\"a\0\"", 4 }, { "[\0]", 3 }, { "tr\0e", 4 }
    };
    for (size_t i = 0; i < sizeof with_nul / sizeof *with_nul; i++) {
        size_t where;
        const char *why;
        ck_assert_int_ne(er_json_check((er_span){ with_nul[i].at, with_nul[i].size }, &where, &why),
                         0);
    }
}
END_TEST

START_TEST(every_cut_value_is_refused_without_reading_on)
{
    static const char whole[] = "{\"a\":[1.5e3,true,\"\\u00e9x\",{\"b\":null}]}";
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        char *cut = er_copy_bytes(whole, n); /* so that a sanitizer sees a read past it */
        char *exact = er_resize(cut, n ? n : 1);
        size_t where = SIZE_MAX;
        const char *why = NULL;
        ck_assert_int_ne(er_json_check((er_span){ exact, n }, &where, &why), 0);
        ck_assert_uint_le(where, n);
        ck_assert_ptr_nonnull(why);
        er_free(exact);
    }
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    char text[2 * ER_JSON_DEPTH + 3] = "";
    memset(text, '[', ER_JSON_DEPTH);
    memset(text + ER_JSON_DEPTH, ']', ER_JSON_DEPTH);
    ck_assert(good(text));
    memset(text, '[', ER_JSON_DEPTH + 1);
    memset(text + ER_JSON_DEPTH + 1, ']', ER_JSON_DEPTH + 1);
    ck_assert(!good(text));
}
END_TEST

START_TEST(a_refusal_says_where_and_why)
{
    size_t where = 0;
    const char *why = NULL;
    ck_assert_int_ne(er_json_check(span("{\"url\": \"x\" \"id\": 1}"), &where, &why), 0);
    ck_assert_uint_eq(where, 12);
    ck_assert_str_eq(why, "expected a comma or }");
}
END_TEST

START_TEST(members_come_in_order_with_their_text)
{
    er_span object = span(
                " { \"a\" : [1, {\"x\":\"]}\"}] ,\"b\\\"\":-1.50e3,\"c\":{ } , \"d\":\"\\\\\" } "),
            key, value;
    static const char *const wanted[][2] = {
        { "\"a\"", "[1, {\"x\":\"]}\"}]" },
        { "\"b\\\"\"", "-1.50e3" },
        { "\"c\"", "{ }" },
        { "\"d\"", "\"\\\\\"" },
    };
    size_t cursor = 0, n = 0;
    while (er_json_member(object, &cursor, &key, &value)) {
        ck_assert_uint_lt(n, 4);
        ck_assert_uint_eq(key.size, strlen(wanted[n][0]));
        ck_assert_mem_eq(key.at, wanted[n][0], key.size);
        ck_assert_uint_eq(value.size, strlen(wanted[n][1]));
        ck_assert_mem_eq(value.at, wanted[n][1], value.size);
        n++;
    }
    ck_assert_uint_eq(n, 4);
    cursor = 0;
    ck_assert(!er_json_member(span("{ }"), &cursor, &key, &value));
}
END_TEST

static const struct {
    const char *written, *means;
} strings[] = {
    { "\"plain\"", "plain" },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
    { "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac" },
    { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
    { "\"\\uD800\"", "\xef\xbf\xbd" },
    { "\"\\udc00x\"", "\xef\xbf\xbdx" },
    { "\"\\ud800\\u0041\"", "\xef\xbf\xbd"
                            "A" },
    { "\"\"", "" },
};

START_TEST(a_string_is_decoded)
{
    size_t size = 99;
    char *text = er_json_decode(span(strings[_i].written), &size);
    ck_assert_uint_eq(size, strlen(strings[_i].means));
    ck_assert_str_eq(text, strings[_i].means);
    er_free(text);
}
END_TEST

START_TEST(compact_removes_only_white_space_between_tokens)
{
    er_bytes out = { 0 };
    er_json_compact(
        &out, span(" { \"a b\" :\n[ 1.00 , \"x \\\" y\" ],\t\"n\":12345678901234567890123 } "));
    ck_assert_str_eq(out.at, "{\"a b\":[1.00,\"x \\\" y\"],\"n\":12345678901234567890123}");
    er_bytes_free(&out);
}
END_TEST

START_TEST(quoted_text_decodes_to_itself)
{
    char all[300];
    size_t n = 0;
    for (int c = 0; c < 128; c++) all[n++] = (char)c;
    memcpy(all + n, "\xc3\xa9\xf0\x9f\x98\x80", 6);
    n += 6;
    er_bytes out = { 0 };
    er_json_quote(&out, (er_span){ all, n });
    size_t where, size;
    const char *why;
    ck_assert_int_eq(er_json_check((er_span){ out.at, out.size }, &where, &why), 0);
    ck_assert_ptr_null(memchr(out.at, '\n', out.size));
    char *back = er_json_decode((er_span){ out.at, out.size }, &size);
    ck_assert_uint_eq(size, n);
    ck_assert_mem_eq(back, all, n);
    er_free(back);
    er_bytes_free(&out);
}
END_TEST

Suite *json_scan_suite(void)
{
    Suite *suite = suite_create("json_scan");
    TCase *tests = tcase_create("text");
    tcase_add_loop_test(tests, valid_json_is_accepted, 0, sizeof json / sizeof *json);
    tcase_add_loop_test(tests, invalid_json_is_refused, 0, sizeof not_json / sizeof *not_json);
    tcase_add_test(tests, a_nul_byte_is_refused_anywhere);
    tcase_add_test(tests, every_cut_value_is_refused_without_reading_on);
    tcase_add_test(tests, nesting_has_a_limit);
    tcase_add_test(tests, a_refusal_says_where_and_why);
    tcase_add_test(tests, members_come_in_order_with_their_text);
    tcase_add_loop_test(tests, a_string_is_decoded, 0, sizeof strings / sizeof *strings);
    tcase_add_test(tests, compact_removes_only_white_space_between_tokens);
    tcase_add_test(tests, quoted_text_decodes_to_itself);
    suite_add_tcase(suite, tests);
    return suite;
}
