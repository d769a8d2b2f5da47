/* The arithmetic of an adaptive limit, against a server of arithmetic. */
#include "policy/adapt.h"

#include "runs.h"

#include "base/result.h"

#include <errno.h>
#include <limits.h>

enum { MS = 1000000 };

typedef struct served { /* rounds of as many calls as may be */
    er_adapt a;
    int64_t now_ns;
} served;

static served begin(unsigned least, unsigned permits, unsigned most)
{
    served s = { .now_ns = 1000000000 };
    er_adapt_init(&s.a, least, permits, most);
    return s;
}

/* As many calls as may be, which end alike after ms. */
static void a_round(served *s, er_bearing how, int64_t ms)
{
    int64_t began = ++s->now_ns;
    er_adapt_full(&s->a, began);
    s->now_ns += ms * MS;
    for (unsigned n = s->a.size; n; n--) er_adapt_ended(&s->a, how, began, s->now_ns);
}

START_TEST(it_doubles_a_round_until_the_first_decrease_then_adds_one)
{
    served s = begin(1, 4, 1000);
    for (unsigned size = 4; size < 500; size *= 2) {
        ck_assert_uint_eq(s.a.size, size);
        a_round(&s, ER_BORE_SUCCESS, 10);
    }
    ck_assert_uint_eq(s.a.size, 512);
    a_round(&s, ER_BORE_NOT, 10);
    ck_assert_uint_eq(s.a.size, 358); /* one decrease for all of the round */
    for (unsigned size = 359; size < 380; size++) {
        a_round(&s, ER_BORE_WELL, 10);
        ck_assert_uint_eq(s.a.size, size);
    }
    ck_assert_uint_eq(s.a.decreases, 1);
    ck_assert_uint_eq(s.a.increases, 508 + 21);
}
END_TEST

START_TEST(it_stays_below_what_was_refused_longer_each_time)
{
    served s = begin(1, 4, 100);
    unsigned refusals = 0, rounds = 0, at_ten = 0;
    for (; rounds < 1000; rounds++) { /* of a server that bears ten */
        at_ten += s.a.size == 10;
        refusals += s.a.size > 10;
        a_round(&s, s.a.size > 10 ? ER_BORE_NOT : ER_BORE_WELL, 10);
        ck_assert_uint_le(s.a.size, 16);
    }
    ck_assert_uint_ge(at_ten, 850);
    ck_assert_uint_le(refusals, 25);
    for (rounds = 0; s.a.size < 100; rounds++) a_round(&s, ER_BORE_WELL, 10);
    ck_assert_uint_le(rounds, 64 + 94); /* it bears more now */
}
END_TEST

START_TEST(it_stays_between_least_and_most)
{
    served s = begin(3, 10, 12);
    for (int i = 0; i < 9; i++) a_round(&s, ER_BORE_WELL, 1);
    ck_assert_uint_eq(s.a.size, 12);
    ck_assert_uint_eq(s.a.increases, 2);
    const unsigned sizes[] = { 8, 5, 3, 3, 3 };
    for (size_t i = 0; i < 5; i++) {
        a_round(&s, ER_BORE_NOT, 1);
        ck_assert_uint_eq(s.a.size, sizes[i]);
    }
    ck_assert_uint_eq(s.a.decreases, 3);
    s = begin(1, 2, INT_MAX);
    a_round(&s, ER_BORE_NOT, 1);
    ck_assert_uint_eq(s.a.size, 1);
    s = begin(1, INT_MAX, INT_MAX);
    er_adapt_ended(&s.a, ER_BORE_NOT, 1, 2);
    ck_assert_uint_eq(s.a.size, INT_MAX / 10 * 7 + 4);
}
END_TEST

START_TEST(calls_that_began_before_a_decrease_say_nothing)
{
    served s = begin(1, 10, 20);
    er_adapt_full(&s.a, 200 * MS);
    er_adapt_ended(&s.a, ER_BORE_NOT, 100 * MS, 200 * MS);
    ck_assert_uint_eq(s.a.size, 7);
    er_adapt_ended(&s.a, ER_BORE_NOT, 150 * MS, 300 * MS);
    er_adapt_ended(&s.a, ER_BORE_NOT, 200 * MS, 300 * MS);
    ck_assert_uint_eq(s.a.size, 7);
    er_adapt_full(&s.a, 300 * MS);
    for (int i = 0; i < 100; i++) er_adapt_ended(&s.a, ER_BORE_WELL, 199 * MS, 300 * MS);
    ck_assert_uint_eq(s.a.size, 7);
    er_adapt_ended(&s.a, ER_BORE_NOT, 200 * MS + 1, 300 * MS);
    ck_assert_uint_eq(s.a.size, 4);
}
END_TEST

