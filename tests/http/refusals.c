/* Requests refused before sending: each a failed future whose message names the bad field. */
#include "harness.h"

static const char *const none[] = { NULL };
#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct refused {
    errand_request request;
    const char *culprit;
} cases[] = {
    { { .url = NULL }, "url is missing" },
    { { .url = "" }, "url is missing" },
    { { .url = "ftp://host/x" }, "only http and https, url is \"ftp://host/x\"" },
    { { .url = "file:///etc/passwd" }, "only http and https" },
    { { .url = "javascript:alert(1)" }, "only http and https" },
    { { .url = "http:/x" }, "url has no host" },
    { { .url = "http:x" }, "url has no host" },
    { { .url = "http://" }, "url" },
    { { .url = "http://h:99999/" }, "url" },
    { { .url = "http://anna:sesame@-x.test/" }, "cannot be looked up in url \"http://-x.test/\"" },
    { { .url = "http://b\xfc"
               "cher.test/" },
      "cannot be looked up in url" }, /* a url is UTF-8 */
    { { .url = "http:///x" }, "url has no host" },
    { { .url = "/a b" }, "a space or control character in url \"/a b\"" },
    { { .url = "/a\r\nX: y" }, "a space or control character in url" },
    { { .url = "/a\x7f" }, "a space or control character in url" },
    { { .url = "/", .method = "" }, "method is not a token" },
    { { .url = "/", .method = "GET /x" }, "method is not a token: \"GET /x\"" },
    { { .url = "/", .method = "GET\r\n" }, "method is not a token" },
    { { .url = "/", .method = "CONNECT" }, "method cannot be sent: \"CONNECT\"" },
    { { .url = "/", .method = "HEAD", .body = { "x", 1 } },
      "a body cannot go with method \"HEAD\"" },
    { { .url = "/", .headers = HEADERS("no colon") }, "not of the form \"Name: value\": \"no\"" },
    { { .url = "/", .headers = HEADERS(": value") }, "not of the form" },
    { { .url = "/", .headers = HEADERS("A B: value") }, "not of the form" },
    { { .url = "/", .headers = HEADERS("") }, "not of the form" },
    { { .url = "/", .headers = HEADERS("X-A: 1\r\nX-B: 2") },
      "a control character in the value of header \"X-A\"" },
    { { .url = "/", .headers = HEADERS("X-A: 1\n") },
      "a control character in the value of header \"X-A\"" },
    { { .url = "/", .headers = HEADERS("X-A: \x01") }, "\"X-A\"" },
    { { .url = "/", .headers = HEADERS("content-length: 3") },
      "curl sets itself: \"content-length\"" },
    { { .url = "/", .headers = HEADERS("Transfer-Encoding: chunked") }, "\"Transfer-Encoding\"" },
    { { .url = "/", .body = { NULL, 3 } }, "body has a size but no bytes" },
    { { .url = "/", .idempotency_key = "" }, "idempotency_key" },
    { { .url = "/", .idempotency_key = "   " }, "idempotency_key is blank" },
    { { .url = "/", .idempotency_key = "\t" }, "idempotency_key is blank" },
    { { .url = "/", .idempotency_key = "a", .headers = HEADERS("Idempotency-Key:") },
      "are both given" },
    { { .url = "/", .idempotency_key = "a\r\nb" }, "idempotency_key" },
    { { .url = "/", .idempotency_key = "a", .headers = HEADERS("idempotency-key: b") },
      "are both given" },
    { { .url = "/", .total_ms = -1 }, "total_ms is negative" },
    { { .url = "/", .connect_ms = -5 }, "connect_ms is negative" },
    { { .url = "/", .repeat = (errand_repeat)7 }, "repeat" },
    { { .url = "/", .max_redirects = -2 }, "max_redirects is -2" },
    { { .url = "/", .save_to = "" }, "save_to is empty" },
};

static int find_nothing(const char *host, errand_addresses *to, void *arg)
{
    (void)host, (void)to, (void)arg;
    return ENOENT;
}

static int allow_all(const errand_peer *peer, void *arg)
{
    (void)peer, (void)arg;
    return 1;
}

START_TEST(a_bad_request_is_refused_and_its_field_named)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL);
    errand_result r = harness_send(&w, cases[_i].request);
    ck_assert_int_eq(r.error, EINVAL);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_VALIDATION);
    ck_assert(!errand_result_transient(&r) && !errand_result_may_have_run(&r));
    ck_message_has(&r, cases[_i].culprit);
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_connections(w.server), 0);
    harness_close(&w);
}
END_TEST

