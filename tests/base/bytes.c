/* Growing buffers, and structs of older and newer callers. */
#include "bases.h"
#include "locales.h"

#include "base/bytes.h"
#include "base/options.h"

#include <errand/result.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(bytes_are_appended_in_order_and_nul_terminated)
{
    er_bytes b = { 0 };
    char model[5001] = "";
    uint64_t seed = 1;
    while (b.size < 4000) {
        char part[100];
        size_t n = er_random_next(&seed) % 90;
        for (size_t i = 0; i < n; i++) part[i] = (char)('a' + er_random_next(&seed) % 26);
        part[n] = '\0';
        memcpy(model + b.size, part, n + 1);
        switch (er_random_next(&seed) % 3) {
        case 0: er_bytes_add(&b, part, n); break;
        case 1: er_bytes_text(&b, part); break;
        default: er_bytes_format(&b, "%s", part); break;
        }
        ck_assert_int_eq(b.error, 0);
        if (b.at) ck_assert_str_eq(b.at, model);
    }
    size_t drop = 1234;
    er_bytes_drop(&b, drop);
    ck_assert_str_eq(b.at, model + drop);
    er_bytes_drop(&b, 0);
    er_bytes_drop(&b, b.size);
    ck_assert_uint_eq(b.size, 0);
    ck_assert_str_eq(b.at, "");
    er_bytes_free(&b);
    ck_assert_ptr_null(b.at);
}
END_TEST

START_TEST(a_buffer_may_hold_any_bytes)
{
    er_bytes b = { 0 };
    er_bytes_add(&b, "a\0b", 3);
    er_bytes_add(&b, NULL, 0);
    ck_assert_uint_eq(b.size, 3);
    ck_assert_int_eq(memcmp(b.at, "a\0b", 4), 0);
    er_bytes_free(&b);
}
END_TEST

START_TEST(taking_the_memory_empties_the_buffer)
{
    er_bytes b = { 0 };
    char *nothing = er_bytes_take(&b);
    ck_assert_str_eq(nothing, "");
    er_free(nothing);
    er_bytes_text(&b, "hello");
    char *text = er_bytes_take(&b);
    ck_assert_str_eq(text, "hello");
    ck_assert_ptr_null(b.at);
    ck_assert_uint_eq(b.size, 0);
    er_bytes_text(&b, "again");
    ck_assert_str_eq(b.at, "again");
    er_bytes_free(&b);
    er_free(text);
}
END_TEST

START_TEST(reserved_memory_does_not_move)
{
    er_bytes b = { 0 };
    ck_assert_int_eq(er_bytes_reserve(&b, 10000), 0);
    char *at = b.at;
    for (int i = 0; i < 10000; i++) er_bytes_add(&b, "x", 1);
    ck_assert_ptr_eq(b.at, at);
    ck_assert_uint_eq(b.size, 10000);
    er_bytes_free(&b);
}
END_TEST

START_TEST(a_buffer_refuses_everything_after_its_first_failure)
{
    er_bytes b = { 0 };
    er_bytes_text(&b, "before");
    ck_assert_int_eq(er_bytes_reserve(&b, SIZE_MAX), ENOMEM);
    ck_assert_int_eq(b.error, ENOMEM);
    er_bytes_text(&b, "after");
    er_bytes_format(&b, "%d", 5);
    ck_assert_int_eq(b.error, ENOMEM);
    ck_assert_str_eq(b.at, "before");
    ck_assert_ptr_null(er_bytes_take(&b));
    er_bytes_free(&b);
    ck_assert_int_eq(b.error, 0);
}
END_TEST

START_TEST(formatting_ignores_the_programs_locale)
{
    if (!comma_locale()) return; /* no such locale */
    er_bytes b = { 0 };
    er_bytes_format(&b, "%.1f %s", 1.5, "there");
    ck_assert_str_eq(b.at, "1.5 there");
    er_bytes_free(&b);
    errand_result r = errand_failf(EIO, "in %.1f s", 2.5);
    ck_assert_str_eq(errand_result_message(&r), "in 2.5 s");
    errand_result_free(&r);
}
END_TEST

