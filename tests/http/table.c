/* What is resent: every kind of failure, in every phase, with every method. The server counts
 * requests. */
#include "harness.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ATTEMPTS = 3 };

static const struct method {
    const char *name, *key;
    errand_repeat repeat;
    bool harmless; /* to do twice */
} methods[] = {
    { "GET", NULL, 0, true },
    { "HEAD", NULL, 0, true },
    { "OPTIONS", NULL, 0, true },
    { "PUT", NULL, 0, true },
    { "DELETE", NULL, 0, true },
    { "TRACE", NULL, 0, true },
    { "POST", NULL, 0, false },
    { "PATCH", NULL, 0, false },
    { "REPORT", NULL, 0, false },
    { "POST", "key 1", 0, true },
    { "PATCH", "key 2", 0, true },
    { "POST", NULL, ERRAND_REPEAT_ALWAYS, true },
    { "GET", NULL, ERRAND_REPEAT_NEVER, false },
    { "PUT", "key 3", ERRAND_REPEAT_NEVER, false },
};

typedef enum { REFUSED, MAY_HAVE_RUN, NOT_WORTH_IT } group;

static const struct row {
    const char *name;
    group group;
    int error;
    const char *phase, *reply;
    enum { CLOSE, RESET, SILENCE } then;
    bool needs_body; /* HEAD is not in it */
} rows[] = {
    { "closed at once", MAY_HAVE_RUN, ERRAND_CURL + 52, "first byte", "", CLOSE, false },
    { "reset at once", MAY_HAVE_RUN, ERRAND_CURL + 56, "first byte", "", RESET, false },
    { "silence", MAY_HAVE_RUN, ETIMEDOUT, "first byte", "", SILENCE, false },
    { "half a status line", MAY_HAVE_RUN, 0, NULL, "HTTP/1.1 20", RESET, false },
    { "half a header", MAY_HAVE_RUN, 0, NULL, "HTTP/1.1 200 OK\r\nContent-Le", RESET, false },
    { "half a body", MAY_HAVE_RUN, ERRAND_CURL + 18, "body",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", CLOSE, true },
    { "half a body, reset", MAY_HAVE_RUN, ERRAND_CURL + 56, "body",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", RESET, true },
    { "half a body, silence", MAY_HAVE_RUN, ETIMEDOUT, "body",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", SILENCE, true },
    { "half a chunk", MAY_HAVE_RUN, ERRAND_CURL + 18, "body",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", CLOSE, true },
#define STATUS(n, group)                                                                           \
    {                                                                                              \
        "status " #n, group, ERRAND_HTTP + n, "body",                                              \
            "HTTP/1.1 " #n " X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOSE, false    \
    }
    STATUS(408, MAY_HAVE_RUN),
    STATUS(425, REFUSED),
    STATUS(429, REFUSED),
    STATUS(500, MAY_HAVE_RUN),
    STATUS(502, MAY_HAVE_RUN),
    STATUS(503, MAY_HAVE_RUN),
    STATUS(504, MAY_HAVE_RUN),
    STATUS(522, MAY_HAVE_RUN),
    STATUS(524, MAY_HAVE_RUN),
    STATUS(400, NOT_WORTH_IT),
    STATUS(401, NOT_WORTH_IT),
    STATUS(402, NOT_WORTH_IT),
    STATUS(403, NOT_WORTH_IT),
    STATUS(404, NOT_WORTH_IT),
    STATUS(405, NOT_WORTH_IT),
    STATUS(406, NOT_WORTH_IT),
    STATUS(407, NOT_WORTH_IT),
    STATUS(409, NOT_WORTH_IT),
    STATUS(410, NOT_WORTH_IT),
    STATUS(411, NOT_WORTH_IT),
    STATUS(412, NOT_WORTH_IT),
    STATUS(413, NOT_WORTH_IT),
    STATUS(415, NOT_WORTH_IT),
    STATUS(416, NOT_WORTH_IT),
    STATUS(417, NOT_WORTH_IT),
    STATUS(418, NOT_WORTH_IT),
    STATUS(421, NOT_WORTH_IT),
    STATUS(422, NOT_WORTH_IT),
    STATUS(423, NOT_WORTH_IT),
    STATUS(424, NOT_WORTH_IT),
    STATUS(426, NOT_WORTH_IT),
    STATUS(428, NOT_WORTH_IT),
    STATUS(431, NOT_WORTH_IT),
    STATUS(451, NOT_WORTH_IT),
    STATUS(499, NOT_WORTH_IT),
    STATUS(501, NOT_WORTH_IT),
    STATUS(505, NOT_WORTH_IT),
    STATUS(507, NOT_WORTH_IT),
    STATUS(511, NOT_WORTH_IT),
    STATUS(599, NOT_WORTH_IT),
#undef STATUS
    { "no HTTP", NOT_WORTH_IT, ERRAND_CURL + 1, "first byte", "what is it\r\n\r\n", CLOSE, false },
    { "a bad length", NOT_WORTH_IT, ERRAND_CURL + 8, "first byte",
      "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nx", CLOSE, false },
    { "a bad chunk", NOT_WORTH_IT, ERRAND_CURL + 56, "body",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", CLOSE, true },
    { "a bad encoding", NOT_WORTH_IT, ERRAND_CURL + 61, "body",
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: "
      "8\r\n\r\nnot gzip",
      CLOSE, true },
    { "too large", NOT_WORTH_IT, ERRAND_CURL + 63, "body",
      "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n123456789012", CLOSE, true },
};

static void serve_row(struct raw_conn *conn, void *arg)
{
    const struct row *row = arg;
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "%s", row->reply);
    if (row->then == RESET) raw_reset(conn);
    else if (row->then == SILENCE) raw_wait_gone(conn);
}

static errand_policy *thrice(void)
{
    return errand_policy_new(
        &(errand_policy_opts){ .attempts = ATTEMPTS, .initial_ms = 1, .max_ms = 1 }, NULL);
}

static bool may_be_resent(group expected, const struct method *m)
{
    return m->harmless || (expected == REFUSED && m->repeat != ERRAND_REPEAT_NEVER);
}

static void send_with_all_methods(const struct row *row, group expected, errand_http_opts opts)
{
    struct harness w;
    errand_policy *policy = thrice();
    opts.policy = policy;
    opts.max_body = 10;
    harness_open(&w, serve_row, (void *)(uintptr_t)row, &opts);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct method *m = &methods[i];
        if ((row->needs_body && !strcmp(m->name, "HEAD")) || (row->then == SILENCE && i % 3))
            continue;
        unsigned before = raw_server_requests(w.server), attempts = 1;
        bool resent = may_be_resent(expected, m);
        if (expected != NOT_WORTH_IT && resent) attempts = ATTEMPTS;
        errand_result r = harness_send(
            &w, (errand_request){ .url = "/",
                                  .method = m->name,
                                  .idempotency_key = m->key,
                                  .repeat = m->repeat,
                                  .total_ms = row->then == SILENCE ? 100 : 0 });
        const char *said = errand_result_message(&r);
        /* curl may find it when polling, or when reading */
        bool reset = row->then == RESET && r.error == ERRAND_CURL + 55;
        ck_assert_msg(r.error && (!row->error || r.error == row->error || reset), "%s: %s",
                      row->name, said);
        if (row->phase)
            ck_assert_msg(!strcmp(errand_result_phase(&r), row->phase), "%s: phase %s", said,
                          errand_result_phase(&r));
        ck_assert_msg(errand_result_may_have_run(&r) == !resent, "%s: %s", m->name, said);
        unsigned received = raw_server_requests(w.server) - before;
        if (row->then == SILENCE) { /* on a slow machine the time may be over before it is sent */
            ck_assert_uint_le(received, attempts);
            if (!m->harmless) ck_assert_uint_le(errand_result_attempts(&r), ATTEMPTS);
        } else {
            ck_assert_msg(received == attempts, "%s of %s: received %u times", row->name, m->name,
                          received);
            ck_assert_uint_eq(errand_result_attempts(&r), attempts);
        }
        errand_result_free(&r);
    }
    errand_policy_free(policy);
    harness_close(&w);
}

START_TEST(a_failure_is_resent_as_its_row_says)
{
    send_with_all_methods(&rows[_i], rows[_i].group, (errand_http_opts){ 0 });
}
END_TEST

/* For servers that count a refused request, or do its work all the same. */
START_TEST(refused_may_have_run_makes_425_and_429_like_503)
{
    unsigned n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].group != REFUSED) continue;
        send_with_all_methods(&rows[i], MAY_HAVE_RUN,
                              (errand_http_opts){ .refused_may_have_run = 1 });
        n++;
    }
    ck_assert_uint_eq(n, 2);
}
END_TEST

