/* Requests under a policy: which are retried, and which never. The server counts. */
#include "harness.h"

#include <time.h>

static const errand_policy_opts quick = { .attempts = 3, .initial_ms = 1, .max_ms = 2 };

struct script { /* one status after the other, the last one for good; 0 closes without a reply */
    int statuses[4];
    const char *headers; /* of errors, and of a 202 */
    atomic_uint n;
    char keys[8][80]; /* the received Idempotency-Key */
};

static void follow_script(struct raw_conn *conn, void *arg)
{
    struct script *script = arg;
    struct raw_request request;
    if (!raw_read_request(conn, &request)) return;
    unsigned i = atomic_fetch_add(&script->n, 1);
    const char *key = strstr(request.text, "Idempotency-Key: ");
    if (key && i < 8)
        snprintf(script->keys[i], sizeof script->keys[i], "%.*s", (int)strcspn(key, "\r"), key);
    raw_request_free(&request);
    int status = script->statuses[i < 4 ? i : 3];
    if (!status) return;
    raw_say(conn, "HTTP/1.1 %d X\r\nConnection: close\r\n%sContent-Length: 0\r\n\r\n", status,
            script->headers && (status >= 400 || status == 202) ? script->headers : "");
}

static errand_result run_script(struct script *script, errand_request request,
                                const errand_policy_opts *opts)
{
    struct harness w;
    harness_open(&w, follow_script, script, NULL);
    const char *why;
    errand_policy *policy = errand_policy_new(opts, &why);
    ck_assert_msg(policy != NULL, "%s", why);
    request.policy = policy;
    request.url = "/";
    errand_future *f = errand_send(w.http, &request);
    errand_policy_free(policy); /* the run keeps its own */
    errand_result r = errand_await(f);
    harness_close(&w);
    return r;
}

static const struct {
    const char *method;
    bool keyed;
    int status;    /* 0: connection lost */
    unsigned sent; /* how often, with 3 attempts */
} table[] = {
    { "GET", false, 503, 3 },   { "PUT", false, 503, 3 },  { "DELETE", false, 503, 3 },
    { "HEAD", false, 500, 3 },  { "POST", false, 503, 1 }, { "POST", true, 503, 3 },
    { "PATCH", false, 503, 1 }, { "PATCH", true, 502, 3 }, { "GET", false, 404, 1 },
    { "GET", false, 400, 1 },   { "GET", false, 401, 1 },  { "GET", false, 403, 1 },
    { "POST", true, 404, 1 },   { "GET", false, 408, 3 },  { "GET", false, 425, 3 },
    { "GET", false, 500, 3 },   { "GET", false, 501, 1 },  { "GET", false, 502, 3 },
    { "GET", false, 504, 3 },   { "GET", false, 522, 3 },  { "GET", false, 524, 3 },
    { "GET", false, 505, 1 },   { "GET", false, 0, 3 },    { "POST", false, 0, 1 },
    { "POST", true, 0, 3 },     { "POST", false, 408, 1 }, { "POST", false, 500, 1 },
    { "PUT", false, 0, 3 },     { "POST", false, 425, 3 }, { "POST", false, 429, 3 },
    { "PATCH", false, 429, 3 }, { "POST", true, 429, 3 },
};

START_TEST(only_repeatable_requests_with_transient_errors_are_retried)
{
    int status = table[_i].status;
    struct script script = { .statuses = { status, status, status, status } };
    errand_request request = { .method = table[_i].method,
                               .idempotency_key = table[_i].keyed ? "key 1" : NULL };
    errand_result r = run_script(&script, request, &quick);
    ck_assert_int_eq(r.error, status ? ERRAND_HTTP + status : ERRAND_CURL + 52);
    ck_assert_uint_eq(atomic_load(&script.n), table[_i].sent);
    ck_assert_uint_eq(errand_result_attempts(&r), table[_i].sent);
    if (status) ck_assert_int_eq(errand_response_status(r.value), status);
    for (unsigned i = 0; table[_i].keyed && i < table[_i].sent; i++)
        ck_assert_str_eq(script.keys[i], "Idempotency-Key: key 1");
    errand_result_free(&r);
}
END_TEST

