/* What a reply says of its quota, and a session that slows down for it. */
#include "http/quota.h"

#include "harness.h"

static const int64_t now = 1763816400; /* 2025-11-22 13:00:00 UTC */

typedef struct said {
    const char *headers; /* separated by line ends */
    errand_quota q;      /* remaining -1: none */
} said;

#define NONE                                                                                       \
    {                                                                                              \
        -1, -1, -1, -1                                                                             \
    }

static const said forms[] = {
    /* the IETF's draft now */
    { "RateLimit: \"default\";r=50;t=30\nRateLimit-Policy: \"default\";q=100;w=60",
      { 100, 50, 30000, 60000 } },
    { "RateLimit: \"a;r=1\";r=50;t=30, \"b\";r=7;t=900\nRateLimit-Policy: \"b\";q=10;w=1000, "
      "\"a;r=1\";q=100;w=60",
      { 10, 7, 900000, 1000000 } },
    { "RateLimit: \"a\" ; pk=:cHsdsRa894==: ; r=5 ; t=3", { -1, 5, 3000, -1 } },
    { "RateLimit: \"a\";r=5\nRateLimit-Policy: \"a\";q=9;w=10", { 9, 5, 10000, 10000 } },
    { "RateLimit: tok;r=5;t=1\nRateLimit: other;r=4;t=2", { -1, 4, 2000, -1 } },
    { "RateLimit: \"a\";r=0;t=2, \"b\";r=0;t=9", { -1, 0, 9000, -1 } },
    /* before */
    { "RateLimit: limit=100, remaining=50, reset=5", { 100, 50, 5000, -1 } },
    { "RateLimit: limit=100, remaining=50, reset=5\nRateLimit-Policy: 10;w=1, 100;w=60",
      { 100, 50, 5000, 60000 } },
    { "RateLimit-Limit: 100\nRateLimit-Remaining: 99\nRateLimit-Reset: 50",
      { 100, 99, 50000, -1 } },
    { "RateLimit-Limit: 10, 10;w=1, 1000;w=3600\nRateLimit-Remaining: 9\nRateLimit-Reset: 1",
      { 10, 9, 1000, 1000 } },
    /* X: seconds, an epoch in s and in ms; with the server's clock */
    { "X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 10\nX-RateLimit-Reset: 15",
      { 60, 10, 15000, -1 } },
    { "x-ratelimit-limit: 60\nx-ratelimit-remaining: 10\nx-ratelimit-reset: 1763816415",
      { 60, 10, 15000, -1 } },
    { "X-Rate-Limit-Limit: 60\nX-Rate-Limit-Remaining: 10\nX-Rate-Limit-Reset: 1763816415250",
      { 60, 10, 15250, -1 } },
    { "X-RateLimit-Remaining: 10\nX-RateLimit-Reset: 1763820010\nDate: Sat, 22 Nov 2025 14:00:00 "
      "GMT",
      { -1, 10, 10000, -1 } },
    { "X-RateLimit-Remaining: 10\nX-RateLimit-Reset: 1763816000", { -1, 10, 0, -1 } },
    { "X-RateLimit-Remaining: 10\nX-RateLimit-Reset: 2.75", { -1, 10, 2000, -1 } },
    /* OpenAI's and Anthropic's */
    { "x-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 59\n"
      "x-ratelimit-reset-requests: 6m0s",
      { 60, 59, 360000, -1 } },
    { "x-ratelimit-remaining-requests: 59\nx-ratelimit-reset-requests: 120ms",
      { -1, 59, 120, -1 } },
    { "x-ratelimit-remaining-requests: 59\nx-ratelimit-reset-requests: 1h2m3.5s",
      { -1, 59, 3723500, -1 } },
    { "x-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 0\n"
      "x-ratelimit-reset-requests: 60s",
      { 60, 0, 1000, -1 } }, /* full after 60 s: the next one after one */
    { "anthropic-ratelimit-requests-limit: 50\nanthropic-ratelimit-requests-remaining: 49\n"
      "anthropic-ratelimit-requests-reset: 2025-11-22T13:00:30Z",
      { 50, 49, 30000, -1 } },
    { "anthropic-ratelimit-requests-remaining: 49\n"
      "anthropic-ratelimit-requests-reset: 2025-11-22T15:01:30.5+02:00",
      { -1, 49, 90000, -1 } },
    { "anthropic-ratelimit-requests-remaining: 3\n"
      "anthropic-ratelimit-requests-reset: 2024-02-29T00:00:00Z",
      { -1, 3, 0, -1 } },
    /* several: the fewest left */
    { "X-RateLimit-Remaining: 10\nX-RateLimit-Reset: 15\nRateLimit: \"a\";r=4;t=100",
      { -1, 4, 100000, -1 } },
};

