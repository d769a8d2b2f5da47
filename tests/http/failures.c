/* Every way to fail: code, kind, phase, whether it may have run, whether it is transient, and its
 * message. */
#include "harness.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })
enum { RESET = 1 };

/* The server reads the request, sends `reply`, then closes or resets. */
static const struct failing {
    const char *reply;
    int how, error;
    errand_kind kind;
    const char *phase;
    bool transient;
    const char *says;
} failures[] = {
    { "", 0, ERRAND_CURL + 52, ERRAND_KIND_NETWORK, "first byte", true,
      "first byte: Empty reply from server (curl 52)" },
    { "", RESET, ERRAND_CURL + 56, ERRAND_KIND_NETWORK, "first byte", true,
      "first byte: Recv failure: Connection reset by peer (curl 56)" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0, ERRAND_CURL + 18, ERRAND_KIND_NETWORK,
      "body", true, "(curl 18)" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 0, ERRAND_CURL + 18,
      ERRAND_KIND_NETWORK, "body", true, "(curl 18)" },
    { "hello there\r\n\r\n", 0, ERRAND_CURL + 1, ERRAND_KIND_PROTOCOL, "first byte", false,
      "first byte: " },
    { "HTTP/1.1 abc OK\r\n\r\n", 0, ERRAND_CURL + 1, ERRAND_KIND_PROTOCOL, "first byte", false,
      "(curl 1)" },
    { "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nabc", 0, ERRAND_CURL + 8, ERRAND_KIND_PROTOCOL,
      "first byte", false, "(curl 8)" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 0, ERRAND_CURL + 56,
      ERRAND_KIND_PROTOCOL, "body", false, "chunked" },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: "
      "8\r\n\r\nnot gzip",
      0, ERRAND_CURL + 61, ERRAND_KIND_PROTOCOL, "body", false, "(curl 61)" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
      "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "23456789"
      "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "23456789",
      0, ERRAND_CURL + 63, ERRAND_KIND_RESOURCE, "body", false, "larger than max_body, 100 bytes" },
};

static void fail_so(struct raw_conn *conn, void *arg)
{
    const struct failing *failing = arg;
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "%s", failing->reply);
    if (failing->how == RESET) raw_reset(conn);
}

START_TEST(a_failure_has_code_kind_phase_and_message)
{
    const struct failing *failing = &failures[_i];
    struct harness w;
    harness_open(&w, fail_so, (void *)(uintptr_t)failing, &(errand_http_opts){ .max_body = 100 });
    for (int turn = 0; turn < 2; turn++) {
        errand_result r = harness_send(
            &w, (errand_request){ .url = "/x?secret=1", .method = turn ? "POST" : "GET" });
        ck_assert_msg(r.error == failing->error, "%d: %s", r.error, errand_result_message(&r));
        ck_assert_ptr_null(r.value);
        ck_assert_int_eq(errand_result_kind(&r), failing->kind);
        ck_assert_str_eq(errand_result_phase(&r), failing->phase);
        ck_assert(errand_result_may_have_run(&r) == (turn == 1));
        ck_assert(errand_result_transient(&r) == failing->transient);
        ck_assert_int_ge(errand_result_elapsed_ms(&r), 0);
        char start[200];
        snprintf(start, sizeof start, "%s %s/x: ", turn ? "POST" : "GET", raw_server_url(w.server));
        ck_assert_msg(!strncmp(errand_result_message(&r), start, strlen(start)), "%s",
                      errand_result_message(&r));
        ck_message_has(&r, failing->says);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_requests(w.server), 2);
    harness_close(&w);
}
END_TEST

static int closed_port(void) /* no socket listens there while this test holds it */
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

START_TEST(a_refused_connection_cannot_have_run_the_request)
{
    struct harness w;
    harness_open(&w, say_once, "", NULL);
    int fd = closed_port();
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    char url[100], says[200];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", ntohs(address.sin_port));
    snprintf(says, sizeof says, "POST %s: connect: Connection refused", url);
    errand_result r = harness_send(&w, (errand_request){ .url = url, .method = "POST" });
    ck_assert_int_eq(r.error, ERRAND_CURL + 7);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    ck_assert_str_eq(errand_result_phase(&r), "connect");
    ck_assert(!errand_result_may_have_run(&r) && errand_result_transient(&r));
    ck_message_has(&r, says);
    ck_message_has(&r, "(curl 7)");
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = url, .repeat = ERRAND_REPEAT_NEVER });
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    close(fd);
    harness_close(&w);
}
END_TEST

