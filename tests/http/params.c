/* Parameters of a request: where they stand in the url, and how they are written. */
#include "harness.h"

#include "fixture/memory.h"
#include "http/url.h"

static const errand_param two[] = { { "q", "a b&c" }, { "page", "2" }, { 0 } };
static const errand_param none[] = { { 0 } };
static const errand_param bare[] = { { "flag", NULL }, { "empty", "" }, { "", "x" }, { 0 } };
static const errand_param odd[] = { { "a=b", "#?/%+" }, { "caf\xc3\xa9", "-._~" }, { 0 } };

static const struct row {
    const char *url;
    const errand_param *params;
    const char *whole;
} rows[] = {
    { "/x", two, "/x?q=a%20b%26c&page=2" },
    { "/x?y=1", two, "/x?y=1&q=a%20b%26c&page=2" },
    { "/x?", two, "/x?q=a%20b%26c&page=2" },
    { "/x?y&", two, "/x?y&q=a%20b%26c&page=2" },
    { "/x#end?", two, "/x?q=a%20b%26c&page=2#end?" },
    { "/x?y#end", two, "/x?y&q=a%20b%26c&page=2#end" },
    { "/x?y", none, "/x?y" },
    { "/x", bare, "/x?flag&empty=&=x" },
    { "/x", odd, "/x?a%3Db=%23%3F%2F%25%2B&caf%C3%A9=-._~" },
};
enum { ROWS = sizeof rows / sizeof *rows };

START_TEST(params_stand_behind_the_query_and_before_the_fragment)
{
    er_bytes whole = { 0 };
    er_url_add_params(&whole, rows[_i].url, rows[_i].params);
    ck_assert_str_eq(whole.at, rows[_i].whole);
    er_bytes_free(&whole);
}
END_TEST

static void say_what_was_asked(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        request.text[strcspn(request.text, "\r")] = '\0';
        raw_reply(conn, 200, "text/plain", request.text);
        raw_request_free(&request);
    }
}

START_TEST(params_are_sent)
{
    struct harness w;
    char asked[200];
    harness_open(&w, say_what_was_asked, NULL, NULL);
    errand_result r =
        harness_send(&w, (errand_request){ .url = rows[_i].url, .params = rows[_i].params });
    ck_well(&r);
    snprintf(asked, sizeof asked, "GET %.*s HTTP/1.1", (int)strcspn(rows[_i].whole, "#"),
             rows[_i].whole);
    ck_body_eq(&r, asked);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(params_join_the_query_of_the_base)
{
    struct harness w;
    char base[200];
    harness_open(&w, say_what_was_asked, NULL, NULL);
    snprintf(base, sizeof base, "%s/a?b=1#c", raw_server_url(w.server));
    errand_http *http = errand_http_new(w.pool, &(errand_http_opts){ .base_url = base });
    errand_result r =
        errand_await(errand_send(http, &(errand_request){ .url = "#d", .params = two }));
    ck_well(&r);
    ck_body_eq(&r, "GET /a?b=1&q=a%20b%26c&page=2 HTTP/1.1");
    errand_result_free(&r);
    ck_assert_int_eq(errand_http_close(http, 30000), 0);
    harness_close(&w);
}
END_TEST

START_TEST(a_failure_shows_no_params)
{
    struct harness w;
    static const errand_param secret[] = { { "api_key", "0123456789abcdef" }, { 0 } };
    harness_open(&w, say_always,
                 (void *)"HTTP/1.1 404 0123456789abcdef\r\nContent-Length: 0\r\n\r\n", NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/x", .params = secret });
    ck_assert_int_eq(r.error, ERRAND_HTTP + 404);
    ck_assert_ptr_null(strstr(errand_result_message(&r), "abcdef"));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(params_without_a_url_are_EINVAL)
{
    struct harness w;
    harness_open(&w, say_what_was_asked, NULL, NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "", .params = two });
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "url is missing");
    errand_result_free(&r);
    char *huge = malloc(ER_URL_MOST + 1);
    memset(huge, 'x', ER_URL_MOST);
    huge[ER_URL_MOST] = '\0';
    const errand_param long_one[] = { { "a", huge }, { 0 } };
    r = harness_send(&w, (errand_request){ .url = "/x", .params = long_one });
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "longer than 512 KiB");
    errand_result_free(&r);
    free(huge);
    harness_close(&w);
}
END_TEST

START_TEST(params_without_memory_are_ENOMEM)
{
    struct harness w;
    harness_open(&w, say_what_was_asked, NULL, NULL);
    unsigned failures = 0;
    for (unsigned n = 1; n < 8; n++) { /* what the request allocates, and the future */
        memory_fails_at(n);
        errand_future *f = errand_send(w.http, &(errand_request){ .url = "/x", .params = two });
        memory_fails_at(0);
        errand_result r = errand_await(f);
        if (r.error) ck_assert_int_eq(r.error, ENOMEM);
        failures += r.error == ENOMEM;
        errand_result_free(&r);
    }
    ck_assert_uint_ge(failures, 4);
    harness_close(&w);
}
END_TEST

Suite *params_suite(void)
{
    Suite *suite = suite_create("http params");
    TCase *tc = tcase_create("params");
    tcase_add_loop_test(tc, params_stand_behind_the_query_and_before_the_fragment, 0, ROWS);
    tcase_add_loop_test(tc, params_are_sent, 0, ROWS);
    tcase_add_test(tc, params_join_the_query_of_the_base);
    tcase_add_test(tc, a_failure_shows_no_params);
    tcase_add_test(tc, params_without_a_url_are_EINVAL);
    tcase_add_test(tc, params_without_memory_are_ENOMEM);
    suite_add_tcase(suite, tc);
    return suite;
}