START_TEST(a_429_is_retried_after_its_retry_after)
{
    struct script script = { .statuses = { 429, 200, 200, 200 },
                             .headers = "retry-after-ms: 30\r\n" };
    errand_result r = run_script(&script, (errand_request){ 0 }, &quick);
    ck_well(&r);
    ck_assert_uint_eq(atomic_load(&script.n), 2);
    errand_attempt first;
    ck_assert_int_eq(errand_result_attempt(&r, 0, &first), 0);
    ck_assert_int_eq(first.error, ERRAND_HTTP + 429);
    ck_assert_int_ge(first.then_waited_ms, 30);
    ck_assert_str_eq(first.why_waited, "retry-after");
    errand_result_free(&r);
}
END_TEST

START_TEST(a_retry_after_beyond_the_deadline_ends_the_run_at_once)
{
    struct script script = { .statuses = { 503, 200, 200, 200 },
                             .headers = "Retry-After: 3600\r\n" };
    errand_policy_opts opts = quick;
    opts.within_ms = 20000;
    errand_result r = run_script(&script, (errand_request){ 0 }, &opts);
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    ck_assert_int_eq(errand_result_retry_after(&r), 3600000);
    ck_assert_uint_eq(atomic_load(&script.n), 1);
    errand_result_free(&r);
}
END_TEST

START_TEST(any_status_makes_a_503_no_failure)
{
    struct script script = { .statuses = { 503, 200, 200, 200 } };
    errand_result r = run_script(&script, (errand_request){ .any_status = 1 }, &quick);
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), 503);
    ck_assert_uint_eq(atomic_load(&script.n), 1);
    errand_result_free(&r);
}
END_TEST

START_TEST(an_empty_key_header_is_no_key)
{
    static const char *const lines[] = {
        "Idempotency-Key:", "idempotency-key:   ", "IDEMPOTENCY-KEY: \t ", "idempotency-key: k"
    };
    struct script script = { .statuses = { 503, 503, 503, 503 } };
    const char *const headers[] = { lines[_i], NULL };
    errand_result r =
        run_script(&script, (errand_request){ .method = "POST", .headers = headers }, &quick);
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    ck_assert_uint_eq(atomic_load(&script.n), _i == 3 ? 3 : 1);
    ck_assert(errand_result_may_have_run(&r) == (_i != 3));
    errand_result_free(&r);
}
END_TEST

/* ---- Retry-After of a success ---- */

static bool is_under_way(const void *value, void *arg)
{
    (void)arg;
    return errand_response_status(value) == 202;
}

START_TEST(polling_waits_for_retry_after)
{
    struct script script = { .statuses = { 202, 200, 200, 200 },
                             .headers = "retry-after-ms: 30\r\n" };
    errand_policy_opts opts = quick;
    opts.retry_if = errand_retry_if_value(is_under_way, NULL);
    errand_result r = run_script(&script, (errand_request){ .stream = (unsigned)_i }, &opts);
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), 200);
    ck_assert_int_eq(errand_result_retry_after(&r), -1);
    errand_attempt first;
    ck_assert_int_eq(errand_result_attempt(&r, 0, &first), 0);
    ck_assert_int_eq(first.then_waited_ms, 30);
    ck_assert_str_eq(first.why_waited, "retry-after");
    errand_result_free(&r);
}
END_TEST

START_TEST(a_429_that_is_no_error_pauses_its_rate)
{
    static const int statuses[] = { 429, 202 };
    struct script script = { .statuses = { statuses[_i] }, .headers = "Retry-After: 100\r\n" };
    errand_pool *home = errand_pool_new(NULL);
    errand_rate *rate = errand_rate_new(
        home, &(errand_rate_opts){ .per_second = 1000, .max_keys = ERRAND_NO_KEYS });
    ck_assert_ptr_nonnull(rate);
    errand_policy_opts opts = quick;
    opts.rate = rate;
    errand_result r = run_script(&script, (errand_request){ .any_status = 1 }, &opts);
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), statuses[_i]);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_OK);
    ck_assert_int_eq(errand_result_retry_after(&r), 100000);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert(_i ? s.paused_ms == 0 : s.paused_ms > 0);
    errand_result_free(&r);
    errand_rate_free(rate);
    ck_assert_int_eq(errand_pool_close(home, 10000), 0);
}
END_TEST

