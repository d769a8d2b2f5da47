/* The ready middleware: traceparent, and a line in a log for each request. */
#include "harness.h"

#include "fixture/memory.h"

#include <unistd.h>

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

enum { REQUESTS = 4 };

struct seen { /* by the server: each header traceparent, and whether there was a tracestate */
    atomic_uint n;
    char parents[REQUESTS][100];
    bool states[REQUESTS];
    unsigned bad; /* that many requests are answered with 503 first */
};

static void look(struct raw_conn *conn, void *arg)
{
    struct seen *seen = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        unsigned i = atomic_load(&seen->n);
        const char *at = request.text;
        while ((at = strstr(at, "traceparent: ")) && i < REQUESTS) {
            at += strlen("traceparent: ");
            size_t n = strlen(seen->parents[i]);
            snprintf(seen->parents[i] + n, sizeof seen->parents[i] - n, "%s%.*s", n ? "," : "",
                     (int)strcspn(at, "\r"), at);
        }
        if (i < REQUESTS) seen->states[i] = strstr(request.text, "tracestate: ") != NULL;
        raw_request_free(&request);
        atomic_fetch_add(&seen->n, 1);
        if (i < seen->bad) raw_say(conn, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        else raw_reply(conn, 200, "text/plain", "yes");
    }
}

/* ---- traceparent ---- */

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static const struct parent {
    const char *const *headers;
    bool child;
    const char *flags;
} parents[] = {
    { NULL, false, "01" },
    { HEADERS("X-A: 1"), false, "01" },
    { HEADERS("traceparent: 00-" TRACE "-" SPAN "-01", "tracestate: a=b"), true, "01" },
    { HEADERS("Traceparent:00-" TRACE "-" SPAN "-00 ", "tracestate: a=b"), true, "00" },
    { HEADERS("traceparent: 00-" TRACE "-" SPAN "-03"), true, "01" },
    { HEADERS("traceparent: 00-" TRACE "-" SPAN "-fa"), true, "00" },
    { HEADERS("traceparent: cc-" TRACE "-" SPAN "-01-more"), true, "01" },
    { HEADERS("traceparent: 00-" TRACE "-" SPAN "-01-more", "tracestate: a=b"), false, "01" },
    { HEADERS("traceparent: cc-" TRACE "-" SPAN "-01more"), false, "01" },
    { HEADERS("traceparent: ff-" TRACE "-" SPAN "-01"), false, "01" },
    { HEADERS("traceparent: 00-" TRACE "-" SPAN "-1"), false, "01" },
    { HEADERS("traceparent: 00-4BF92f3577b34da6a3ce929d0e0e4736-" SPAN "-01"), false, "01" },
    { HEADERS("traceparent: 00-00000000000000000000000000000000-" SPAN "-01"), false, "01" },
    { HEADERS("traceparent: 00-" TRACE "-0000000000000000-01"), false, "01" },
    { HEADERS("traceparent: 00_" TRACE "-" SPAN "-01"), false, "01" },
    { HEADERS("tracestate: a=b", "traceparent: "), false, "01" },
    { HEADERS("traceparent: 00-" TRACE "-" SPAN "-01", "traceparent: 00-" TRACE "-" SPAN "-01"),
      false, "01" },
};

static const errand_middleware traced[] = { { errand_middleware_trace, NULL }, { 0 } };

START_TEST(a_request_has_a_traceparent_of_its_own_or_is_a_child)
{
    struct harness w;
    struct seen seen = { 0 };
    const struct parent *row = &parents[_i];
    harness_open(&w, look, &seen, &(errand_http_opts){ .middleware = traced });
    for (int i = 0; i < 2; i++) {
        errand_result r = harness_send(&w, (errand_request){ .url = "/", .headers = row->headers });
        ck_well(&r);
        errand_result_free(&r);
        const char *sent = seen.parents[i];
        ck_assert_uint_eq(strlen(sent), 55);
        ck_assert_uint_eq(strspn(sent, "0123456789abcdef-"), 55);
        ck_assert_msg(!strncmp(sent, "00-", 3) && sent[35] == '-' && sent[52] == '-', "%s", sent);
        ck_assert_str_eq(sent + 53, row->flags);
        ck_assert_int_eq(!strncmp(sent + 3, TRACE, 32), row->child);
        ck_assert_ptr_null(strstr(sent, SPAN));
        bool state = row->child && row->headers[1];
        ck_assert_int_eq(seen.states[i], state);
    }
    ck_assert_str_ne(seen.parents[0], seen.parents[1]);
    harness_close(&w);
}
END_TEST

