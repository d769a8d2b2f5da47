/* Durations as text: valid forms, malformed ones, too large ones, and the same in a locale whose
 * decimal point is a comma. */
#include "bases.h"

#include "base/duration.h"
#include "locales.h"

#include <errand/result.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    int64_t ms;
} forms[] = {
    { "0", 0 },
    { "0.000", 0 },
    { "0h", 0 },
    { "0e999999999999", 0 },
    { "1", 1000 },
    { "1.5", 1500 },
    { ".5", 500 },
    { "5.", 5000 },
    { "007", 7000 },
    { "2s", 2000 },
    { "200ms", 200 },
    { "2m", 120000 },
    { "0.5m", 30000 },
    { "1h", 3600000 },
    { "1.25h", 4500000 },
    { "1e3", 1000000 },
    { "15E-1", 1500 },
    { "2e+1s", 20000 },
    { "1e-3m", 60 },
    { "0.3", 300 },
    { "0.1ms", 1 }, /* never rounded to 0 */
    { "1e-999999999999", 1 },
    { "0.0000000000000000000000000000000000000000000000000001h", 1 },
    { "1.4999ms", 1 },
    { "1.5ms", 2 },
    { "2.5ms", 3 },
    { "0.0025", 3 },
    { "2.4999999999999999999999999ms", 2 }, /* the nearest double is 2.5 */
    { "1.0005", 1001 },                     /* the nearest double is below it */
    { "86400", 86400000 },
    { "9007199254740993ms", INT64_C(9007199254740993) }, /* 2^53 + 1: not a double */
    { "9223372036854775806ms", INT64_MAX - 1 },
    { "9223372036854775.806", INT64_MAX - 1 },
    { "9223372036854775806000000000000000000000000000000000e-33ms", INT64_MAX - 1 },
    { "0000000000000000000000000000000000000000000000000000000000000001.5s", 1500 },
};
#define FORMS ((int)(sizeof forms / sizeof *forms))

START_TEST(each_form_of_a_duration_is_parsed)
{
    int64_t ms = -7;
    int error = errand_parse_duration(forms[_i].text, &ms);
    ck_assert_msg(!error && ms == forms[_i].ms, "%s: error %d, %lld ms", forms[_i].text, error,
                  (long long)ms);
}
END_TEST

static const char *const junk[] = {
    "",      " ",    ".",        "s",     "ms",         "-1",   "+1",   "1 s",   " 1",
    "1 ",    "1,5",  "1.2.3",    "1..2",  "1.5.",       "0x10", "inf",  "nan",   "1e",
    "1e+",   "1es",  "1e1.5",    "1S",    "1MS",        "1d",   "1sec", "1min",  "1ss",
    "1h30m", "1us",  "1ms ",     "soon",  "1\n",        "e3",   "--1",  "1_000", "\xd9\xa1",
    "1m1",   "1msx", "infinity", "1e1e1", "1\xc2\xa0s",
};

START_TEST(a_malformed_duration_is_EINVAL)
{
    int64_t ms = -7;
    int error = errand_parse_duration(junk[_i], &ms);
    ck_assert_msg(error == EINVAL && ms == -7, "\"%s\": error %d, %lld ms", junk[_i], error,
                  (long long)ms);
}
END_TEST

static const char *const too_large[] = {
    "9223372036854775807ms", /* ERRAND_FOREVER is no duration */
    "9223372036854775806.5ms",
    "9223372036854775808ms",
    "9223372036854776",
    "18446744073709551616ms", /* 2^64 */
    "2562047788016h",
    "340282366920938463463374607431768211456ms", /* 2^128 */
    "1e19",
    "1e400",
    "1e99999999999999999999999999",
    "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999h",
};

START_TEST(a_duration_too_large_is_ERANGE)
{
    int64_t ms = -7;
    int error = errand_parse_duration(too_large[_i], &ms);
    ck_assert_msg(error == ERANGE && ms == -7, "%s: error %d, %lld ms", too_large[_i], error,
                  (long long)ms);
}
END_TEST

START_TEST(a_NULL_duration_is_EINVAL)
{
    int64_t ms = -7;
    ck_assert_int_eq(errand_parse_duration(NULL, &ms), EINVAL);
    ck_assert_int_eq(errand_parse_duration("1", NULL), EINVAL);
    ck_assert_int_eq(ms, -7);
}
END_TEST

/* The buffer ends where the text ends, so that a sanitizer reports a read beyond it. */
START_TEST(parsing_reads_no_byte_beyond_the_length)
{
    const char *text = forms[_i].text;
    size_t size = strlen(text);
    char *copy = malloc(size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, size);
    int64_t ms = -7;
    ck_assert_int_eq(er_duration_read(copy, size, &ms), 0);
    ck_assert_int_eq(ms, forms[_i].ms);
    free(copy);
}
END_TEST

START_TEST(a_nul_byte_in_a_duration_is_EINVAL)
{
    int64_t ms = -7;
    ck_assert_int_eq(er_duration_read("1\0", 2, &ms), EINVAL);
    ck_assert_int_eq(er_duration_read("1s\0", 3, &ms), EINVAL);
    ck_assert_int_eq(er_duration_read("", 0, &ms), EINVAL);
    ck_assert_int_eq(ms, -7);
}
END_TEST

START_TEST(parsing_a_duration_ignores_the_locale)
{
    if (!comma_locale()) return;
    for (int i = 0; i < FORMS; i++) {
        int64_t ms = -7;
        ck_assert_int_eq(errand_parse_duration(forms[i].text, &ms), 0);
        ck_assert_int_eq(ms, forms[i].ms);
    }
    int64_t ms;
    ck_assert_int_eq(errand_parse_duration("1,5", &ms), EINVAL);
}
END_TEST

Suite *durations_suite(void)
{
    Suite *suite = suite_create("durations");
    TCase *tests = tcase_create("durations");
    tcase_add_loop_test(tests, each_form_of_a_duration_is_parsed, 0, FORMS);
    tcase_add_loop_test(tests, a_malformed_duration_is_EINVAL, 0,
                        (int)(sizeof junk / sizeof *junk));
    tcase_add_loop_test(tests, a_duration_too_large_is_ERANGE, 0,
                        (int)(sizeof too_large / sizeof *too_large));
    tcase_add_test(tests, a_NULL_duration_is_EINVAL);
    tcase_add_loop_test(tests, parsing_reads_no_byte_beyond_the_length, 0, FORMS);
    tcase_add_test(tests, a_nul_byte_in_a_duration_is_EINVAL);
    tcase_add_test(tests, parsing_a_duration_ignores_the_locale);
    suite_add_tcase(suite, tests);
    return suite;
}