/* ---- hedges ---- */

struct slow {
    atomic_uint came, go;
};

static void say_when_released(struct raw_conn *conn, void *arg)
{
    struct slow *slow = arg;
    while (raw_read_request(conn, NULL)) {
        atomic_fetch_add(&slow->came, 1);
        if (!hold_until(conn, &slow->go, 1)) return;
        raw_reply(conn, 200, "text/plain", "late");
    }
}

static int two_bytes(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)arg;
    *got = !offset && size >= 2 ? 2 : 0;
    memcpy(buffer, "ab", *got);
    return 0;
}

static const struct {
    errand_request request;
    errand_repeat repeat; /* of the policy */
    bool hedged;
} hedges[] = {
    { { .method = "GET" }, 0, true },
    { { .method = "PUT", .body = { "pay", 3 } }, 0, true },
    { { .method = "POST", .body = { "pay", 3 }, .idempotency_key = "k" }, 0, true },
    { { .method = "POST", .body = { "pay", 3 }, .repeat = ERRAND_REPEAT_ALWAYS }, 0, true },
    { { .method = "POST", .body = { "pay", 3 } }, ERRAND_REPEAT_ALWAYS, true },
    { { .method = "POST", .body = { "pay", 3 } }, 0, false },
    { { .method = "PATCH", .body = { "pay", 3 } }, 0, false },
    { { .method = "GET", .repeat = ERRAND_REPEAT_NEVER }, 0, false },
    { { .method = "GET", .repeat = ERRAND_REPEAT_NEVER }, ERRAND_REPEAT_ALWAYS, false },
    /* body_fn is never called concurrently */
    { { .method = "PUT", .body_fn = two_bytes }, 0, false },
};

START_TEST(only_requests_that_may_run_twice_at_once_are_hedged)
{
    struct harness w;
    struct slow slow = { .came = 0 };
    errand_policy_opts opts = { .attempts = 3, .hedge_ms = 100, .repeat = hedges[_i].repeat };
    errand_policy *policy = errand_policy_new(&opts, NULL);
    harness_open_clocked(&w, say_when_released, &slow, &(errand_http_opts){ .policy = policy });
    errand_request request = hedges[_i].request;
    request.url = "/";
    errand_future *f = errand_send(w.http, &request);
    until(&slow.came, 1);
    for (int turns = 0; turns < 50; turns++) /* each turn lets the run check its hedge timer */
        harness_turn(&w, 100);
    while (hedges[_i].hedged && atomic_load(&slow.came) < 3) { /* the timer thread may be late */
        nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
        harness_turn(&w, 100);
    }
    atomic_store(&slow.go, 1);
    errand_result r = errand_await(f);
    ck_well(&r);
    errand_policy_stats s;
    errand_policy_stats_get(policy, &s);
    ck_assert_uint_eq(s.attempts, hedges[_i].hedged ? 3 : 1);
    ck_assert_uint_eq(atomic_load(&slow.came), hedges[_i].hedged ? 3 : 1);
    errand_result_free(&r);
    harness_close(&w);
    errand_policy_free(policy);
}
END_TEST

START_TEST(repeat_never_overrides_the_policy)
{
    struct script script = { .statuses = { _i ? 202 : 503, 200, 200, 200 } };
    errand_policy_opts opts = quick;
    opts.repeat = ERRAND_REPEAT_ALWAYS;
    if (_i) opts.retry_if = errand_retry_if_value(is_under_way, NULL);
    errand_result r = run_script(&script, (errand_request){ .repeat = ERRAND_REPEAT_NEVER }, &opts);
    ck_assert_uint_eq(atomic_load(&script.n), 1);
    ck_assert_int_eq(r.error, _i ? ETIMEDOUT : ERRAND_HTTP + 503); /* still not done */
    errand_result_free(&r);
}
END_TEST