START_TEST(flags_are_the_callers_and_attempts_send_the_same)
{
    struct harness w;
    struct seen seen = { .bad = 2 };
    static const unsigned char flags = 0;
    const errand_middleware unsampled[] = { { errand_middleware_trace, (void *)&flags }, { 0 } };
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    harness_open(&w, look, &seen, &(errand_http_opts){ .middleware = unsampled, .policy = policy });
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_uint_eq(seen.n, 3);
    ck_assert_str_eq(seen.parents[0] + 53, "00");
    ck_assert_str_eq(seen.parents[0], seen.parents[2]);
    harness_close(&w);
    errand_policy_free(policy);
}
END_TEST

static void count_free(void *freed) { ++*(unsigned *)freed; }

static int no_body(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)arg, (void)offset, (void)buffer, (void)size;
    *got = 0;
    return 0;
}

START_TEST(a_request_without_memory_for_its_headers_is_ENOMEM)
{
    struct harness w;
    struct seen seen = { 0 };
    unsigned freed = 0;
    harness_open(&w, look, &seen, &(errand_http_opts){ .middleware = traced });
    const errand_request request = {
        .url = "/", .body_fn = no_body, .body_arg = &freed, .body_free = count_free
    };
    memory_fails_at(1);
    errand_future *f = errand_send(w.http, &request);
    bool failed = memory_fails_at(0);
    ck_assert(failed);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ENOMEM);
    errand_result_free(&r);
    ck_assert_uint_eq(freed, 1);
    ck_assert_uint_eq(seen.n, 0);
    harness_close(&w);
}
END_TEST

/* ---- a log ---- */

/* All that was logged by `run` with the middleware, which may be inside another. */
static char *logged(struct seen *seen, const errand_policy *policy, void (*run)(struct harness *w))
{
    static char text[4000];
    char path[] = "/tmp/errand-ready-XXXXXX";
    struct harness w;
    close(mkstemp(path));
    errand_log *log = errand_log_new(&(errand_log_opts){ .level = ERRAND_LOG_INFO });
    ck_assert_int_eq(errand_log_to_file(log, path, ERRAND_LOG_INFO), 0);
    const errand_middleware both[] = {
        { errand_middleware_log, log }, { errand_middleware_log, NULL }, { 0 }
    };
    harness_open(&w, look, seen, &(errand_http_opts){ .middleware = both, .policy = policy });
    run(&w);
    harness_close(&w);
    ck_assert_int_eq(errand_log_close(log, 5000), 0);
    FILE *in = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    unlink(path);
    ck_assert_msg(!strstr(text, "sesame"), "%s", text);
    return text;
}

static void send_well(struct harness *w)
{
    char url[100];
    snprintf(url, sizeof url, "http://anna:sesame1@127.0.0.1:%u/x?key=sesame2#sesame3",
             raw_server_port(w->server));
    errand_result r = harness_send(w, (errand_request){ .url = url });
    ck_well(&r);
    errand_result_free(&r);
    r = harness_send(w, (errand_request){ .url = "/pay", .body = { "1", 1 } });
    ck_well(&r);
    errand_result_free(&r);
}

START_TEST(a_line_says_method_url_status_and_time)
{
    struct seen seen = { 0 };
    char *text = logged(&seen, NULL, send_well), *line = strstr(text, "GET http://127.0.0.1:");
    ck_assert_msg(line && strstr(line, "/x: 200 in "), "%s", text);
    ck_assert_msg(strstr(text, " ms\n") && !strstr(text, "attempts"), "%s", text);
    line = strstr(text, "POST http://127.0.0.1:");
    ck_assert_msg(line && strstr(line, "/pay: 200 in "), "%s", text);
    unsigned lines = 0;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    ck_assert_uint_eq(lines, 2);
}
END_TEST

static void send_get(struct harness *w)
{
    errand_result r = harness_get(w, "/x?token=sesame");
    errand_result_free(&r);
}

