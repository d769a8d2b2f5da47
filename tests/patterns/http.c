/* Usual faults of HTTP clients that retry and wait, each beaten by a test. The comment above a
 * test says what goes wrong elsewhere. */
#include "http/harness.h"

#include <unistd.h>

/* Counts the requests and replies as arg says. */
struct service {
    const char *reply;
    atomic_uint received;
    atomic_uint may_reply; /* 0: replies are held until it is set */
    bool holds, closes;
    char keys[4][60];
};

static void serve(struct raw_conn *conn, void *arg)
{
    struct service *service = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        unsigned n = atomic_load(&service->received);
        const char *key = strstr(request.text, "Idempotency-Key: ");
        if (key && n < 4)
            snprintf(service->keys[n], sizeof service->keys[n], "%.*s",
                     (int)strcspn(key + 17, "\r"), key + 17);
        raw_request_free(&request);
        atomic_fetch_add(&service->received, 1);
        if (service->holds && !hold_until(conn, &service->may_reply, 1)) return;
        if (!*service->reply) return; /* the work is done, but the connection is lost */
        if (!raw_say(conn, "%s", service->reply) || service->closes) return;
    }
}

#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvideo"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

static errand_policy *thrice(int64_t initial_ms)
{
    return errand_policy_new(
        &(errand_policy_opts){ .attempts = 3, .initial_ms = initial_ms, .max_ms = initial_ms },
        NULL);
}

/* Elsewhere: a cancel is an error like any other, so the retry catches it and sends the request
 * again. */
START_TEST(a_cancelled_request_is_not_repeated)
{
    struct harness w;
    struct service service = { .reply = OK, .holds = true };
    errand_policy *policy = thrice(1);
    harness_open(&w, serve, &service, &(errand_http_opts){ .policy = policy });
    errand_future *f = errand_get(w.http, "/");
    until(&service.received, 1);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_CANCELLED);
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    errand_result_free(&r);
    ck_assert_int_eq(errand_pool_wait_idle(w.pool, 10000), 0);
    ck_assert_uint_eq(atomic_load(&service.received), 1);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

/* Elsewhere: every error is retried: a missing page, a wrong password, a bug in the program. */
START_TEST(a_permanent_failure_is_not_repeated)
{
    static const int statuses[] = { 400, 401, 403, 404, 409, 410, 422, 451, 501 };
    errand_policy *policy = thrice(1);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct harness w;
        char reply[80];
        snprintf(reply, sizeof reply, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", statuses[i]);
        struct service service = { .reply = reply };
        harness_open(&w, serve, &service, &(errand_http_opts){ .policy = policy });
        errand_result r = harness_get(&w, "/");
        ck_assert_int_eq(r.error, ERRAND_HTTP + statuses[i]);
        errand_result_free(&r);
        r = harness_send(
            &w,
            (errand_request){ .url = "/", .headers = (const char *const[]){ "no header", NULL } });
        ck_assert_int_eq(r.error, EINVAL); /* refused by the library, never sent */
        errand_result_free(&r);
        ck_assert_uint_eq(atomic_load(&service.received), 1);
        harness_close(&w);
    }
    errand_policy_free(policy);
}
END_TEST

/* Elsewhere: a POST with a lost reply is sent again, and the generation is paid for twice. */
START_TEST(a_post_is_repeated_only_with_an_idempotency_key)
{
    for (int keyed = 0; keyed < 2; keyed++) {
        struct harness w;
        struct service service = { .reply = _i ? BUSY : "" };
        errand_policy *policy = thrice(1);
        harness_open(&w, serve, &service, &(errand_http_opts){ .policy = policy });
        errand_result r =
            harness_send(&w, (errand_request){ .url = "/generate",
                                               .body = { "{}", 2 },
                                               .idempotency_key = keyed ? "video_1" : NULL });
        ck_assert_int_ne(r.error, 0);
        ck_assert(errand_result_may_have_run(&r) == !keyed);
        errand_result_free(&r);
        ck_assert_uint_eq(atomic_load(&service.received), keyed ? 3 : 1);
        for (int i = 0; i < 3; i++) ck_assert_str_eq(service.keys[i], keyed ? "video_1" : "");
        errand_policy_free(policy);
        harness_close(&w);
    }
}
END_TEST