START_TEST(repeat_overrides_the_method)
{
    struct script script = { .statuses = { 503, 503, 200, 200 } };
    errand_result r = run_script(
        &script, (errand_request){ .method = "POST", .repeat = ERRAND_REPEAT_ALWAYS }, &quick);
    ck_well(&r);
    ck_assert_uint_eq(atomic_load(&script.n), 3);
    errand_result_free(&r);
    struct script again = { .statuses = { 503, 503, 200, 200 } };
    r = run_script(&again, (errand_request){ .method = "GET", .repeat = ERRAND_REPEAT_NEVER },
                   &quick);
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    ck_assert_uint_eq(atomic_load(&again.n), 1);
    errand_result_free(&r);
}
END_TEST

START_TEST(the_sessions_policy_applies_to_all_and_is_kept_alive)
{
    struct harness w;
    struct script script = { .statuses = { 503, 503, 200, 200 } };
    errand_policy *policy = errand_policy_new(&quick, NULL);
    harness_open(&w, follow_script, &script, &(errand_http_opts){ .policy = policy });
    errand_policy_free(policy);
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_unresolved_name_is_tried_twice_at_most)
{
    struct harness w;
    harness_open(&w, say_once, "", NULL);
    errand_policy_opts opts = quick;
    opts.attempts = 6;
    errand_policy *policy = errand_policy_new(&opts, NULL);
    errand_result r = harness_send(
        &w, (errand_request){ .url = "http://no-such-host.invalid/", .policy = policy });
    ck_assert_int_eq(r.error, ERRAND_CURL + 6);
    ck_assert_uint_eq(errand_result_attempts(&r), 2);
    errand_result_free(&r);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

/* The first request gets no reply, the others do. */
static void silent_at_first(struct raw_conn *conn, void *arg)
{
    atomic_uint *n = arg;
    if (!raw_read_request(conn, NULL)) return;
    if (atomic_fetch_add(n, 1) == 0) raw_wait_gone(conn);
    else raw_reply(conn, 200, "text/plain", "late");
}

START_TEST(a_hanging_attempt_is_cut_and_retried)
{
    struct harness w;
    atomic_uint n = 0;
    harness_open(&w, silent_at_first, &n, NULL);
    errand_policy_opts opts = quick;
    opts.attempts = 20; /* on a slow machine the answer may come too late more than once */
    opts.attempt_ms = _i ? 0 : 200;
    errand_policy *policy = errand_policy_new(&opts, NULL);
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/", .policy = policy, .total_ms = _i ? 200 : 0 });
    ck_well(&r);
    ck_body_eq(&r, "late");
    ck_assert_uint_ge(errand_result_attempts(&r), 2);
    errand_attempt first;
    ck_assert_int_eq(errand_result_attempt(&r, 0, &first), 0);
    ck_assert_int_eq(first.error, ETIMEDOUT);
    errand_result_free(&r);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(a_cancel_ends_a_run_that_sends_or_sleeps)
{
    struct harness w;
    struct script script = { .statuses = { 503, 503, 503, 503 } };
    harness_open(&w, follow_script, &script, NULL);
    errand_policy_opts opts = {
        .attempts = 5, .initial_ms = 100000, .max_ms = 100000, .jitter = ERRAND_JITTER_NONE
    };
    errand_policy *policy = errand_policy_new(&opts, NULL);
    errand_future *f = errand_send(w.http, &(errand_request){ .url = "/", .policy = policy });
    until(&script.n, 1);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    errand_result_free(&r);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(close_does_not_wait_for_a_sleeping_run)
{
    struct harness w;
    struct script script = { .statuses = { 503, 503, 503, 503 } };
    harness_open(&w, follow_script, &script, NULL);
    errand_policy_opts opts = {
        .attempts = 5, .initial_ms = 100000, .max_ms = 100000, .jitter = ERRAND_JITTER_NONE
    };
    errand_policy *policy = errand_policy_new(&opts, NULL);
    errand_future *f = errand_send(w.http, &(errand_request){ .url = "/", .policy = policy });
    until(&script.n, 1);
    ck_assert_int_eq(errand_http_close(w.http, 1000), 0);
    errand_result r = errand_await(f); /* it sleeps no longer */
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    errand_result_free(&r);
    errand_policy_free(policy);
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
}
END_TEST

/* ---- limits go by host and port ---- */

static void say_503(struct raw_conn *conn, void *arg)
{
    (void)arg;
    while (raw_read_request(conn, NULL) && raw_reply(conn, 503, "text/plain", "no")) continue;
}

START_TEST(a_policys_limits_are_keyed_by_host_and_port)
{
    struct harness w;
    errand_breaker_opts strict = { .min_calls = 2 };
    errand_pool *home = errand_pool_new(NULL);
    errand_breaker *breaker = errand_breaker_new(home, &strict);
    ck_assert_ptr_nonnull(breaker);
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 1, .breaker = breaker }, NULL);
    ck_assert_ptr_nonnull(policy);
    harness_open(&w, say_503, NULL, &(errand_http_opts){ .policy = policy });
    char key[60], url[80];
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&w, "/");
        ck_assert_int_eq(r.error, i < 2 ? ERRAND_HTTP + 503 : ERRAND_EOPEN);
        errand_result_free(&r);
    }
    snprintf(url, sizeof url, "http://LOCALHOST:%u/", raw_server_port(w.server));
    /* another host, though the same server */
    errand_result r = errand_await(errand_get(w.http, url));
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    errand_result_free(&r);
    errand_breaker_stats s;
    snprintf(key, sizeof key, "127.0.0.1:%u", raw_server_port(w.server));
    ck_assert_int_eq(errand_breaker_stats_get(breaker, key, &s), 0);
    ck_assert_int_eq(s.state, ERRAND_BREAKER_OPEN);
    snprintf(key, sizeof key, "localhost:%u", raw_server_port(w.server));
    ck_assert_int_eq(errand_breaker_stats_get(breaker, key, &s), 0);
    ck_assert_int_eq(s.state, ERRAND_BREAKER_CLOSED);
    harness_close(&w);
    errand_policy_free(policy);
    errand_breaker_free(breaker);
    ck_assert_int_eq(errand_pool_close(home, 1000), 0);
}
END_TEST