/* A request that was never sent is retried, unless it sets ERRAND_REPEAT_NEVER: no server has seen
 * it. */
static errand_result send_to(struct harness *w, const struct method *m, const char *url)
{
    return harness_send(
        w, (errand_request){
               .url = url, .method = m->name, .idempotency_key = m->key, .repeat = m->repeat });
}

START_TEST(a_request_that_cannot_connect_was_never_sent)
{
    struct harness w;
    errand_policy *policy = thrice();
    harness_open(&w, say_once, "", &(errand_http_opts){ .policy = policy });
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* no socket listens there while we hold the port */
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    char url[60];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        errand_result r = send_to(&w, &methods[i], url);
        bool never = methods[i].repeat == ERRAND_REPEAT_NEVER;
        ck_assert_int_eq(r.error, ERRAND_CURL + 7);
        ck_assert_str_eq(errand_result_phase(&r), "connect");
        ck_assert_uint_eq(errand_result_attempts(&r), never ? 1 : ATTEMPTS);
        ck_assert(errand_result_may_have_run(&r) == never);
        errand_result_free(&r);
    }
    close(fd);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

static void no_tls(struct raw_conn *conn, void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    raw_say(conn, "HTTP/1.1 400 I do not speak TLS\r\n\r\n");
}

START_TEST(a_request_without_TLS_was_never_sent)
{
    struct harness w;
    atomic_uint met = 0;
    errand_policy *policy = thrice();
    harness_open(&w, no_tls, &met, &(errand_http_opts){ .policy = policy });
    char url[60];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", raw_server_port(w.server));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        atomic_store(&met, 0);
        errand_result r = send_to(&w, &methods[i], url);
        bool never = methods[i].repeat == ERRAND_REPEAT_NEVER;
        ck_assert_str_eq(errand_result_phase(&r), "tls");
        ck_assert_uint_eq(errand_result_attempts(&r), never ? 1 : ATTEMPTS);
        ck_assert_uint_eq(atomic_load(&met), never ? 1 : ATTEMPTS);
        ck_assert(errand_result_may_have_run(&r) == never);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_requests(w.server), 0);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(any_request_to_an_unresolved_name_is_tried_twice)
{
    struct harness w;
    errand_policy *policy = thrice();
    harness_open(&w, say_once, "", &(errand_http_opts){ .policy = policy });
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        errand_result r = send_to(&w, &methods[i], "http://no-such-host.invalid/");
        bool never = methods[i].repeat == ERRAND_REPEAT_NEVER;
        ck_assert_str_eq(errand_result_phase(&r), "resolve");
        ck_assert_uint_eq(errand_result_attempts(&r), never ? 1 : 2);
        errand_result_free(&r);
    }
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

Suite *table_suite(void)
{
    Suite *suite = suite_create("http table");
    TCase *tc = tcase_create("table");
    tcase_add_loop_test(tc, a_failure_is_resent_as_its_row_says, 0,
                        (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, refused_may_have_run_makes_425_and_429_like_503);
    tcase_add_test(tc, a_request_that_cannot_connect_was_never_sent);
    tcase_add_test(tc, a_request_without_TLS_was_never_sent);
    tcase_add_test(tc, any_request_to_an_unresolved_name_is_tried_twice);
    suite_add_tcase(suite, tc);
    return suite;
}