START_TEST(an_unresolved_name_is_reported)
{
    struct harness w;
    harness_open(&w, say_once, "", NULL);
    errand_result r = harness_send(
        &w,
        (errand_request){ .url = "http://anna:sesame@no-such-host.invalid/x", .method = "POST" });
    ck_assert_int_eq(r.error, ERRAND_CURL + 6);
    ck_assert_str_eq(errand_result_phase(&r), "resolve");
    ck_assert(!errand_result_may_have_run(&r) && errand_result_transient(&r));
    ck_message_has(&r, "POST http://no-such-host.invalid/x: resolve: ");
    ck_assert_ptr_null(strstr(errand_result_message(&r), "sesame"));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static const struct {
    int status;
    errand_kind kind;
    bool transient;
} statuses[] = {
    { 400, ERRAND_KIND_HTTP_CLIENT, false }, { 401, ERRAND_KIND_AUTH, false },
    { 403, ERRAND_KIND_AUTH, false },        { 404, ERRAND_KIND_HTTP_CLIENT, false },
    { 408, ERRAND_KIND_HTTP_CLIENT, true },  { 409, ERRAND_KIND_HTTP_CLIENT, false },
    { 422, ERRAND_KIND_HTTP_CLIENT, false }, { 425, ERRAND_KIND_HTTP_CLIENT, true },
    { 429, ERRAND_KIND_RATE_LIMITED, true }, { 500, ERRAND_KIND_HTTP_SERVER, true },
    { 501, ERRAND_KIND_HTTP_SERVER, false }, { 502, ERRAND_KIND_HTTP_SERVER, true },
    { 503, ERRAND_KIND_HTTP_SERVER, true },  { 504, ERRAND_KIND_HTTP_SERVER, true },
    { 505, ERRAND_KIND_HTTP_SERVER, false }, { 522, ERRAND_KIND_HTTP_SERVER, true },
    { 524, ERRAND_KIND_HTTP_SERVER, true },
};

static void say_status(struct raw_conn *conn, void *arg)
{
    while (raw_read_request(conn, NULL) && raw_reply(conn, *(int *)arg, "text/plain", "why not"))
        continue;
}

START_TEST(a_status_from_400_is_an_error_with_its_response)
{
    struct harness w;
    int status = statuses[_i].status;
    char says[20];
    snprintf(says, sizeof says, "/x: HTTP %d", status);
    harness_open(&w, say_status, &status, NULL);
    const char *methods[] = { "GET", "PUT", "POST", "PATCH" };
    for (size_t i = 0; i < 4; i++) {
        errand_result r = harness_send(&w, (errand_request){ .url = "/x", .method = methods[i] });
        ck_assert_int_eq(r.error, ERRAND_HTTP + status);
        ck_assert_int_eq(errand_result_kind(&r), statuses[_i].kind);
        ck_assert(errand_result_transient(&r) == statuses[_i].transient);
        bool refused = status == 425 || status == 429;
        ck_assert(errand_result_may_have_run(&r) == (i >= 2 && !refused));
        ck_message_has(&r, says);
        ck_assert_int_eq(errand_response_status(r.value), status);
        ck_body_eq(&r, "why not");
        ck_assert_str_eq(errand_response_header(r.value, "content-type", 0), "text/plain");
        errand_result_free(&r);
        r = harness_send(&w,
                         (errand_request){ .url = "/x", .method = methods[i], .any_status = 1 });
        ck_well(&r);
        ck_assert_int_eq(errand_response_status(r.value), status);
        ck_body_eq(&r, "why not");
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

START_TEST(a_key_or_repeat_always_makes_a_post_repeatable)
{
    struct harness w;
    int status = 503;
    harness_open(&w, say_status, &status, NULL);
    const errand_request requests[] = {
        { .url = "/", .method = "POST", .idempotency_key = "k" },
        { .url = "/", .method = "POST", .headers = HEADERS("idempotency-key: k") },
        { .url = "/", .method = "POST", .repeat = ERRAND_REPEAT_ALWAYS },
        { .url = "/", .method = "GET", .repeat = ERRAND_REPEAT_NEVER },
    };
    for (size_t i = 0; i < 4; i++) {
        errand_result r = harness_send(&w, requests[i]);
        ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
        ck_assert(errand_result_may_have_run(&r) == (i == 3));
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

START_TEST(a_problems_title_and_detail_are_in_the_message)
{
    struct harness w;
    harness_open(&w, say_once,
                 "HTTP/1.1 503 Service Unavailable\r\nContent-Type: "
                 "application/problem+json\r\nContent-Length: 67\r\n\r\n"
                 "{\"title\":\"No GPU\",\"detail\":\"all are\\nbusy \\u001b[31m\",\"status\":503}",
                 NULL);
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/generate?key=sesame", .method = "POST" });
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    char says[200];
    snprintf(says, sizeof says,
             "POST %s/generate: HTTP 503 Service Unavailable: No GPU: all are busy  [31m",
             raw_server_url(w.server));
    ck_assert_str_eq(errand_result_message(&r), says);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static const struct {
    const char *headers;
    int64_t ms;
} hints[] = {
    { "", -1 },
    { "Retry-After: 7\r\n", 7000 },
    { "retry-after:  7  \r\n", 7000 },
    { "Retry-After: 7.5\r\n", -1 },
    { "retry-after-ms: 1234\r\n", 1234 },
    { "Retry-After: 7\r\nRetry-After-Ms: 1234\r\n", 1234 },
    { "Retry-After: 7\r\nRetry-After-Ms: soon\r\n", 7000 },
    { "Date: Sat, 22 Nov 2025 13:00:00 GMT\r\nRetry-After: Sat, 22 Nov 2025 13:00:03 GMT\r\n",
      3000 },
    { "Retry-After: Sat, 22 Nov 1997 13:00:03 GMT\r\n", 0 },
};

static void say_hint(struct raw_conn *conn, void *arg)
{
    if (raw_read_request(conn, NULL))
        raw_say(conn, "HTTP/1.1 429 No\r\n%sContent-Length: 0\r\n\r\n", (const char *)arg);
}

START_TEST(retry_after_is_in_the_result)
{
    struct harness w;
    harness_open(&w, say_hint, (void *)(uintptr_t)hints[_i].headers, NULL);
    errand_result r = harness_get(&w, "/");
    ck_assert_int_eq(r.error, ERRAND_HTTP + 429);
    ck_assert_int_eq(errand_result_retry_after(&r), hints[_i].ms);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static void say_much(struct raw_conn *conn, void *arg)
{
    static char block[1000];
    memset(block, 'x', sizeof block);
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "%s", (const char *)arg);
    for (int i = 0; i < 100 && raw_send(conn, block, sizeof block); i++) continue;
}

START_TEST(an_error_keeps_64_KiB_of_its_body)
{
    struct harness w;
    harness_open(&w, say_much, "HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", NULL);
    errand_result r = harness_get(&w, "/");
    ck_assert_int_eq(r.error, ERRAND_HTTP + 500);
    ck_assert_uint_eq(errand_response_body(r.value).size, 65536);
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/", .any_status = 1 });
    ck_well(&r);
    ck_assert_uint_eq(errand_response_body(r.value).size, 100000);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_error_with_a_cut_body_keeps_its_status)
{
    struct harness w;
    harness_open(&w, say_once,
                 "HTTP/1.1 429 Slow Down\r\nRetry-After: 2\r\nContent-Length: 100\r\n\r\nabc",
                 NULL);
    errand_result r = harness_get(&w, "/");
    ck_assert_int_eq(r.error, ERRAND_HTTP + 429);
    ck_assert_int_eq(errand_result_retry_after(&r), 2000);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* The first request of a connection is answered, the second finds it dead. */
static void one_good_reply(struct raw_conn *conn, void *arg)
{
    (void)arg;
    if (!raw_read_request(conn, NULL) || !raw_reply(conn, 200, "text/plain", "first")) return;
    raw_read_request(conn, NULL);
}

START_TEST(a_post_is_not_resent_after_a_dead_kept_connection)
{
    struct harness w;
    harness_open(&w, one_good_reply, NULL, NULL);
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    const errand_request requests[] = {
        { .url = "/", .body = { "pay", 3 } },
        { .url = "/", .method = "POST", .idempotency_key = "k", .repeat = ERRAND_REPEAT_NEVER }
    };
    r = harness_send(&w, requests[_i]);
    ck_assert_int_eq(r.error, ERRAND_CURL + 52);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    ck_assert(errand_result_may_have_run(&r) && errand_result_transient(&r));
    ck_assert_str_eq(errand_result_phase(&r), "first byte");
    ck_message_has(&r, "connection lost before the reply, and POST is not sent twice");
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_requests(w.server), 2);
    harness_close(&w);
}
END_TEST

START_TEST(a_repeatable_request_is_resent_after_a_dead_kept_connection)
{
    struct harness w;
    harness_open(&w, one_good_reply, NULL, NULL);
    const errand_request requests[] = { { .url = "/" },
                                        { .url = "/", .method = "POST", .idempotency_key = "k" } };
    for (unsigned i = 0; i < 2; i++) {
        errand_result r = harness_get(&w, "/");
        errand_result_free(&r);
    }
    unsigned before = raw_server_requests(w.server);
    ck_assert_uint_eq(before, 3); /* the second found the first one's connection dead */
    for (unsigned i = 0; i < 2; i++) {
        errand_result r = harness_send(&w, requests[i]);
        ck_well(&r);
        ck_body_eq(&r, "first");
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_requests(w.server), before + 4);
    harness_close(&w);
}
END_TEST

/* A POST is answered with 303 on a connection that is dead when the GET is sent. */
static void answer_and_leave(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        bool post = !strncmp(request.text, "POST ", 5), old = raw_number(conn) == 1;
        raw_request_free(&request);
        if (post)
            raw_say(conn, "HTTP/1.1 303 See\r\nLocation: /receipt\r\nContent-Length: 0\r\n\r\n");
        else if (old) return;
        else raw_reply(conn, 200, "text/plain", "receipt");
    }
}

START_TEST(a_get_after_a_redirected_post_is_resent)
{
    struct harness w;
    harness_open(&w, answer_and_leave, NULL, &(errand_http_opts){ .limit = 1 });
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .method = "POST" });
    ck_well(&r);
    ck_body_eq(&r, "receipt");
    errand_transfer_metrics metrics;
    errand_response_metrics(r.value, &metrics);
    ck_assert_uint_eq(metrics.resent, 1);
    ck_assert_uint_eq(raw_server_requests(w.server), 3); /* POST, GET, and GET */
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){
                             .url = "/", .method = "POST", .repeat = ERRAND_REPEAT_NEVER });
    ck_well(&r); /* this connection lives */
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* Each hop's connection is found dead once. */
static void leave_each_hop_once(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    atomic_uint *dead = arg; /* a bit for each path that has met a dead connection */
    while (raw_read_request(conn, &request)) {
        unsigned bit = strstr(request.text, " /b ") ? 2 : strstr(request.text, " /a ") ? 1 : 0;
        raw_request_free(&request);
        if (bit && !(atomic_fetch_or(dead, bit) & bit)) return;
        if (bit == 1) raw_say(conn, "HTTP/1.1 302 F\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
        else raw_reply(conn, 200, "text/plain", "there");
    }
}

START_TEST(each_hop_may_replace_one_dead_connection)
{
    struct harness w;
    atomic_uint dead = 0;
    harness_open(&w, leave_each_hop_once, &dead, &(errand_http_opts){ .limit = 1 });
    errand_result r = harness_get(&w, "/");
    errand_result_free(&r);
    r = harness_get(&w, "/a");
    ck_well(&r);
    ck_body_eq(&r, "there");
    errand_transfer_metrics metrics;
    errand_response_metrics(r.value, &metrics);
    ck_assert_uint_eq(metrics.resent, 2);
    errand_result_free(&r);
    errand_http_stats s;
    do errand_http_stats_get(w.http, &s);
    while (s.in_flight); /* a result is delivered before it is counted */
    ck_assert_uint_eq(s.resent, 2);
    harness_close(&w);
}
END_TEST

Suite *failures_suite(void)
{
    Suite *suite = suite_create("http failures");
    TCase *tc = tcase_create("network");
    tcase_add_loop_test(tc, a_failure_has_code_kind_phase_and_message, 0,
                        (int)(sizeof failures / sizeof *failures));
    tcase_add_test(tc, a_refused_connection_cannot_have_run_the_request);
    tcase_add_test(tc, an_unresolved_name_is_reported);
    tcase_add_loop_test(tc, a_post_is_not_resent_after_a_dead_kept_connection, 0, 2);
    tcase_add_test(tc, a_repeatable_request_is_resent_after_a_dead_kept_connection);
    tcase_add_test(tc, a_get_after_a_redirected_post_is_resent);
    tcase_add_test(tc, each_hop_may_replace_one_dead_connection);
    suite_add_tcase(suite, tc);
    tc = tcase_create("statuses");
    tcase_add_loop_test(tc, a_status_from_400_is_an_error_with_its_response, 0,
                        (int)(sizeof statuses / sizeof *statuses));
    tcase_add_test(tc, a_key_or_repeat_always_makes_a_post_repeatable);
    tcase_add_test(tc, a_problems_title_and_detail_are_in_the_message);
    tcase_add_loop_test(tc, retry_after_is_in_the_result, 0, (int)(sizeof hints / sizeof *hints));
    tcase_add_test(tc, an_error_keeps_64_KiB_of_its_body);
    tcase_add_test(tc, an_error_with_a_cut_body_keeps_its_status);
    suite_add_tcase(suite, tc);
    return suite;
}