/* ---- a host that asks for a wait ---- */

/* Waits until a pause of this key holds back that many callers. */
static void await_held(errand_rate *rate, const char *key, unsigned waiting)
{
    for (errand_rate_stats s = { 0 }; !s.paused_ms || s.waiting < waiting;)
        errand_rate_stats_get(rate, key, &s);
}

START_TEST(a_429_holds_back_all_requests_to_its_host)
{
    struct harness w;
    struct script script = { .statuses = { 429, 200, 200, 200 }, .headers = "Retry-After: 5\r\n" };
    harness_open_clocked(&w, follow_script, &script, NULL);
    errand_rate *hosts =
        errand_rate_new(w.pool, &(errand_rate_opts){ .per_second = ERRAND_NO_PACE });
    errand_policy_opts opts = quick;
    opts.rate = hosts;
    errand_policy *policy = errand_policy_new(&opts, NULL);
    char key[60], other[80];
    snprintf(key, sizeof key, "127.0.0.1:%u", raw_server_port(w.server));
    snprintf(other, sizeof other, "http://localhost:%u/", raw_server_port(w.server));
    errand_request request = { .url = "/", .method = "POST", .policy = policy, .total_ms = 1000 };
    errand_future *first = errand_send(w.http, &request);
    await_held(hosts, key, 0);
    errand_future *second = errand_send(w.http, &request), *third = errand_send(w.http, &request);
    await_held(hosts, key, 2);
    /* they hold no connection, nor wait for one */
    for (errand_http_stats s = { .in_flight = 1 }; s.in_flight + s.queued;)
        ck_assert_int_eq(errand_http_stats_get(w.http, &s), 0);
    harness_turn(&w, 4000); /* longer than their total_ms */
    errand_cancel(third);
    errand_result r = errand_await(third);
    ck_assert_int_eq(r.error, ECANCELED);
    errand_result_free(&r);
    request.url = other;
    r = errand_await(errand_send(w.http, &request));
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&script.n), 2); /* the first, and the other host's */
    harness_turn(&w, 1001);
    r = errand_await(second);
    ck_well(&r);
    errand_result_free(&r);
    r = errand_await(first);
    ck_well(&r);
    errand_result_free(&r);
    errand_policy_free(policy);
    errand_rate_free(hosts);
    harness_close(&w);
}
END_TEST

