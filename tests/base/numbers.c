/* Decimal digits compared with snprintf; stamps compared with the clocks; barriers. */
#include "bases.h"

#include "base/clock.h"
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double some(uint64_t *state)
{
    uint64_t bits = er_random_next(state);
    double d;
    switch (er_random_next(state) % 4) {
    case 0: memcpy(&d, &bits, 8); return isfinite(d) ? fabs(d) : 0;
    case 1: return (double)(bits >> 11) / (double)(UINT64_C(1) << er_random_next(state) % 60);
    case 2: return (double)(bits % 100000) / 8; /* halves */
    default: return (double)(bits % 1000000) * 1e-6;
    }
}

START_TEST(integers_are_printed_exactly)
{
    uint64_t state = 1;
    for (unsigned i = 0, many = scaled(100000); i < many; i++) {
        uint64_t value = er_random_next(&state) >> i % 64;
        char digits[ER_DECIMAL + 1], expected[24];
        if (i < 20) value = i;
        if (i == 20) value = UINT64_MAX;
        digits[er_decimal(digits, value)] = '\0';
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);
        if (strcmp(digits, expected) != 0) ck_abort_msg("%s instead of %s", digits, expected);
    }
}
END_TEST

START_TEST(fixed_digits_are_exact_or_declined)
{
    uint64_t state = 2;
    unsigned refused = 0, many = scaled(100000);
    for (unsigned i = 0; i < many; i++) {
        double value = some(&state);
        unsigned precision = (unsigned)(er_random_next(&state) % 18);
        char digits[ER_FIXED], expected[400];
        size_t n = er_fixed(digits, value, precision);
        refused += !n;
        if (!n) continue;
        digits[n] = '\0';
        snprintf(expected, sizeof expected, "%.*f", (int)precision, value);
        if (strcmp(digits, expected) != 0) ck_abort_msg("%s instead of %s", digits, expected);
    }
    ck_assert_uint_lt(refused, many / 4);
}
END_TEST

START_TEST(all_digits_round_as_printf_rounds)
{
    uint64_t state = 3;
    for (unsigned i = 0, many = scaled(20000); i < many; i++) {
        double value = some(&state);
        unsigned precision = (unsigned)(er_random_next(&state) % 40);
        char digits[ER_DIGITS], made[64], expected[64];
        int point;
        size_t n = er_digits(digits, value, &point), at = 0;
        if (value == 0) {
            ck_assert_uint_eq(n, 0);
            continue;
        }
        n = er_digits_round(digits, n, precision + 1, &point);
        for (size_t k = 0; k <= precision; k++) {
            if (k == 1) made[at++] = '.';
            made[at++] = k < n ? digits[k] : '0';
        }
        snprintf(made + at, sizeof made - at, "e%+03d", point - 1);
        snprintf(expected, sizeof expected, "%.*e", (int)precision, value);
        if (strcmp(made, expected) != 0) ck_abort_msg("%s instead of %s", made, expected);
    }
}
END_TEST

START_TEST(stamps_convert_to_wall_clock_time)
{
    er_stamps s;
    er_stamps_init(&s);
    for (int i = 0; i < 3; i++) {
        int64_t before = er_wall_ns();
        uint64_t stamp = er_stamp();
        int64_t after = er_wall_ns(), wall = er_stamps_wall(&s, stamp);
        ck_assert_msg(wall > before - 1000000 && wall < after + 1000000,
                      "%ld not between %ld and %ld", (long)wall, (long)before, (long)after);
        ck_assert_uint_ge(er_stamp(), stamp);
        er_stamps_look(&s);
    }
    ck_assert_uint_gt(er_stamps_of(&s, 1000000000), 1000000);
}
END_TEST

START_TEST(barrier_support_is_constant)
{
    if (er_barrier_ready()) er_barrier();
    ck_assert(er_barrier_ready() == er_barrier_ready());
}
END_TEST

Suite *numbers_suite(void)
{
    Suite *suite = suite_create("numbers");
    TCase *tests = tcase_create("numbers");
    tcase_add_test(tests, integers_are_printed_exactly);
    tcase_add_test(tests, fixed_digits_are_exact_or_declined);
    tcase_add_test(tests, all_digits_round_as_printf_rounds);
    tcase_add_test(tests, stamps_convert_to_wall_clock_time);
    tcase_add_test(tests, barrier_support_is_constant);
    suite_add_tcase(suite, tests);
    return suite;
}