START_TEST(it_grows_only_while_all_of_it_is_used)
{
    served s = begin(1, 4, 20);
    for (int i = 0; i < 50; i++) er_adapt_ended(&s.a, ER_BORE_WELL, i * MS, (i + 1) * MS);
    ck_assert_uint_eq(s.a.size, 4);
    er_adapt_full(&s.a, 100 * MS);
    er_adapt_ended(&s.a, ER_BORE_WELL, 100 * MS + 1, 101 * MS);
    ck_assert_uint_eq(s.a.size, 4);
    er_adapt_ended(&s.a, ER_BORE_WELL, 100 * MS, 101 * MS);
    ck_assert_uint_eq(s.a.size, 5);
    er_adapt_full(&s.a, 50 * MS); /* the clock of another thread was behind */
    er_adapt_ended(&s.a, ER_BORE_WELL, 99 * MS, 101 * MS);
    ck_assert_uint_eq(s.a.size, 6);
}
END_TEST

/* A server that works on `at_once` calls, 100 ms each, and queues the others: the largest number
 * and the last. */
static unsigned queue_up(served *s, unsigned at_once, unsigned rounds)
{
    unsigned largest = 0;
    for (unsigned i = 0; i < rounds; i++) {
        int64_t began = ++s->now_ns;
        unsigned n = s->a.size;
        er_adapt_full(&s->a, began);
        for (unsigned k = 0; k < n; k++) {
            s->now_ns = began + (1 + k / at_once) * 100 * MS;
            er_adapt_ended(&s->a, ER_BORE_SUCCESS, began, s->now_ns);
        }
        if (s->a.size > largest) largest = s->a.size;
    }
    return largest;
}

START_TEST(rising_latency_shrinks_it)
{
    served s = begin(1, 4, 1000);
    ck_assert_uint_le(queue_up(&s, 10, 20), 90); /* slow start overshoots once */
    ck_assert_uint_ge(s.a.decreases, 1);
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_le(queue_up(&s, 10, 100), 60);
        ck_assert_uint_ge(s.a.size, 8);
    }
}
END_TEST

START_TEST(a_rise_of_less_than_10_ms_does_not)
{
    served s = begin(1, 32, 32);
    for (int i = 0; i < 20; i++) a_round(&s, ER_BORE_SUCCESS, 1);
    for (int i = 0; i < 20; i++) a_round(&s, ER_BORE_SUCCESS, 10);
    ck_assert_uint_eq(s.a.decreases, 0);
    for (int i = 0; i < 20; i++) a_round(&s, ER_BORE_SUCCESS, 100);
    ck_assert_uint_ge(s.a.decreases, 1);
}
END_TEST

START_TEST(work_that_has_become_longer_is_borne_after_a_while)
{
    served s = begin(1, 4, 64);
    for (int i = 0; i < 20; i++) a_round(&s, ER_BORE_SUCCESS, 50);
    ck_assert_uint_eq(s.a.size, 64);
    for (int i = 0; i < 300; i++) a_round(&s, ER_BORE_SUCCESS, 1000); /* however few they are */
    ck_assert_uint_eq(s.a.size, 64);
    ck_assert_uint_ge(s.a.decreases, 1);
    ck_assert_uint_le(s.a.decreases, 12);
}
END_TEST

START_TEST(calls_of_different_lengths_are_no_rising_latency)
{
    served s = begin(1, 4, 64);
    uint32_t seed = 1;
    for (int round = 0; round < 1000; round++) {
        unsigned n = s.a.size;
        s.now_ns += 20001 * (int64_t)MS;
        er_adapt_full(&s.a, s.now_ns);
        for (unsigned i = 0; i < n; i++) { /* 0.1 s to 20 s */
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            int64_t ms = 100 + seed % 19900;
            er_adapt_ended(&s.a, ER_BORE_SUCCESS, s.now_ns - ms * MS, s.now_ns);
        }
    }
    ck_assert_uint_le(s.a.decreases, 8);
    ck_assert_uint_eq(s.a.size, 64);
}
END_TEST