/* ---- a GET that a redirect made of a POST ---- */

static void take_and_send_away(struct raw_conn *conn, void *arg)
{
    if (raw_read_request(conn, NULL))
        raw_say(conn,
                "HTTP/1.1 %d Done\r\nLocation: http://127.0.0.1:1/receipt\r\n"
                "Connection: close\r\nContent-Length: 0\r\n\r\n",
                *(int *)arg);
}

static const struct {
    const char *method;
    int status;
    bool keyed;
    unsigned sent;
} sent_away[] = {
    { "POST", 303, false, 1 }, { "POST", 302, false, 1 },  { "POST", 301, false, 1 },
    { "POST", 303, true, 3 },  { "PATCH", 303, false, 1 }, { "PUT", 303, false, 3 },
    { "GET", 303, false, 3 },  { "POST", 307, false, 3 },
};

START_TEST(a_redirected_post_is_not_resent_if_its_target_fails)
{
    struct harness w;
    int status = sent_away[_i].status;
    errand_policy *policy = errand_policy_new(&quick, NULL);
    harness_open(&w, take_and_send_away, &status, &(errand_http_opts){ .policy = policy });
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/pay",
                                           .method = sent_away[_i].method,
                                           .idempotency_key = sent_away[_i].keyed ? "k" : NULL });
    ck_assert_int_eq(r.error, ERRAND_CURL + 7);
    ck_assert_uint_eq(raw_server_requests(w.server), sent_away[_i].sent);
    ck_assert(errand_result_may_have_run(&r) == (sent_away[_i].sent == 1));
    errand_result_free(&r);
    harness_close(&w);
    errand_policy_free(policy);
}
END_TEST

Suite *retries_suite(void)
{
    Suite *suite = suite_create("http retries");
    TCase *tc = tcase_create("retries");
    tcase_add_loop_test(tc, only_repeatable_requests_with_transient_errors_are_retried, 0,
                        (int)(sizeof table / sizeof *table));
    tcase_add_test(tc, a_429_is_retried_after_its_retry_after);
    tcase_add_test(tc, a_retry_after_beyond_the_deadline_ends_the_run_at_once);
    tcase_add_test(tc, any_status_makes_a_503_no_failure);
    tcase_add_loop_test(tc, an_empty_key_header_is_no_key, 0, 4);
    tcase_add_loop_test(tc, polling_waits_for_retry_after, 0, 2);
    tcase_add_loop_test(tc, a_429_that_is_no_error_pauses_its_rate, 0, 2);
    tcase_add_loop_test(tc, only_requests_that_may_run_twice_at_once_are_hedged, 0,
                        (int)(sizeof hedges / sizeof *hedges));
    tcase_add_loop_test(tc, repeat_never_overrides_the_policy, 0, 2);
    tcase_add_test(tc, repeat_overrides_the_method);
    tcase_add_test(tc, the_sessions_policy_applies_to_all_and_is_kept_alive);
    tcase_add_test(tc, an_unresolved_name_is_tried_twice_at_most);
    tcase_add_loop_test(tc, a_hanging_attempt_is_cut_and_retried, 0, 2);
    tcase_add_test(tc, a_cancel_ends_a_run_that_sends_or_sleeps);
    tcase_add_test(tc, close_does_not_wait_for_a_sleeping_run);
    tcase_add_test(tc, a_policys_limits_are_keyed_by_host_and_port);
    tcase_add_test(tc, a_429_holds_back_all_requests_to_its_host);
    tcase_add_loop_test(tc, a_redirected_post_is_not_resent_if_its_target_fails, 0,
                        (int)(sizeof sent_away / sizeof *sent_away));
    suite_add_tcase(suite, tc);
    return suite;
}
