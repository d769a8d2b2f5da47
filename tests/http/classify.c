/* The tables that decide retries, and Retry-After. */
#include "http/classify.h"

#include "harness.h"

static const int64_t now = 1763816400; /* 2025-11-22 13:00:00 UTC */

START_TEST(digits_in_retry_after_are_seconds)
{
    ck_assert_int_eq(er_retry_after("0", NULL, now), 0);
    ck_assert_int_eq(er_retry_after("7", NULL, now), 7000);
    ck_assert_int_eq(er_retry_after("007", NULL, now), 7000);
    ck_assert_int_eq(er_retry_after_ms("1500"), 1500);
}
END_TEST

START_TEST(too_many_seconds_saturate)
{
    ck_assert_int_gt(er_retry_after("99999999999999999999999999", NULL, now), INT64_C(1) << 60);
    ck_assert_int_gt(er_retry_after("9223372036854775807", NULL, now), INT64_C(1) << 60);
}
END_TEST

START_TEST(all_three_date_formats_are_read)
{
    ck_assert_int_eq(er_retry_after("Sat, 22 Nov 2025 13:00:05 GMT", NULL, now), 5000);
    ck_assert_int_eq(er_retry_after("Saturday, 22-Nov-25 13:01:00 GMT", NULL, now), 60000);
    ck_assert_int_eq(er_retry_after("Sat Nov 22 13:00:30 2025", NULL, now), 30000);
    ck_assert_int_eq(er_retry_after("Mon Dec  1 13:00:00 2025", NULL, now),
                     INT64_C(9) * 86400 * 1000);
}
END_TEST

START_TEST(a_past_date_means_now)
{
    ck_assert_int_eq(er_retry_after("Sat, 22 Nov 2025 12:00:00 GMT", NULL, now), 0);
}
END_TEST

START_TEST(the_servers_own_date_corrects_the_clock)
{
    const char *hour_fast = "Sat, 22 Nov 2025 14:00:00 GMT";
    ck_assert_int_eq(er_retry_after("Sat, 22 Nov 2025 14:00:10 GMT", hour_fast, now), 10000);
    ck_assert_int_eq(er_retry_after("Sat, 22 Nov 2025 13:00:10 GMT", "yesterday", now), 10000);
}
END_TEST

static const char *const nonsense[] = {
    "",
    " ",
    "-1",
    "+1",
    "1.5",
    "10s",
    "1e3",
    "0x10",
    "ten",
    "1, 2",
    "tomorrow",
    "Sat, 22 Nov 2025 13:00:05 UTC",
    "Sat, 22 Nov 2025 13:00:05 +0100",
    "Sat, 22 Nov 2025 13:00:05 GMT ",
    "22 Nov 2025 13:00:05 GMT",
    "2025-11-22T13:00:05Z",
    "Sat, 2 Nov 2025 13:00:05 GMT",
    "Sat, 22 nov 2025 13:00:05 GMT",
    "Sat, 22 Nov 2025 99:00:05 GMT",
    "Sat, 22 Nov 2025",
};

START_TEST(an_invalid_retry_after_is_ignored)
{
    ck_assert_msg(er_retry_after(nonsense[_i], NULL, now) == -1, "\"%s\" was taken", nonsense[_i]);
    ck_assert_int_eq(er_retry_after_ms(nonsense[_i]), -1);
}
END_TEST

START_TEST(idempotent_methods_are_those_of_the_rfc)
{
    const char *yes[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" },
               *no[] = { "POST", "PATCH", "get", "QUERY" };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) ck_assert(er_method_idempotent(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) ck_assert(!er_method_idempotent(no[i]));
}
END_TEST

START_TEST(each_status_has_its_kind)
{
    for (int status = 400; status < 600; status++) {
        errand_kind kind = status == 401 || status == 403 || status == 407 ? ERRAND_KIND_AUTH
                           : status == 429 ? ERRAND_KIND_RATE_LIMITED
                           : status < 500  ? ERRAND_KIND_HTTP_CLIENT
                                           : ERRAND_KIND_HTTP_SERVER;
        ck_assert_int_eq(er_status_kind(status), kind);
    }
    ck_assert_int_eq(er_status_kind(777), ERRAND_KIND_PROTOCOL);
}
END_TEST

START_TEST(each_curl_code_has_its_kind_and_error)
{
    ck_assert_int_eq(er_curl_fault(6, "").attempts_most, 2);
    ck_assert_int_eq(er_curl_fault(7, "").kind, ERRAND_KIND_NETWORK);
    ck_assert_int_eq(er_curl_fault(28, "").error, ETIMEDOUT);
    ck_assert_int_eq(er_curl_fault(60, "").kind, ERRAND_KIND_AUTH);
    ck_assert_int_eq(er_curl_fault(56, "Recv failure: Connection reset by peer").kind,
                     ERRAND_KIND_NETWORK);
    ck_assert_int_eq(
        er_curl_fault(56, "Illegal or missing hexadecimal sequence in chunked-encoding").kind,
        ERRAND_KIND_PROTOCOL);
    ck_assert_int_eq(er_curl_fault(27, "").error, ENOMEM);
    ck_assert_int_eq(er_curl_fault(67, "").kind, ERRAND_KIND_AUTH);
    ck_assert_int_eq(er_curl_fault(12, "").kind, ERRAND_KIND_TIMEOUT);
    ck_assert_int_eq(er_curl_fault(43, "Failed reading the chunked-encoded stream").kind,
                     ERRAND_KIND_PROTOCOL);
    ck_assert_int_eq(er_curl_fault(9999, "").kind, ERRAND_KIND_UNKNOWN);
}
END_TEST

Suite *classify_suite(void)
{
    Suite *suite = suite_create("http classify");
    TCase *tc = tcase_create("retry after");
    tcase_add_test(tc, digits_in_retry_after_are_seconds);
    tcase_add_test(tc, too_many_seconds_saturate);
    tcase_add_test(tc, all_three_date_formats_are_read);
    tcase_add_test(tc, a_past_date_means_now);
    tcase_add_test(tc, the_servers_own_date_corrects_the_clock);
    tcase_add_loop_test(tc, an_invalid_retry_after_is_ignored, 0,
                        (int)(sizeof nonsense / sizeof *nonsense));
    suite_add_tcase(suite, tc);
    tc = tcase_create("tables");
    tcase_add_test(tc, idempotent_methods_are_those_of_the_rfc);
    tcase_add_test(tc, each_status_has_its_kind);
    tcase_add_test(tc, each_curl_code_has_its_kind_and_error);
    suite_add_tcase(suite, tc);
    return suite;
}