START_TEST(body_and_json_together_are_refused)
{
    struct harness w;
    harness_open(&w, say_once, "", NULL);
    struct json_object *json = json_object_new_object();
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/", .json = json, .body = { "x", 1 } });
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "body and json are both given");
    errand_result_free(&r);
    json_object_put(json);
    harness_close(&w);
}
END_TEST

START_TEST(a_null_request_or_session_is_refused)
{
    struct harness w;
    harness_open(&w, say_once, "", NULL);
    errand_result r = errand_await(errand_send(w.http, &(errand_request){ 0 }));
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    r = errand_await(errand_send_sized(w.http, NULL, sizeof(errand_request)));
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    r = errand_await(errand_get(NULL, "http://127.0.0.1/"));
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "session is NULL");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_relative_url_needs_a_base)
{
    errand_pool *pool = errand_pool_new(NULL);
    errand_http *http = errand_http_new(pool, NULL);
    errand_result r = errand_await(errand_get(http, "videos/1"));
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "base_url: \"videos/1\"");
    errand_result_free(&r);
    ck_assert_int_eq(errand_http_close(http, 1000), 0);
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

START_TEST(a_refusal_hides_the_secrets_of_a_url)
{
    struct harness w;
    harness_open(&w, say_once, "", NULL);
    const char *urls[] = { "ftp://anna:sesame@host/", "/x?key=sesame y",
                           "http://anna:sesame@h:99999/", "/#sesame\n" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        errand_result r = harness_get(&w, urls[i]);
        ck_assert_int_eq(r.error, EINVAL);
        ck_assert_msg(!strstr(errand_result_message(&r), "sesame"), "%s",
                      errand_result_message(&r));
        errand_result_free(&r);
    }
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/", .headers = HEADERS("Authorization Bearer sesame") });
    ck_assert_msg(!strstr(errand_result_message(&r), "sesame"), "%s", errand_result_message(&r));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static errand_http_opts bad_sessions[] = {
    { .base_url = "ftp://host/" },
    { .base_url = "videos" },
    { .base_url = "http://a b/" },
    { .total_ms = -1 },
    { .connect_ms = -1 },
    { .keepalive_ms = -1 },
    { .user_agent = "a\r\nb" },
    { .lanes = 100000 },
    { .max_redirects = -2 },
    { .connection_ms = -1 },
    { .environment = 1, .resolver = find_nothing },
    { .refuse_private = 1, .proxy = "http://127.0.0.1:1" },
    { .refuse_private = 1, .environment = 1 },
    { .refuse_private = 1, .unix_socket = "/tmp/s" },
    { .allow = allow_all, .unix_socket = "/tmp/s" },
};

START_TEST(bad_session_options_are_EINVAL)
{
    errand_pool *pool = errand_pool_new(NULL);
    errno = 0;
    ck_assert_ptr_null(errand_http_new(pool, &bad_sessions[_i]));
    ck_assert_int_eq(errno, EINVAL);
    errand_http_opts opts = { .headers = HEADERS("X-A: 1\r\nX-B: 2") };
    ck_assert_ptr_null(errand_http_new(pool, &opts));
    ck_assert_int_eq(errno, EINVAL);
    opts.headers = HEADERS("Idempotency-Key: 1");
    ck_assert_ptr_null(errand_http_new(pool, &opts));
    opts.headers = none;
    errand_http *http = errand_http_new(pool, &opts);
    ck_assert_ptr_nonnull(http);
    ck_assert_int_eq(errand_http_close(http, 0), 0);
    ck_assert_ptr_null(errand_http_new(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

START_TEST(an_unknown_tail_of_a_request_is_refused)
{
    struct harness w;
    harness_open(&w, say_once, "", NULL);
    struct {
        errand_request now;
        long later;
    } longer = { .now = { .url = "/" }, .later = 1 };
    errand_result r = errand_await(errand_send_sized(w.http, &longer.now, sizeof longer));
    ck_assert_int_eq(r.error, ENOTSUP);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

Suite *refusals_suite(void)
{
    Suite *suite = suite_create("http refusals");
    TCase *tc = tcase_create("refusals");
    tcase_add_loop_test(tc, a_bad_request_is_refused_and_its_field_named, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tc, body_and_json_together_are_refused);
    tcase_add_test(tc, a_null_request_or_session_is_refused);
    tcase_add_test(tc, a_relative_url_needs_a_base);
    tcase_add_test(tc, a_refusal_hides_the_secrets_of_a_url);
    tcase_add_loop_test(tc, bad_session_options_are_EINVAL, 0,
                        (int)(sizeof bad_sessions / sizeof *bad_sessions));
    tcase_add_test(tc, an_unknown_tail_of_a_request_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