START_TEST(a_time_of_zero_or_of_days_is_a_time)
{
    served s = begin(1, 16, 16);
    for (int i = 0; i < 4; i++) a_round(&s, ER_BORE_SUCCESS, 0);
    ck_assert_uint_eq(s.a.decreases, 0);
    for (int i = 0; i < 4; i++) a_round(&s, ER_BORE_SUCCESS, 7 * 86400 * (int64_t)1000);
    ck_assert_uint_ge(s.a.decreases, 1);
}
END_TEST

START_TEST(an_end_says_what_the_table_says)
{
    const struct {
        int error;
        errand_kind kind;
        er_bearing bearing;
    } ends[] = {
        { ERRAND_HTTP + 404, ERRAND_KIND_HTTP_CLIENT, ER_BORE_WELL },
        { ERRAND_HTTP + 401, ERRAND_KIND_AUTH, ER_BORE_WELL },
        { ERRAND_HTTP + 429, ERRAND_KIND_RATE_LIMITED, ER_BORE_NOT },
        { ERRAND_HTTP + 503, ERRAND_KIND_HTTP_SERVER, ER_BORE_NOT },
        { ERRAND_HTTP + 500, ERRAND_KIND_HTTP_SERVER, ER_BORE_UNKNOWN },
        { ECONNREFUSED, ERRAND_KIND_NETWORK, ER_BORE_NOT },
        { ETIMEDOUT, ERRAND_KIND_TIMEOUT, ER_BORE_NOT },
        { EINVAL, ERRAND_KIND_VALIDATION, ER_BORE_UNKNOWN },
        { ENOMEM, ERRAND_KIND_RESOURCE, ER_BORE_UNKNOWN },
        { EPROTO, ERRAND_KIND_PROTOCOL, ER_BORE_UNKNOWN },
        { ECANCELED, ERRAND_KIND_CANCELLED, ER_BORE_UNKNOWN },
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        errand_result r = errand_fail_as(ends[i].error, ends[i].kind, -1, false, "x");
        ck_assert_msg(er_bearing_of(&r) == ends[i].bearing, "%d", ends[i].error);
        errand_result_free(&r);
    }
    errand_result ok = errand_ok(NULL, NULL);
    ck_assert_int_eq(er_bearing_of(&ok), ER_BORE_SUCCESS);
    ck_assert_int_eq(er_bearing_of(NULL), ER_BORE_UNKNOWN);
    errand_result late = er_fail_by(ETIMEDOUT, ERRAND_BY_ATTEMPT),
                  too_late = er_fail_by(ETIMEDOUT, ERRAND_BY_TOTAL);
    ck_assert_int_eq(er_bearing_of(&late), ER_BORE_NOT);
    ck_assert_int_eq(er_bearing_of(&too_late), ER_BORE_UNKNOWN);
    errand_result_free(&late);
    errand_result_free(&too_late);
}
END_TEST

Suite *adapt_suite(void)
{
    Suite *suite = suite_create("adapt");
    TCase *tc = case_of(suite, "arithmetic");
    tcase_add_test(tc, it_doubles_a_round_until_the_first_decrease_then_adds_one);
    tcase_add_test(tc, it_stays_below_what_was_refused_longer_each_time);
    tcase_add_test(tc, it_stays_between_least_and_most);
    tcase_add_test(tc, calls_that_began_before_a_decrease_say_nothing);
    tcase_add_test(tc, it_grows_only_while_all_of_it_is_used);
    tcase_add_test(tc, rising_latency_shrinks_it);
    tcase_add_test(tc, a_rise_of_less_than_10_ms_does_not);
    tcase_add_test(tc, work_that_has_become_longer_is_borne_after_a_while);
    tcase_add_test(tc, calls_of_different_lengths_are_no_rising_latency);
    tcase_add_test(tc, a_time_of_zero_or_of_days_is_a_time);
    tcase_add_test(tc, an_end_says_what_the_table_says);
    return suite;
}
