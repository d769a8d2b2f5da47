/* Replies as JSON, and results as JSON. */
#include "harness.h"

#include "locales.h"

static void say_json(struct raw_conn *conn, void *arg)
{
    if (raw_read_request(conn, NULL)) raw_reply(conn, 200, "application/json", arg);
}

static errand_result get_json(const char *text)
{
    struct harness w;
    harness_open(&w, say_json, (void *)(uintptr_t)text, NULL);
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    harness_close(&w);
    return r;
}

static const char *const good[] = {
    "{\"a\":[1,2.5,\"x\",null,true]}",    "[]", "\"text\"", " 123 \r\n", "true", "{}\n",
    "{\"it's\":\"NaN \\\" '\",\"n\":1E2}"
};

START_TEST(json_is_read)
{
    errand_result r = get_json(good[_i]);
    struct json_object *json = NULL;
    const char *why;
    ck_assert_int_eq(errand_response_json(r.value, &json, &why), 0);
    ck_assert_str_eq(why, "");
    ck_assert_ptr_nonnull(json);
    struct json_object *expected = json_tokener_parse(good[_i]);
    ck_assert(json_object_equal(json, expected));
    json_object_put(expected);
    json_object_put(json);
    errand_result_free(&r);
}
END_TEST

START_TEST(null_is_a_json_reply)
{
    errand_result r = get_json("null");
    struct json_object *json = NULL;
    ck_assert_int_eq(errand_response_json(r.value, &json, NULL), 0);
    ck_assert_ptr_null(json);
    errand_result_free(&r);
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    { "<!DOCTYPE html>", "application/json, begins \"<!DOCTYPE html>\"" },
    { "", "the body is empty" },
    { "{\"a\":1", "not JSON (unexpected end of data)" },
    { "{'a':1}", "begins \"{'a':1}\"" },
    { "{\"a\":1,}", "not JSON" },
    { "[NaN]", "not JSON" },
    { "Infinity", "not JSON" },
    { "TRUE", "not JSON" },
    { "{} {}", "not JSON" },
    { "{\"a\":1} // x", "not JSON" },
    { "[1] \x1b[31m", "begins \"[1]  [31m\"" },
    { "\"\xff\"", "not JSON" },
};

START_TEST(a_json_error_quotes_the_bodys_start)
{
    errand_result r = get_json(bad[_i].text);
    struct json_object *json = json_object_new_object(), *before = json;
    const char *why = NULL;
    ck_assert_int_eq(errand_response_json(r.value, &json, &why), EBADMSG);
    ck_assert_ptr_null(json);
    ck_assert_msg(strstr(why, bad[_i].says) != NULL, "%s", why);
    json_object_put(before);
    errand_result_free(&r);
}
END_TEST

START_TEST(no_response_is_EINVAL)
{
    struct json_object *json;
    ck_assert_int_eq(errand_response_json(NULL, &json, NULL), EINVAL);
    ck_assert_int_eq(errand_response_status(NULL), 0);
    ck_assert_str_eq(errand_response_url(NULL), "");
    ck_assert_ptr_null(errand_response_header(NULL, "x", 0));
    ck_assert_uint_eq(errand_response_body(NULL).size, 0);
    errand_timings timings;
    ck_assert_int_eq(errand_response_timings(NULL, &timings), 0);
    ck_assert_double_eq(timings.total, -1);
}
END_TEST

static struct json_object *at(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    ck_assert_msg(json_object_object_get_ex(object, name, &member), "no member %s", name);
    return member;
}

START_TEST(a_success_is_written_as_json)
{
    errand_result r = get_json("{\"id\":7}");
    struct json_object *data = NULL;
    ck_assert_int_eq(errand_response_json(r.value, &data, NULL), 0);
    struct json_object *json = errand_result_json(&r, data);
    ck_assert(json_object_get_boolean(at(json, "success")));
    ck_assert_int_eq(json_object_get_int(at(at(json, "data"), "id")), 7);
    ck_assert_ptr_null(at(json, "error_type"));
    ck_assert_ptr_null(at(json, "error_message"));
    ck_assert_ptr_null(at(json, "retry_after"));
    ck_assert_int_eq(json_object_get_int(at(at(json, "metadata"), "status")), 200);
    ck_assert_double_ge(json_object_get_double(at(at(json, "metadata"), "duration")), 0);
    ck_assert_uint_eq(json_object_array_length(at(at(json, "metadata"), "attempts")), 0);
    json_object_put(json);
    errand_result_free(&r);
}
END_TEST