START_TEST(a_line_says_how_many_attempts_and_why_it_failed)
{
    struct seen seen = { .bad = 2 };
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    char *text = logged(&seen, policy, send_get);
    ck_assert_msg(strstr(text, "/x: 200 in ") && strstr(text, " ms, 3 attempts\n"), "%s", text);
    seen = (struct seen){ .bad = 9 };
    text = logged(&seen, policy, send_get);
    ck_assert_msg(strstr(text, "/x: HTTP 503 Busy (in ") && strstr(text, " ms, 3 attempts)\n"),
                  "%s", text);
    ck_assert_ptr_eq(strstr(strstr(text, "GET http") + 1, "GET http"), NULL);
    errand_policy_free(policy);
}
END_TEST

static void send_wrong(struct harness *w)
{
    errand_request wrong[] = { { .url = "ftp://anna:sesame@host/" },
                               { .url = "/x?sesame", .total_ms = -1 },
                               { .url = NULL } };
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_send(w, wrong[i]);
        ck_assert_int_eq(r.error, EINVAL);
        errand_result_free(&r);
    }
}

START_TEST(a_request_that_was_refused_is_logged_too)
{
    struct seen seen = { 0 };
    char *text = logged(&seen, NULL, send_wrong);
    ck_assert_msg(strstr(text, "GET: only http and https"), "%s", text);
    ck_assert_msg(strstr(text, "/x: total_ms is negative (in "), "%s", text);
    ck_assert_msg(strstr(text, "GET: url is missing (in "), "%s", text);
}
END_TEST

static errand_result make_number(errand_result in, void *arg)
{
    errand_result_free(&in);
    return errand_ok(arg, NULL);
}

static errand_future *answer_otherwise(const errand_request *request, errand_chain *next, void *arg)
{
    return errand_then(errand_chain_send(next, request), make_number, arg);
}

START_TEST(what_an_inner_middleware_makes_is_no_response)
{
    struct harness w;
    struct seen seen = { 0 };
    int number = 7;
    errand_log *log = errand_log_new(NULL);
    const errand_middleware both[] = {
        { errand_middleware_log, log }, { answer_otherwise, &number }, { 0 }
    };
    harness_open(&w, look, &seen, &(errand_http_opts){ .middleware = both });
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    ck_assert_ptr_eq(r.value, &number);
    errand_result_free(&r);
    harness_close(&w);
    ck_assert_int_eq(errand_log_close(log, 5000), 0);
}
END_TEST

START_TEST(a_request_without_memory_is_not_logged_but_sent)
{
    struct harness w;
    struct seen seen = { 0 };
    errand_log *log = errand_log_new(NULL);
    const errand_middleware logs[] = { { errand_middleware_log, log }, { 0 } };
    harness_open(&w, look, &seen, &(errand_http_opts){ .middleware = logs });
    for (unsigned n = 1; n < 4; n++) {
        memory_fails_at(n);
        errand_future *f = errand_get(w.http, "/");
        memory_fails_at(0);
        errand_result r = errand_await(f);
        ck_assert(!r.error || r.error == ENOMEM);
        if (n == 1) ck_well(&r);
        errand_result_free(&r);
    }
    harness_close(&w);
    ck_assert_int_eq(errand_log_close(log, 5000), 0);
}
END_TEST

Suite *ready_suite(void)
{
    Suite *suite = suite_create("http ready");
    TCase *tc = tcase_create("trace");
    tcase_add_loop_test(tc, a_request_has_a_traceparent_of_its_own_or_is_a_child, 0,
                        (int)(sizeof parents / sizeof *parents));
    tcase_add_test(tc, flags_are_the_callers_and_attempts_send_the_same);
    tcase_add_test(tc, a_request_without_memory_for_its_headers_is_ENOMEM);
    suite_add_tcase(suite, tc);
    tc = tcase_create("log");
    tcase_add_test(tc, a_line_says_method_url_status_and_time);
    tcase_add_test(tc, a_line_says_how_many_attempts_and_why_it_failed);
    tcase_add_test(tc, a_request_that_was_refused_is_logged_too);
    tcase_add_test(tc, what_an_inner_middleware_makes_is_no_response);
    tcase_add_test(tc, a_request_without_memory_is_not_logged_but_sent);
    suite_add_tcase(suite, tc);
    return suite;
}