Suite *bytes_suite(void)
{
    Suite *suite = suite_create("bytes");
    TCase *tc = tcase_create("bytes");
    tcase_add_test(tc, bytes_are_appended_in_order_and_nul_terminated);
    tcase_add_test(tc, a_buffer_may_hold_any_bytes);
    tcase_add_test(tc, taking_the_memory_empties_the_buffer);
    tcase_add_test(tc, reserved_memory_does_not_move);
    tcase_add_test(tc, a_buffer_refuses_everything_after_its_first_failure);
    tcase_add_test(tc, formatting_ignores_the_programs_locale);
    suite_add_tcase(suite, tc);
    return suite;
}

/* ---- options ---- */

typedef struct ours {
    int first;
    int64_t second;
} ours;
typedef struct newer {
    int first;
    int64_t second, third;
} newer;

START_TEST(missing_options_are_all_zero)
{
    ours o = { 1, 2 };
    ck_assert_int_eq(er_options(&o, sizeof o, NULL, sizeof o), 0);
    ck_assert_int_eq(o.first, 0);
    ck_assert_int_eq(o.second, 0);
}
END_TEST

START_TEST(an_older_callers_options_are_padded_with_zeros)
{
    ours given = { 1, 2 }, o;
    ck_assert_int_eq(er_options(&o, sizeof o, &given, offsetof(ours, second)), 0);
    ck_assert_int_eq(o.first, 1);
    ck_assert_int_eq(o.second, 0);
}
END_TEST

START_TEST(a_newer_callers_tail_must_be_zero)
{
    newer given = { 1, 2, 0 };
    ours o;
    ck_assert_int_eq(er_options(&o, sizeof o, &given, sizeof given), 0);
    ck_assert_int_eq(o.first, 1);
    ck_assert_int_eq(o.second, 2);
    for (unsigned byte = 0; byte < 8; byte++) {
        given.third = INT64_C(1) << (8 * byte);
        ck_assert_int_eq(er_options(&o, sizeof o, &given, sizeof given), ENOTSUP);
    }
}
END_TEST

START_TEST(options_of_size_0_are_EINVAL)
{
    ours given = { 1, 2 }, o;
    ck_assert_int_eq(er_options(&o, sizeof o, &given, 0), EINVAL);
}
END_TEST

START_TEST(a_returned_struct_is_cut_or_padded_with_zeros)
{
    ours o = { 1, 2 };
    newer theirs = { 9, 9, 9 };
    ck_assert_int_eq(er_options_give(&theirs, sizeof theirs, &o, sizeof o), 0);
    ck_assert_int_eq(theirs.first, 1);
    ck_assert_int_eq(theirs.second, 2);
    ck_assert_int_eq(theirs.third, 0);
    ours old = { 9, 9 };
    ck_assert_int_eq(er_options_give(&old, offsetof(ours, second), &o, sizeof o), 0);
    ck_assert_int_eq(old.first, 1);
    ck_assert_int_eq(old.second, 9);
    ck_assert_int_eq(er_options_give(NULL, 8, &o, sizeof o), EINVAL);
    ck_assert_int_eq(er_options_give(&old, 0, &o, sizeof o), EINVAL);
}
END_TEST

START_TEST(a_time_option_is_a_default_zero_forever_or_refused)
{
    static const struct {
        int64_t given, becomes;
        int error;
    } rows[] = {
        { 0, 42, 0 }, { ERRAND_ZERO, 0, 0 }, { ERRAND_FOREVER, ERRAND_FOREVER, 0 },
        { 7, 7, 0 },  { -1, -1, EINVAL },    { INT64_MIN + 1, INT64_MIN + 1, EINVAL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t value = rows[i].given;
        ck_assert_int_eq(er_option_ms(&value, 42), rows[i].error);
        ck_assert_int_eq(value, rows[i].becomes);
    }
}
END_TEST

Suite *options_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("options");
    tcase_add_test(tc, missing_options_are_all_zero);
    tcase_add_test(tc, an_older_callers_options_are_padded_with_zeros);
    tcase_add_test(tc, a_newer_callers_tail_must_be_zero);
    tcase_add_test(tc, options_of_size_0_are_EINVAL);
    tcase_add_test(tc, a_returned_struct_is_cut_or_padded_with_zeros);
    tcase_add_test(tc, a_time_option_is_a_default_zero_forever_or_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