START_TEST(a_failure_in_json_has_its_attempts)
{
    struct harness w;
    harness_open(&w, say_once,
                 "HTTP/1.1 429 No\r\nretry-after-ms: 1500\r\nContent-Length: 0\r\n\r\n", NULL);
    errand_policy_opts opts = { .attempts = 2, .retry_after_max_ms = 1000 };
    errand_policy *policy = errand_policy_new(&opts, NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .policy = policy });
    struct json_object *json = errand_result_json(&r, NULL), *metadata = at(json, "metadata");
    ck_assert(!json_object_get_boolean(at(json, "success")));
    ck_assert_ptr_null(at(json, "data"));
    ck_assert_str_eq(json_object_get_string(at(json, "error_type")), "rate_limited");
    ck_assert_str_eq(json_object_get_string(at(json, "error_message")), errand_result_message(&r));
    ck_assert_double_eq(json_object_get_double(at(json, "retry_after")), 1.5);
    ck_assert_int_eq(json_object_get_int(at(metadata, "status")), 429);
    ck_assert_str_eq(json_object_get_string(at(metadata, "phase")), "body");
    ck_assert_uint_eq(json_object_array_length(at(metadata, "attempts")), 1);
    struct json_object *first = json_object_array_get_idx(at(metadata, "attempts"), 0);
    ck_assert_str_eq(json_object_get_string(at(first, "error")), "HTTP 429");
    ck_assert_int_eq(json_object_get_int(at(first, "number")), 1);
    json_object_put(json);
    errand_result_free(&r);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(a_runs_duration_covers_all_its_attempts)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                 NULL);
    errand_policy_opts opts = { .attempts = 2, .initial_ms = 200, .jitter = ERRAND_JITTER_NONE };
    errand_policy *policy = errand_policy_new(&opts, NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .policy = policy });
    struct json_object *json = errand_result_json(&r, NULL), *metadata = at(json, "metadata");
    ck_assert_uint_eq(json_object_array_length(at(metadata, "attempts")), 2);
    ck_assert_double_ge(json_object_get_double(at(metadata, "duration")), 0.2);
    json_object_put(json);
    errand_result_free(&r);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(a_non_http_result_is_written_as_json)
{
    errand_result r = errand_failf(EINVAL, "bad prompt");
    struct json_object *json = errand_result_json(&r, json_object_new_int(3));
    ck_assert_str_eq(json_object_get_string(at(json, "error_type")), "validation");
    ck_assert_str_eq(json_object_get_string(at(json, "error_message")), "bad prompt");
    ck_assert_ptr_null(at(at(json, "metadata"), "status"));
    ck_assert_ptr_null(at(at(json, "metadata"), "phase"));
    ck_assert_ptr_null(at(at(json, "metadata"), "duration"));
    json_object_put(json);
    errand_result_free(&r);
    r = errand_ok(NULL, NULL);
    json = errand_result_json(&r, NULL);
    ck_assert(json_object_get_boolean(at(json, "success")));
    json_object_put(json);
    ck_assert_ptr_null(errand_result_json(NULL, json_object_new_int(3)));
}
END_TEST

START_TEST(json_numbers_have_points_in_every_locale)
{
    if (!comma_locale()) return; /* the C library has no such locale */
    errand_result r = get_json("{\"n\":2.5}");
    struct json_object *data = NULL;
    ck_assert_int_eq(errand_response_json(r.value, &data, NULL), 0);
    struct json_object *json = errand_result_json(&r, data);
    const char *text = json_object_to_json_string(json);
    ck_assert_ptr_nonnull(strstr(text, "\"n\": 2.5"));
    struct json_object *again = json_tokener_parse(text);
    ck_assert_msg(again != NULL, "%s", text);
    json_object_put(again);
    json_object_put(json);
    errand_result_free(&r);
}
END_TEST

Suite *json_suite(void)
{
    Suite *suite = suite_create("http json");
    TCase *tc = tcase_create("replies");
    tcase_add_loop_test(tc, json_is_read, 0, (int)(sizeof good / sizeof *good));
    tcase_add_test(tc, null_is_a_json_reply);
    tcase_add_loop_test(tc, a_json_error_quotes_the_bodys_start, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tc, no_response_is_EINVAL);
    suite_add_tcase(suite, tc);
    tc = tcase_create("results");
    tcase_add_test(tc, a_success_is_written_as_json);
    tcase_add_test(tc, a_failure_in_json_has_its_attempts);
    tcase_add_test(tc, a_runs_duration_covers_all_its_attempts);
    tcase_add_test(tc, json_numbers_have_points_in_every_locale);
    tcase_add_test(tc, a_non_http_result_is_written_as_json);
    suite_add_tcase(suite, tc);
    return suite;
}