static const said malformed[] = {
    { "", NONE },
    { "RateLimit:", NONE },
    { "RateLimit: \"default\"", NONE },
    { "RateLimit: \"default\";r=50", NONE },
    { "RateLimit: \"default\";r=-1;t=30", NONE },
    { "RateLimit: \"default\";r=x;t=30", NONE },
    { "RateLimit: \"default\";t=30", NONE },
    { "RateLimit: \"unclosed;r=1;t=1", NONE },
    { "RateLimit: \"a\\\";r=1;t=1", NONE },
    { "RateLimit: ,,;;==,\"\",\\", NONE },
    { "RateLimit: remaining=5", NONE },
    { "RateLimit-Policy: \"a\";q=1;w=1", NONE },
    { "X-RateLimit-Remaining: 5", NONE },
    { "X-RateLimit-Remaining: -5\nX-RateLimit-Reset: 1", NONE },
    { "X-RateLimit-Remaining: 5, 6\nX-RateLimit-Reset: 1", NONE },
    { "X-RateLimit-Remaining: 5\nX-RateLimit-Reset: soon", NONE },
    { "X-RateLimit-Remaining: 5\nX-RateLimit-Reset: -1", NONE },
    { "X-RateLimit-Remaining: 5\nX-RateLimit-Reset: 1e9", NONE },
    { "x-ratelimit-remaining-requests: 5\nx-ratelimit-reset-requests: 5x", NONE },
    { "x-ratelimit-remaining-requests: 5\nx-ratelimit-reset-requests: s", NONE },
    { "x-ratelimit-remaining-requests: 5\nx-ratelimit-reset-requests: 99999999999999999999h",
      NONE },
    { "anthropic-ratelimit-requests-remaining: 4\nanthropic-ratelimit-requests-reset: now", NONE },
    { "anthropic-ratelimit-requests-remaining: 4\n"
      "anthropic-ratelimit-requests-reset: 2025-13-22T13:00:30Z",
      NONE },
    { "anthropic-ratelimit-requests-remaining: 4\n"
      "anthropic-ratelimit-requests-reset: 2025-11-22T13:00:30",
      NONE },
    { "anthropic-ratelimit-requests-remaining: 4\n"
      "anthropic-ratelimit-requests-reset: 2025-11-22",
      NONE },
};

static errand_response *reply(const char *headers)
{
    errand_response *response = er_response_new();
    ck_assert_ptr_nonnull(response);
    ck_assert_int_eq(er_response_line(response, "HTTP/1.1 200 OK\r\n", 17), 0);
    while (*headers) {
        size_t size = strcspn(headers, "\n");
        ck_assert_int_eq(er_response_line(response, headers, size), 0);
        headers += size + (headers[size] == '\n');
    }
    ck_assert_int_eq(er_response_line(response, "\r\n", 2), 0);
    return response;
}

static void check_said(const said *s)
{
    errand_response *response = reply(s->headers);
    errand_quota q;
    bool found = er_quota_read(response, now, &q);
    ck_assert_msg(found == (s->q.remaining >= 0), "%s", s->headers);
    ck_assert_msg(q.limit == s->q.limit && q.remaining == s->q.remaining &&
                      q.reset_ms == s->q.reset_ms && q.window_ms == s->q.window_ms,
                  "%s: %lld %lld %lld %lld", s->headers, (long long)q.limit, (long long)q.remaining,
                  (long long)q.reset_ms, (long long)q.window_ms);
    er_response_free(response);
}

START_TEST(each_form_of_a_quota_is_read) { check_said(&forms[_i]); }
END_TEST

START_TEST(a_malformed_quota_is_ignored) { check_said(&malformed[_i]); }
END_TEST