/* Elsewhere: 60 seconds without a byte end a generation with a deadline of five minutes. */
START_TEST(a_reply_may_be_silent_until_its_deadline)
{
    struct harness w;
    struct service service = { .reply = OK, .holds = true };
    harness_open_clocked(&w, serve, &service, NULL); /* total_ms: 300 s, and no other limit */
    errand_future *f = errand_get(w.http, "/generate");
    until(&service.received, 1);
    harness_turn(&w, 299000);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    atomic_store(&service.may_reply, 1);
    errand_result r = errand_await(f);
    ck_well(&r);
    ck_body_eq(&r, "video");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* With an idle timeout: the error says which limit was exceeded. */
START_TEST(an_idle_timeout_is_reported_as_such)
{
    struct harness w;
    struct service service = { .reply = OK, .holds = true };
    harness_open_clocked(&w, serve, &service, &(errand_http_opts){ .sock_read_ms = 60000 });
    errand_future *f = errand_get(w.http, "/generate");
    until(&service.received, 1);
    while (errand_wait(f, 0) == ETIMEDOUT) /* idle time counts from the send, which is about now */
        harness_turn(&w, 10000);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_str_eq(errand_result_phase(&r), "first byte");
    ck_message_has(&r, "sock_read_ms");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* Elsewhere: each call makes its own session, so each opens a connection. */
START_TEST(many_calls_share_their_connections)
{
    struct harness w;
    struct service service = { .reply = OK };
    harness_open(&w, serve, &service, NULL);
    for (int i = 0; i < 100; i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        errand_transfer_metrics metrics;
        errand_response_metrics(r.value, &metrics);
        ck_assert_uint_eq(metrics.reused, i > 0);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 1);
    ck_assert_uint_eq(atomic_load(&service.received), 100);
    harness_close(&w);
}
END_TEST

/* Elsewhere: "starting with args: {...}" logs the token, the cookie and the prompt. */
START_TEST(a_logged_request_shows_no_secrets_and_no_body)
{
    struct harness w;
    struct service service = { .reply = BUSY };
    char path[] = "/tmp/errand-log-XXXXXX", text[20000] = "";
    close(mkstemp(path));
    errand_log *log = errand_log_new(&(errand_log_opts){ .level = ERRAND_LOG_TRACE });
    ck_assert_int_eq(errand_log_to_file(log, path, ERRAND_LOG_TRACE), 0);
    errand_policy *policy = errand_policy_new(
        &(errand_policy_opts){ .attempts = 2, .initial_ms = 1, .name = "generate", .log = log },
        NULL);
    harness_open(&w, serve, &service, &(errand_http_opts){ .policy = policy, .log = log });
    char url[100];
    snprintf(url, sizeof url, "http://anna:sesame-1@127.0.0.1:%u/generate?token=sesame-2",
             raw_server_port(w.server));
    errand_result r = harness_send(
        &w, (errand_request){ .url = url,
                              .body = { "sesame-3", 8 },
                              .idempotency_key = "k",
                              .bearer = "sesame-4",
                              .headers = (const char *const[]){ "X-Api-Key: sesame-5", NULL } });
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    errand_result_free(&r);
    harness_close(&w);
    errand_policy_free(policy);
    ck_assert_int_eq(errand_log_close(log, 10000), 0);
    FILE *in = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    unlink(path);
    ck_assert_ptr_nonnull(strstr(text, "[generate-start]"));
    ck_assert_ptr_nonnull(strstr(text, "[generate-retry]"));
    ck_assert_msg(!strstr(text, "sesame"), "%s", text);
}
END_TEST

static double seconds_of(const errand_result *r) /* retry_after in the result's JSON; -1: null */
{
    struct json_object *json = errand_result_json(r, NULL), *value = NULL;
    ck_assert(json_object_object_get_ex(json, "retry_after", &value));
    double seconds = value ? json_object_get_double(value) : -1;
    json_object_put(json);
    return seconds;
}

/* Elsewhere: retry_after is twice what the call took, or five seconds for anything else. */
START_TEST(retry_after_is_the_servers_or_none)
{
    static const struct {
        const char *header;
        double seconds;
    } said[] = {
        { "Retry-After: 7\r\n", 7 },
        { "Date: Sun, 22 Nov 2026 12:00:00 GMT\r\nRetry-After: Sun, 22 Nov 2026 12:01:30 GMT\r\n",
          90 },
        { "retry-after-ms: 250\r\nRetry-After: 9\r\n", 0.25 },
        { "Retry-After: soon\r\n", -1 },
        { "", -1 }
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct harness w;
        char reply[200];
        snprintf(reply, sizeof reply, "HTTP/1.1 429 Slow\r\n%sContent-Length: 0\r\n\r\n",
                 said[i].header);
        struct service service = { .reply = reply };
        harness_open(&w, serve, &service, NULL);
        errand_result r = harness_get(&w, "/");
        ck_assert_double_eq_tol(seconds_of(&r), said[i].seconds, 1e-9);
        errand_result_free(&r);
        harness_close(&w);
    }
    struct harness w;
    struct service service = { .reply = OK, .holds = true };
    harness_open_clocked(&w, serve, &service, NULL);
    errand_future *f = errand_get(w.http, "/");
    until(&service.received, 1);
    harness_turn(&w, 400000);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_double_eq(seconds_of(&r), -1); /* however long it took */
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* Elsewhere: str(error) of a timeout or of a lost connection is "", and the
 * report says "failed: ". */
START_TEST(every_http_failure_has_a_message)
{
    static const char *const replies[] = { "", BUSY, "HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n",
                                           "nonsense\r\n\r\n",
                                           "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut" };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct harness w;
        struct service service = { .reply = replies[i], .closes = true };
        harness_open(&w, serve, &service, NULL);
        errand_result rs[] = {
            harness_get(&w, "/"), harness_get(&w, ""), harness_get(&w, "http://127.0.0.1:1/"),
            harness_send(&w, (errand_request){ .url = "/", .total_ms = ERRAND_ZERO })
        };
        for (size_t k = 0; k < sizeof rs / sizeof *rs; k++) {
            if (rs[k].error) {
                struct json_object *json = errand_result_json(&rs[k], NULL);
                const char *words =
                    json_object_get_string(json_object_object_get(json, "error_message"));
                ck_assert_uint_gt(strlen(words), 8);
                ck_assert_str_eq(words, errand_result_message(&rs[k]));
                ck_assert_uint_gt(
                    strlen(json_object_get_string(json_object_object_get(json, "error_type"))), 0);
                json_object_put(json);
            }
            errand_result_free(&rs[k]);
        }
        harness_close(&w);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("patterns of http");
    TCase *tc = tcase_create("http");
    tcase_add_test(tc, a_cancelled_request_is_not_repeated);
    tcase_add_test(tc, a_permanent_failure_is_not_repeated);
    tcase_add_loop_test(tc, a_post_is_repeated_only_with_an_idempotency_key, 0, 2);
    tcase_add_test(tc, a_reply_may_be_silent_until_its_deadline);
    tcase_add_test(tc, an_idle_timeout_is_reported_as_such);
    tcase_add_test(tc, many_calls_share_their_connections);
    tcase_add_test(tc, a_logged_request_shows_no_secrets_and_no_body);
    tcase_add_test(tc, retry_after_is_the_servers_or_none);
    tcase_add_test(tc, every_http_failure_has_a_message);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
