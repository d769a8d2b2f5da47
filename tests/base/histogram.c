/* Percentiles are within 7 % of the exact ones. */
#include "base/histogram.h"

#include "bases.h"

START_TEST(percentiles_are_within_7_percent)
{
    er_histogram h = { 0 };
    for (uint64_t i = 1; i <= 100000; i++) er_histogram_add(&h, i);
    double p50 = (double)er_histogram_at(&h, 0.5), p99 = (double)er_histogram_at(&h, 0.99);
    ck_assert_msg(p50 > 50000 * 0.93 && p50 < 50000 * 1.07, "%f", p50);
    ck_assert_msg(p99 > 99000 * 0.93 && p99 < 99000 * 1.07, "%f", p99);
}
END_TEST

START_TEST(every_value_is_recorded_within_7_percent)
{
    for (uint64_t value = 0; value < UINT64_MAX / 3; value += value / 8 + 1) {
        er_histogram h = { 0 };
        er_histogram_add(&h, value);
        double back = (double)er_histogram_at(&h, 0.5), exact = (double)value;
        ck_assert_msg(back >= exact * 0.93 && back <= exact * 1.07, "%f for %f", back, exact);
    }
}
END_TEST

START_TEST(small_values_are_exact_and_large_ones_do_not_overflow)
{
    er_histogram h = { 0 };
    ck_assert_uint_eq(er_histogram_at(&h, 0.5), 0);
    for (uint64_t value = 0; value < 16; value++) {
        er_histogram one = { 0 };
        er_histogram_add(&one, value);
        ck_assert_uint_eq(er_histogram_at(&one, 1), value);
    }
    er_histogram_add(&h, UINT64_MAX);
    ck_assert_uint_gt(er_histogram_at(&h, 0), UINT64_MAX / 2);
}
END_TEST

Suite *histogram_suite(void)
{
    Suite *suite = suite_create("histogram");
    TCase *tests = tcase_create("histogram");
    tcase_add_test(tests, percentiles_are_within_7_percent);
    tcase_add_test(tests, every_value_is_recorded_within_7_percent);
    tcase_add_test(tests, small_values_are_exact_and_large_ones_do_not_overflow);
    suite_add_tcase(suite, tests);
    return suite;
}