START_TEST(huge_numbers_saturate)
{
    static const char *const huge[] = {
        "RateLimit: \"a\";r=99999999999999999999;t=99999999999999999999\n"
        "RateLimit-Policy: \"a\";q=99999999999999999999;w=99999999999999999999",
        "X-RateLimit-Limit: 99999999999999999999\nX-RateLimit-Remaining: 99999999999999999999\n"
        "X-RateLimit-Reset: 99999999999999999999",
        "x-ratelimit-limit-requests: 1\nx-ratelimit-remaining-requests: 99999999999999999999\n"
        "x-ratelimit-reset-requests: 99999999999999999999",
    };
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        errand_response *response = reply(huge[i]);
        errand_quota q;
        ck_assert(er_quota_read(response, now, &q));
        ck_assert_int_ge(q.reset_ms, 0);
        ck_assert_int_gt(q.remaining, 1000000000);
        er_response_free(response);
    }
}
END_TEST

START_TEST(a_list_is_read_to_its_sixteenth_member)
{
    char text[4000] = "RateLimit: ";
    size_t n = strlen(text);
    for (int i = 1; i <= 17; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"p%d\";r=%d;t=9", i > 1 ? "," : "", i,
                              100 - i);
    errand_response *response = reply(text);
    errand_quota q;
    ck_assert(er_quota_read(response, now, &q));
    ck_assert_int_eq(q.remaining, 84);
    er_response_free(response);
}
END_TEST

START_TEST(the_public_function_reads_a_reply)
{
    errand_response *some = reply("RateLimit: \"a\";r=5;t=3"), *none = reply("");
    errand_quota q = NONE;
    ck_assert_int_eq(errand_response_quota(some, &q), 0);
    ck_assert_int_eq(q.remaining, 5);
    ck_assert_int_eq(q.reset_ms, 3000);
    ck_assert_int_eq(errand_response_quota(none, &q), ENOENT);
    ck_assert_int_eq(errand_response_quota(NULL, &q), EINVAL);
    ck_assert_int_eq(errand_response_quota(some, NULL), EINVAL);
    er_response_free(some);
    er_response_free(none);
}
END_TEST

/* ---- a session ---- */

static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nRateLimit: \"a\";r=2;t=600\r\n\r\n",
    "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRateLimit: \"a\";r=2;t=600\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
};

START_TEST(requests_report_the_quota_of_their_reply)
{
    struct harness w;
    harness_open(&w, say_always, (void *)(uintptr_t)answers[_i], NULL);
    for (int learns = 0; learns < 2; learns++) {
        errand_rate *rate = errand_rate_new(
            w.pool,
            &(errand_rate_opts){ .per_second = learns ? ERRAND_AUTO_PACE : ERRAND_NO_PACE });
        errand_policy *policy =
            errand_policy_new(&(errand_policy_opts){ .attempts = 1, .rate = rate }, NULL);
        ck_assert_ptr_nonnull(policy);
        errand_result r = harness_send(&w, (errand_request){ .url = "/", .policy = policy });
        ck_assert_int_eq(r.error, _i == 1 ? ERRAND_HTTP + 429 : 0);
        errand_result_free(&r);
        const char *key = strstr(harness_url(&w, "/"), "://") + 3;
        char host[100];
        snprintf(host, sizeof host, "%.*s", (int)strcspn(key, "/"), key);
        errand_rate_stats s;
        ck_assert_int_eq(errand_rate_stats_get(rate, host, &s), 0);
        ck_assert_int_eq(s.quota_left, learns && _i < 2 ? 2 : -1);
        errand_policy_free(policy);
        errand_rate_free(rate);
    }
    harness_close(&w);
}
END_TEST

Suite *quotas_suite(void)
{
    Suite *suite = suite_create("http quotas");
    TCase *tc = tcase_create("headers");
    tcase_add_loop_test(tc, each_form_of_a_quota_is_read, 0, (int)(sizeof forms / sizeof *forms));
    tcase_add_loop_test(tc, a_malformed_quota_is_ignored, 0,
                        (int)(sizeof malformed / sizeof *malformed));
    tcase_add_test(tc, huge_numbers_saturate);
    tcase_add_test(tc, a_list_is_read_to_its_sixteenth_member);
    tcase_add_test(tc, the_public_function_reads_a_reply);
    suite_add_tcase(suite, tc);
    tc = tcase_create("session");
    tcase_add_loop_test(tc, requests_report_the_quota_of_their_reply, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
