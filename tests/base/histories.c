/* The attempts behind a result: the first 8 and the last 24 of a long run. */
#include "bases.h"

#include "base/result.h"

#include <errno.h>
#include <string.h>

static errand_attempt attempt_number(unsigned n)
{
    return (errand_attempt){ .number = n,
                             .error = ERRAND_USER + (int)n,
                             .began_ms = 10 * n,
                             .took_ms = n,
                             .then_waited_ms = -1,
                             .why_waited = "" };
}

static errand_result after(unsigned attempts)
{
    errand_result r = errand_fail(EIO);
    er_history *history = NULL;
    for (unsigned n = 1; n <= attempts; n++) {
        errand_attempt a = attempt_number(n);
        er_history_add(&history, &a);
        errand_attempt *last = er_history_last(history);
        ck_assert_ptr_nonnull(last);
        ck_assert_uint_eq(last->number, n);
        last->then_waited_ms = 2 * n; /* completed later */
    }
    er_result_attempted(&r, history);
    return r;
}

START_TEST(a_history_keeps_the_first_8_and_the_last_24)
{
    for (unsigned n = 1; n <= 200; n++) {
        errand_result r = after(n);
        ck_assert_uint_eq(errand_result_attempts(&r), n);
        unsigned kept = n < 32 ? n : 32;
        for (unsigned i = 0; i < kept; i++) {
            errand_attempt a;
            unsigned number = n > 32 && i >= 8 ? n - 32 + i + 1 : i + 1;
            ck_assert_int_eq(errand_result_attempt(&r, i, &a), 0);
            ck_assert_msg(a.number == number, "of %u, attempt %u is number %u, not %u", n, i,
                          a.number, number);
            ck_assert_int_eq(a.error, ERRAND_USER + (int)number);
            ck_assert_int_eq(a.then_waited_ms, 2 * number);
        }
        errand_attempt a;
        ck_assert_int_eq(errand_result_attempt(&r, kept, &a), ENOENT);
        ck_assert_int_eq(errand_result_attempt(&r, (size_t)-1, &a), ENOENT);
        errand_result_free(&r);
    }
}
END_TEST

START_TEST(an_older_callers_attempt_is_filled_up_to_its_size)
{
    errand_result r = after(3);
    errand_attempt a;
    memset(&a, 0x55, sizeof a);
    ck_assert_int_eq(errand_result_attempt_sized(&r, 1, &a, offsetof(errand_attempt, began_ms)), 0);
    ck_assert_uint_eq(a.number, 2);
    ck_assert_int_eq(a.error, ERRAND_USER + 2);
    ck_assert_int_eq(a.began_ms, 0x5555555555555555);
    ck_assert_int_eq(errand_result_attempt_sized(&r, 1, &a, 0), EINVAL);
    ck_assert_int_eq(errand_result_attempt_sized(&r, 1, NULL, sizeof a), EINVAL);
    struct {
        errand_attempt a;
        char more[16];
    } newer;
    memset(&newer, 0x55, sizeof newer);
    ck_assert_int_eq(errand_result_attempt_sized(&r, 2, &newer.a, sizeof newer), 0);
    ck_assert_uint_eq(newer.a.number, 3);
    for (size_t i = 0; i < sizeof newer.more; i++) ck_assert_int_eq(newer.more[i], 0);
    errand_result_free(&r);
}
END_TEST

START_TEST(the_history_of_the_outer_run_replaces_the_inner_one)
{
    errand_result r = after(2);
    er_history *other = NULL;
    errand_attempt a = attempt_number(1);
    er_history_add(&other, &a);
    er_result_attempted(&r, other);
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    er_result_attempted(&r, NULL);
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    errand_result_free(&r);
    ck_assert_uint_eq(errand_result_attempts(NULL), 0);
}
END_TEST

Suite *histories_suite(void)
{
    Suite *suite = suite_create("histories");
    TCase *tc = tcase_create("histories");
    tcase_add_test(tc, a_history_keeps_the_first_8_and_the_last_24);
    tcase_add_test(tc, an_older_callers_attempt_is_filled_up_to_its_size);
    tcase_add_test(tc, the_history_of_the_outer_run_replaces_the_inner_one);
    suite_add_tcase(suite, tc);
    return suite;
}
