/* UTF-8, and its encodings in JSON, base64 and urls. */
#include "bases.h"

#include "base/bytes.h"
#include "base/json_escape.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *bytes;
    size_t length;
} characters[] = {
    { "a", 1 },
    { "\x7f", 1 },
    { "\xc2\x80", 2 },
    { "\xdf\xbf", 2 },
    { "\xe0\xa0\x80", 3 },
    { "\xed\x9f\xbf", 3 },
    { "\xee\x80\x80", 3 },
    { "\xf0\x90\x80\x80", 4 },
    { "\xf4\x8f\xbf\xbf", 4 },
    { "\x80", 0 },
    { "\xc1\x81", 0 },         /* overlong */
    { "\xe0\x9f\xbf", 0 },     /* overlong */
    { "\xf0\x8f\xbf\xbf", 0 }, /* overlong */
    { "\xed\xa0\x80", 0 },     /* a surrogate */
    { "\xf4\x90\x80\x80", 0 }, /* beyond U+10FFFF */
    { "\xf5\x80\x80\x80", 0 },
    { "\xc3", 0 }, /* cut */
    { "\xe2\x82", 0 },
    { "\xf0\x9f\x98", 0 },
    { "\xc3\xc3", 0 },
    { "\xe2\x82z", 0 },
};

START_TEST(a_character_has_the_length_of_rfc_3629)
{
    const unsigned char *at = (const unsigned char *)characters[_i].bytes;
    size_t size = strlen(characters[_i].bytes);
    ck_assert_uint_eq(er_utf8_length(at, at + size), characters[_i].length);
    ck_assert_int_eq(er_utf8_valid(characters[_i].bytes, size), characters[_i].length == size);
}
END_TEST

START_TEST(a_cut_never_leaves_half_a_character)
{
    /* of 1, 2, 3, 4 and 1 bytes */
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t wanted[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11 };
    for (size_t most = 0; most < sizeof wanted / sizeof *wanted; most++) {
        ck_assert_uint_eq(er_utf8_whole(text, most), wanted[most]);
        ck_assert(er_utf8_valid(text, wanted[most]));
    }
    ck_assert_uint_eq(er_utf8_whole("\x80\x80\x80\x80", 4), 4); /* not UTF-8: uncut */
}
END_TEST

START_TEST(a_json_escape_names_the_character)
{
    for (unsigned c = 0; c < 256; c++) {
        char text[ER_JSON_ESCAPE + 1] = "", wanted[ER_JSON_ESCAPE + 1];
        static const char shorts[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *found = c ? strchr(shorts, (int)c) : NULL;
        if (found && c < 0x80) snprintf(wanted, sizeof wanted, "\\%c", letters[found - shorts]);
        else snprintf(wanted, sizeof wanted, "\\u%04x", c);
        ck_assert_uint_eq(er_json_escape(text, (unsigned char)c), strlen(wanted));
        ck_assert_str_eq(text, wanted);
    }
}
END_TEST

START_TEST(base64_is_that_of_rfc_4648)
{
    static const char *const pairs[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "foobar", "Zm9vYmFy" },
        { "\xff\xfe\xfd", "//79" }
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        er_bytes out = { 0 };
        er_bytes_text(&out, ">");
        er_bytes_base64(&out, pairs[i][0], strlen(pairs[i][0]));
        ck_assert_str_eq(out.at + 1, pairs[i][1]);
        ck_assert_uint_eq(out.size, strlen(pairs[i][1]) + 1);
        er_bytes_free(&out);
    }
}
END_TEST

START_TEST(percent_encoding_uses_capital_hex_digits)
{
    er_bytes out = { 0 };
    for (const char *c = "\x01 \xc3\xff"; *c; c++) er_bytes_percent(&out, (unsigned char)*c);
    ck_assert_str_eq(out.at, "%01%20%C3%FF");
    er_bytes_free(&out);
}
END_TEST

Suite *utf8_suite(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tc = tcase_create("utf8");
    tcase_add_loop_test(tc, a_character_has_the_length_of_rfc_3629, 0,
                        sizeof characters / sizeof *characters);
    tcase_add_test(tc, a_cut_never_leaves_half_a_character);
    tcase_add_test(tc, a_json_escape_names_the_character);
    tcase_add_test(tc, base64_is_that_of_rfc_4648);
    tcase_add_test(tc, percent_encoding_uses_capital_hex_digits);
    suite_add_tcase(suite, tc);
    return suite;
}
