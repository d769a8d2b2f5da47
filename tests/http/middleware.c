/* Between the caller and the wire: middleware, stage hooks, authentication, secrets, proxies. */
#include "harness.h"

#include <time.h>
#include <unistd.h>

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void mirror(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", request.length);
        raw_send(conn, request.text, request.length);
        raw_request_free(&request);
    }
}

static const char *text_of(const errand_result *r) { return errand_response_body(r->value).at; }
#define ck_has(r, part)                                                                            \
    ck_assert_msg(strstr(text_of(r), (part)) != NULL, "no %s in %s", (part), text_of(r))
#define ck_has_not(r, part)                                                                        \
    ck_assert_msg(!strstr(text_of(r), (part)), "%s in %s", (part), text_of(r))

/* ---- middleware ---- */

static errand_future *add_header(const errand_request *request, errand_chain *next, void *arg)
{
    const char *headers[] = { arg, NULL };
    errand_request changed = *request;
    if (!changed.headers) changed.headers = headers;
    return errand_chain_send(next, &changed);
}

static errand_result shorten(errand_result in, void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    return in;
}

static errand_future *count_ends(const errand_request *request, errand_chain *next, void *arg)
{
    return errand_then(errand_chain_send(next, request), shorten, arg);
}

static errand_future *answer_itself(const errand_request *request, errand_chain *next, void *arg)
{
    if (strcmp(request->url, "/cached")) return errand_chain_send(next, request);
    errand_future *f;
    errand_promise *promise = errand_promise_new(arg, &f);
    errand_promise_resolve(promise, errand_ok((void *)(uintptr_t) "from here", NULL));
    return f;
}

START_TEST(middleware_can_change_watch_and_answer_requests)
{
    struct harness w;
    atomic_uint ends = 0;
    errand_pool *pool = errand_pool_new(NULL);
    const errand_middleware row[] = {
        { count_ends, &ends },
        { answer_itself, pool },
        { add_header, (void *)(uintptr_t) "X-Added: 1" },
        /* headers exist already */
        { add_header, (void *)(uintptr_t) "X-Late: 1" },
        { NULL, NULL }
    };
    harness_open(&w, mirror, NULL, &(errand_http_opts){ .middleware = row });
    errand_result r = harness_get(&w, "/x");
    ck_well(&r);
    ck_has(&r, "\r\nX-Added: 1\r\n");
    ck_has_not(&r, "X-Late");
    errand_result_free(&r);
    r = harness_get(&w, "/cached");
    ck_assert_str_eq(r.value, "from here");
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&ends), 2);
    ck_assert_uint_eq(raw_server_requests(w.server), 1);
    /* validated after the last middleware */
    r = harness_send(&w, (errand_request){ .url = "ftp://x/" });
    ck_assert_int_eq(r.error, EINVAL);
    ck_assert_uint_eq(atomic_load(&ends), 3);
    errand_result_free(&r);
    harness_close(&w);
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

static errand_future *forget(const errand_request *request, errand_chain *next, void *arg)
{
    (void)request, (void)next, (void)arg;
    return NULL;
}

START_TEST(middleware_that_returns_null_fails_the_request)
{
    struct harness w;
    const errand_middleware row[] = { { forget, NULL }, { NULL, NULL } };
    harness_open(&w, mirror, NULL, &(errand_http_opts){ .middleware = row });
    errand_future *f = errand_get(w.http, "/");
    ck_assert_ptr_nonnull(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "middleware 0");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* An expired token is renewed and the request resent with it, later, from a task. */
struct renewing {
    errand_chain *next;
    atomic_uint renewals;
};

static errand_result with_new_token(errand_result in, void *arg)
{
    struct renewing *renewing = arg;
    if (in.error != ERRAND_HTTP + 401) return in;
    errand_result_free(&in);
    atomic_fetch_add(&renewing->renewals, 1);
    return errand_later(errand_chain_send(
        renewing->next, &(errand_request){ .url = "/paid", .bearer = "new-token" }));
}

static errand_future *renew(const errand_request *request, errand_chain *next, void *arg)
{
    struct renewing *renewing = arg;
    renewing->next = next;
    return errand_then(errand_chain_send(next, request), with_new_token, renewing);
}

static void want_new_token(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        raw_reply(conn, raw_has_header(&request, "Authorization", "Bearer new-token") ? 200 : 401,
                  "text/plain", "in");
        raw_request_free(&request);
    }
}

START_TEST(middleware_can_resend_later)
{
    struct harness w;
    struct renewing renewing = { 0 };
    harness_open(
        &w, want_new_token, NULL,
        &(errand_http_opts){ .middleware = (errand_middleware[]){ { renew, &renewing }, { 0 } } });
    errand_result r = harness_send(&w, (errand_request){ .url = "/paid", .bearer = "old-token" });
    ck_well(&r);
    ck_body_eq(&r, "in");
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&renewing.renewals), 1);
    ck_assert_uint_eq(raw_server_requests(w.server), 2);
    harness_close(&w);
}
END_TEST

/* ---- stages ---- */

struct stages {
    char text[2000];
    unsigned concurrency, most, n;
    double last_ms;
};

static void on_stage(const errand_stage_info *view, void *arg)
{
    struct stages *seen = arg;
    size_t length = strlen(seen->text);
    ck_assert_ptr_null(strchr(view->url, '?'));
    ck_assert_ptr_null(strstr(view->url, "sesame"));
    if (view->stage == ERRAND_STAGE_QUEUED) seen->last_ms = 0;
    ck_assert_double_ge(view->after_ms, seen->last_ms);
    seen->last_ms = view->after_ms;
    snprintf(seen->text + length, sizeof seen->text - length, "%llu %s %s",
             (unsigned long long)view->exchange, view->method, errand_stage_name(view->stage));
    length = strlen(seen->text);
    if (view->status || view->error)
        snprintf(seen->text + length, sizeof seen->text - length, " %d",
                 view->status ? view->status : view->error);
    length = strlen(seen->text);
    snprintf(seen->text + length, sizeof seen->text - length, "\n");
    seen->n++;
}

static void redirect_or_fail(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        bool old = strstr(request.text, " /old") != NULL,
             bad = strstr(request.text, " /bad") != NULL;
        raw_request_free(&request);
        if (bad) return;
        if (old) raw_say(conn, "HTTP/1.1 301 X\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n");
        else raw_reply(conn, 200, "text/plain", "");
    }
}

START_TEST(a_hook_is_called_for_every_stage_in_order)
{
    struct harness w;
    struct stages seen = { 0 };
    harness_open(&w, redirect_or_fail, NULL,
                 &(errand_http_opts){ .on_stage = on_stage, .stage_arg = &seen });
    errand_result r = harness_get(&w, "/old?token=sesame");
    ck_well(&r);
    errand_result_free(&r);
    r = harness_get(&w, "/bad");
    errand_result_free(&r);
    harness_close(&w); /* returns after the last hook call */
    ck_assert_str_eq(seen.text, "1 GET queued\n1 GET connected\n1 GET sent\n1 GET first byte\n"
                                "1 GET redirect 301\n1 GET sent\n1 GET first byte\n1 GET done 200\n"
                                "2 GET queued\n2 GET sent\n2 GET failed 131124\n");
}
END_TEST

static void on_detail(const errand_stage_info *view, void *arg)
{
    struct stages *seen = arg;
    size_t length = strlen(seen->text);
    length += (size_t)snprintf(seen->text + length, sizeof seen->text - length, "%llu %s",
                               (unsigned long long)view->exchange, errand_stage_name(view->stage));
    if (view->bytes)
        length += (size_t)snprintf(seen->text + length, sizeof seen->text - length, " %llu",
                                   (unsigned long long)view->bytes);
    ck_assert_int_eq(view->stage == ERRAND_STAGE_FAILED, *view->message != '\0');
    snprintf(seen->text + length, sizeof seen->text - length, "%s%s\n", *view->message ? ": " : "",
             view->message);
}

static int find_here(const char *host, errand_addresses *to, void *arg)
{
    (void)host, (void)arg;
    return errand_addresses_add(to, "127.0.0.1");
}

static int make_twice(void *made, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    *got = offset ? 0 : 5;
    ck_assert_uint_ge(size, 5);
    memcpy(buffer, "money", *got);
    ++*(unsigned *)made;
    return 0;
}

static void say_five(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        bool bad = strstr(request.text, " /bad");
        raw_request_free(&request);
        raw_say(conn, "HTTP/1.1 %s\r\nContent-Length: 5\r\n\r\nhello", bad ? "404 No" : "200 OK");
    }
}

START_TEST(a_hook_is_called_for_details_on_request)
{
    struct harness w;
    struct stages seen = { 0 };
    unsigned made = 0;
    char url[3][60];
    static const char *const paths[] = { "/a?token=sesame", "/b", "/bad" };
    harness_open(
        &w, say_five, NULL,
        &(errand_http_opts){
            .on_stage = on_detail, .stage_arg = &seen, .stage_details = 1, .resolver = find_here });
    for (int i = 0; i < 3; i++)
        snprintf(url[i], sizeof url[i], "http://a.test:%u%s", raw_server_port(w.server), paths[i]);
    errand_result all[] = {
        harness_send(&w, (errand_request){ .url = url[0], .body = { "pay", 3 } }),
        harness_send(&w,
                     (errand_request){
                         .url = url[1], .body_fn = make_twice, .body_arg = &made, .body_size = 5 }),
        harness_send(&w, (errand_request){ .url = url[2] }),
    };
    for (int i = 0; i < 3; i++) errand_result_free(&all[i]);
    harness_close(&w);
    char failed[100];
    snprintf(failed, sizeof failed, "3 failed: GET %s: HTTP 404 No\n", url[2]);
    ck_assert_ptr_nonnull(strstr(seen.text, failed));
    *strstr(seen.text, failed) = '\0';
    ck_assert_str_eq(seen.text,
                     "1 queued\n1 name looked up\n1 resolved\n1 connection new\n1 connected\n"
                     "1 sent\n1 chunk sent 3\n1 first byte\n1 chunk received 5\n1 done\n"
                     "2 queued\n2 name known\n2 resolved\n2 connection reused\n2 sent\n"
                     "2 chunk sent 5\n2 first byte\n2 chunk received 5\n2 done\n"
                     "3 queued\n3 name known\n3 resolved\n3 connection reused\n3 sent\n"
                     "3 first byte\n3 chunk received 5\n");
}
END_TEST

START_TEST(every_stage_has_a_name)
{
    for (int stage = 0; stage <= ERRAND_STAGE_CHUNK_RECEIVED; stage++)
        ck_assert_str_ne(errand_stage_name((errand_stage)stage), "");
    ck_assert_str_eq(errand_stage_name((errand_stage)(ERRAND_STAGE_CHUNK_RECEIVED + 1)), "");
    ck_assert_str_eq(errand_stage_name((errand_stage)-1), "");
}
END_TEST

START_TEST(a_hook_is_called_for_name_lookups_and_each_attempt)
{
    struct harness w;
    struct stages seen = { 0 };
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 2, .initial_ms = 1 }, NULL);
    harness_open(&w, redirect_or_fail, NULL,
                 &(errand_http_opts){ .on_stage = on_stage, .stage_arg = &seen, .policy = policy });
    char url[60];
    snprintf(url, sizeof url, "http://localhost:%u/bad", raw_server_port(w.server));
    errand_result r = harness_get(&w, url);
    ck_assert_int_ne(r.error, 0);
    errand_result_free(&r);
    harness_close(&w);
    ck_assert_ptr_nonnull(strstr(seen.text, "1 GET queued\n1 GET resolved\n1 GET connected\n"
                                            "1 GET sent\n1 GET failed "));
    ck_assert_ptr_nonnull(strstr(seen.text, "2 GET queued\n"));
    ck_assert_ptr_nonnull(strstr(seen.text, "2 GET failed "));
    errand_policy_free(policy);
}
END_TEST

static void count_stages(const errand_stage_info *view, void *arg)
{
    struct stages *seen = arg; /* no lock: hook calls do not overlap */
    (void)view;
    seen->most = ++seen->concurrency > seen->most ? seen->concurrency : seen->most;
    seen->n++;
    seen->concurrency--;
}

START_TEST(hook_calls_never_overlap_and_none_is_lost)
{
    struct harness w;
    struct stages seen = { 0 };
    unsigned n = storm(200);
    harness_open(&w, mirror, NULL,
                 &(errand_http_opts){ .on_stage = count_stages, .stage_arg = &seen, .limit = 8 });
    errand_future **fs = calloc(n, sizeof *fs);
    for (unsigned i = 0; i < n; i++) fs[i] = errand_get(w.http, "/");
    for (unsigned i = 0; i < n; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    unsigned connections = raw_server_connections(w.server);
    harness_close(&w);
    free(fs);
    ck_assert_uint_eq(seen.most, 1);
    ck_assert_uint_eq(seen.n, 4 * n + connections);
}
END_TEST

/* ---- authentication ---- */

START_TEST(a_requests_auth_replaces_the_sessions)
{
    struct harness w;
    harness_open(&w, mirror, NULL, &(errand_http_opts){ .bearer = "session-token" });
    errand_result r = harness_get(&w, "/");
    ck_has(&r, "\r\nAuthorization: Bearer session-token\r\n");
    errand_result_free(&r);
    r = harness_send(&w,
                     (errand_request){ .url = "/", .user = "Aladdin", .password = "open sesame" });
    ck_has(&r, "\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
    ck_has_not(&r, "session-token");
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/", .user = "ab" });
    ck_has(&r, "\r\nAuthorization: Basic YWI6\r\n");
    errand_result_free(&r);
    r = harness_send(&w,
                     (errand_request){ .url = "/", .headers = HEADERS("authorization: Own x") });
    ck_has(&r, "\r\nauthorization: Own x\r\n");
    ck_has_not(&r, "session-token");
    errand_result_free(&r);
    r = harness_send(
        &w,
        (errand_request){ .url = "/", .bearer = "x", .headers = HEADERS("authorization: Own x") });
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "bearer and a header Authorization are both given");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- secrets ---- */

/* Echoes the secrets it received in every part of its reply. */
static void blab(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        raw_request_free(&request);
        static const char problem[] =
            "{\"title\":\"bad token hush-hush-1, no /x?key=hush-hush-5&n=1 for hush-hush-4: "
            "hush-hush-5\",\"detail\":\"cookie id=hush-hush-2, key hush-hush-3, "
            "basic YW5uYTpodXNoLWh1c2gtNA==\"}";
        raw_say(
            conn,
            "HTTP/1.1 401 no Bearer hush-hush-1 here\r\nContent-Type: application/problem+json\r\n"
            "Content-Length: %zu\r\n\r\n%s",
            sizeof problem - 1, problem);
    }
}

START_TEST(secrets_stay_out_of_messages_logs_and_reports)
{
    struct harness w;
    char path[] = "/tmp/errand-log-XXXXXX", text[20000] = "";
    close(mkstemp(path));
    errand_log *log = errand_log_new(&(errand_log_opts){ .level = ERRAND_LOG_TRACE });
    ck_assert_int_eq(errand_log_to_file(log, path, ERRAND_LOG_TRACE), 0);
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .name = "paid", .log = log, .attempts = 2 }, NULL);
    struct stages seen = { 0 };
    harness_open(&w, blab, NULL,
                 &(errand_http_opts){
                     .log = log, .policy = policy, .on_stage = on_stage, .stage_arg = &seen });
    char url[200];
    snprintf(url, sizeof url,
             "http://anna:hush-hush-4@127.0.0.1:%u/x?key=hush-hush-5&n=1#hush-hush-6",
             raw_server_port(w.server));
    const char *const with_key[] = { "Cookie: id=hush-hush-2", "X-Api-Key: hush-hush-3",
                                     "Proxy-Authorization: hush-hush-7", NULL };
    errand_result r = harness_send(
        &w, (errand_request){ .url = url, .bearer = "hush-hush-1", .headers = with_key });
    ck_assert_int_eq(r.error, ERRAND_HTTP + 401);
    ck_message_has(&r, "bad token ");
    struct json_object *json = errand_result_json(&r, NULL);
    const char *report = json_object_to_json_string(json);
    ck_assert_msg(!strstr(errand_result_message(&r), "hush-hush"), "%s", errand_result_message(&r));
    ck_assert_msg(!strstr(errand_result_message(&r), "YW5uYTpodXNoLWh1c2gtNA"), "%s",
                  errand_result_message(&r));
    ck_assert_msg(!strstr(report, "hush-hush"), "%s", report);
    json_object_put(json);
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "http://127.0.0.1:1/x?key=hush-hush-5",
                                           .bearer = "hush-hush-1" });
    ck_assert_msg(!strstr(errand_result_message(&r), "hush-hush"), "%s", errand_result_message(&r));
    errand_result_free(&r);
    harness_close(&w);
    errand_policy_free(policy);
    ck_assert_int_eq(errand_log_close(log, 5000), 0);
    FILE *in = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    unlink(path);
    ck_assert_ptr_nonnull(strstr(text, "[paid-error]"));
    ck_assert_msg(!strstr(text, "hush-hush"), "%s", text);
    ck_assert_ptr_null(strstr(seen.text, "hush-hush"));
}
END_TEST

/* ---- proxies and sockets ---- */

START_TEST(a_proxy_gets_the_absolute_url_and_its_password)
{
    struct harness w;
    char proxy[100];
    struct raw_server *server;
    ck_assert_int_eq(raw_server_start(&server, mirror, NULL), 0);
    snprintf(proxy, sizeof proxy, "http://anna:sesame@localhost:%u", raw_server_port(server));
    harness_open_on(&w, server,
                    &(errand_http_opts){ .proxy = proxy, .base_url = "http://far.away.invalid/" });
    errand_result r = harness_get(&w, "/video?x=1"); /* a name that only the proxy could look up */
    ck_well(&r);
    ck_has(&r, "GET http://far.away.invalid/video?x=1 HTTP/1.1\r\n");
    ck_has(&r, "\r\nProxy-Authorization: Basic YW5uYTpzZXNhbWU=\r\n");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* A proxy's reply to CONNECT is not the server's: nothing of the request was sent. */
static void tunnel_to_nowhere(struct raw_conn *conn, void *arg)
{
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "%s", (const char *)arg);
    char hello;
    if (raw_read_bytes(conn, &hello, 1)) /* the client's part of TLS */
        raw_wait_gone(conn);
}

static const struct {
    const char *says;
    bool stream, hangs;
    int error;
    errand_kind kind;
} tunnels[] = {
    { "HTTP/1.1 200 Connection established\r\n\r\n", false, true, ETIMEDOUT, ERRAND_KIND_TIMEOUT },
    { "HTTP/1.1 200 Connection established\r\n\r\n", true, true, ETIMEDOUT, ERRAND_KIND_TIMEOUT },
    { "HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n", false, false, ERRAND_HTTP + 407,
      ERRAND_KIND_AUTH },
    { "HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", true, false,
      ERRAND_HTTP + 503, ERRAND_KIND_HTTP_SERVER },
};

START_TEST(a_proxys_reply_to_connect_is_not_the_servers)
{
    struct harness w;
    struct raw_server *server;
    char proxy[60];
    ck_assert_int_eq(
        raw_server_start(&server, tunnel_to_nowhere, (void *)(uintptr_t)tunnels[_i].says), 0);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", raw_server_port(server));
    harness_open_on(
        &w, server,
        &(errand_http_opts){ .proxy = proxy, .sock_connect_ms = tunnels[_i].hangs ? 300 : 0 });
    errand_result r = harness_send(&w, (errand_request){ .url = "https://far.away.invalid/pay",
                                                         .method = "POST",
                                                         .stream = tunnels[_i].stream });
    ck_assert_msg(r.error == tunnels[_i].error, "%s", errand_result_message(&r));
    ck_assert_int_eq(errand_result_kind(&r), tunnels[_i].kind);
    ck_assert(!errand_result_may_have_run(&r));
    if (tunnels[_i].hangs) ck_assert_str_eq(errand_result_phase(&r), "tls");
    ck_assert_int_eq(errand_result_retry_after(&r),
                     tunnels[_i].error == ERRAND_HTTP + 503 ? 7000 : -1);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(environment_proxies_are_used_only_if_enabled)
{
    struct harness w;
    struct raw_server *server;
    char proxy[100];
    ck_assert_int_eq(raw_server_start(&server, mirror, NULL), 0);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", raw_server_port(server));
    setenv("http_proxy", proxy, 1);
    setenv("no_proxy", "", 1);
    harness_open_on(
        &w, server,
        &(errand_http_opts){ .base_url = "http://far.away.invalid/", .environment = (unsigned)_i });
    errand_result r = harness_get(&w, "/");
    if (_i) {
        ck_well(&r);
        ck_has(&r, "GET http://far.away.invalid/ HTTP/1.1\r\n");
    } else {
        ck_assert_str_eq(errand_result_phase(&r), "resolve");
    }
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_unix_socket_serves_any_host)
{
    struct harness w;
    struct raw_server *server;
    char folder[40] = "/tmp/errand-unix-XXXXXX", path[60];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    ck_assert_int_eq(raw_server_start_at(&server, mirror, NULL, path), 0);
    harness_open_on(
        &w, server,
        &(errand_http_opts){ .unix_socket = path, .base_url = "http://no.such.host.invalid/" });
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&w, "/info");
        ck_well(&r);
        ck_has(&r, "GET /info HTTP/1.1\r\nHost: no.such.host.invalid\r\n");
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(server), 1);
    harness_close(&w);
    unlink(path);
    rmdir(folder);
}
END_TEST

static const errand_http_opts bad_opts[] = {
    { .proxy = "ftp://host:1" },
    { .proxy = "" },
    { .proxy = "http://h:99999" },
    { .unix_socket = "" },
    { .unix_socket = "/a", .proxy = "http://h" },
    { .environment = 1, .proxy = "http://h" },
    { .bearer = "a", .user = "b" },
};

START_TEST(a_bad_proxy_socket_or_auth_is_refused_by_http_new)
{
    errand_pool *pool = errand_pool_new(NULL);
    errno = 0;
    ck_assert_ptr_null(errand_http_new(pool, &bad_opts[_i]));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

/* "hello, world", gzipped */
static const unsigned char zipped[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7,
    0x51, 0x28, 0xcf, 0x2f, 0xca, 0x49, 0x01, 0x00, 0x3a, 0x72, 0xab, 0xff, 0x0c, 0x00, 0x00, 0x00
};

static void say_zipped(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    if (!raw_read_request(conn, &request)) return;
    atomic_store((atomic_uint *)arg, raw_has_header(&request, "Accept-Encoding", NULL));
    raw_request_free(&request);
    raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
            sizeof zipped);
    raw_send(conn, zipped, sizeof zipped);
}

START_TEST(replies_are_decompressed_unless_disabled)
{
    struct harness w;
    atomic_uint asked = 7;
    harness_open(&w, say_zipped, &asked, &(errand_http_opts){ .no_compression = (unsigned)_i });
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    ck_assert_uint_eq(asked, !_i);
    errand_transfer_metrics metrics;
    errand_response_metrics(r.value, &metrics);
    ck_assert_uint_eq(metrics.body, _i ? sizeof zipped : 12);
    if (!_i) ck_body_eq(&r, "hello, world");
    ck_assert_uint_eq(metrics.http, 11);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- responses ---- */

START_TEST(a_response_has_all_its_headers_and_metrics)
{
    struct harness w;
    harness_open(&w, say_always,
                 "HTTP/1.1 203 Sort Of\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\nSet-Cookie: "
                 "a=b\r\nX-A:3\r\n\r\nok",
                 NULL);
    for (int i = 0; i < 2; i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        ck_assert_str_eq(errand_response_reason(r.value), "Sort Of");
        ck_assert_str_eq(errand_response_header(r.value, "X-a", 0), "1");
        ck_assert_str_eq(errand_response_header(r.value, "X-a", 1), "2");
        ck_assert_str_eq(errand_response_header(r.value, "X-a", 2), "3");
        ck_assert_ptr_null(errand_response_header(r.value, "X-a", 3));
        const char *name, *value;
        ck_assert_int_eq(errand_response_each_header(r.value, 3, &name, &value), 0);
        ck_assert_str_eq(name, "Set-Cookie");
        ck_assert_str_eq(value, "a=b");
        ck_assert_int_eq(errand_response_each_header(r.value, 5, &name, &value), ENOENT);
        errand_transfer_metrics metrics;
        ck_assert_int_eq(errand_response_metrics(r.value, &metrics), 0);
        ck_assert_uint_eq(metrics.reused, i == 1);
        ck_assert_uint_eq(metrics.body, 2);
        ck_assert_uint_eq(metrics.redirects, 0);
        ck_assert_uint_eq(metrics.resent, 0);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

static const struct {
    const char *type;
    int lax, strict;
    bool warns;
} types[] = {
    { "application/json", 0, 0, false },         { "application/json; charset=utf-8", 0, 0, false },
    { "application/problem+json", 0, 0, false }, { "Application/JSON", 0, 0, false },
    { "text/html", 0, EBADMSG, true },           { "text/json-ish", 0, EBADMSG, true },
    { "application/jsonp", 0, EBADMSG, true },   { "", 0, EBADMSG, true },
};

static void say_typed(struct raw_conn *conn, void *arg)
{
    while (raw_read_request(conn, NULL)) raw_reply(conn, 200, types[*(int *)arg].type, "{\"a\":1}");
}

START_TEST(json_with_another_type_warns_or_is_refused)
{
    for (unsigned strict = 0; strict < 2; strict++) {
        struct harness w;
        int which = _i;
        harness_open(&w, say_typed, &which, &(errand_http_opts){ .strict_json = strict });
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        struct json_object *json;
        const char *why;
        ck_assert_int_eq(errand_response_json(r.value, &json, &why),
                         strict ? types[_i].strict : types[_i].lax);
        ck_assert_msg((*why != '\0') == types[_i].warns, "%s", why);
        if (types[_i].warns) {
            ck_assert_ptr_nonnull(strstr(why, types[_i].type));
            ck_assert_ptr_nonnull(strstr(why, "begins \"{\"a\":1}\""));
        }
        json_object_put(json);
        errand_result_free(&r);
        harness_close(&w);
    }
}
END_TEST

Suite *middleware_suite(void)
{
    Suite *suite = suite_create("http middleware");
    TCase *tc = tcase_create("middleware");
    tcase_add_test(tc, middleware_can_change_watch_and_answer_requests);
    tcase_add_test(tc, middleware_that_returns_null_fails_the_request);
    tcase_add_test(tc, middleware_can_resend_later);
    suite_add_tcase(suite, tc);
    tc = tcase_create("stages");
    tcase_add_test(tc, a_hook_is_called_for_every_stage_in_order);
    tcase_add_test(tc, a_hook_is_called_for_details_on_request);
    tcase_add_test(tc, every_stage_has_a_name);
    tcase_add_test(tc, a_hook_is_called_for_name_lookups_and_each_attempt);
    tcase_add_test(tc, hook_calls_never_overlap_and_none_is_lost);
    suite_add_tcase(suite, tc);
    tc = tcase_create("secrets");
    tcase_add_test(tc, a_requests_auth_replaces_the_sessions);
    tcase_add_test(tc, secrets_stay_out_of_messages_logs_and_reports);
    suite_add_tcase(suite, tc);
    tc = tcase_create("roads");
    tcase_add_test(tc, a_proxy_gets_the_absolute_url_and_its_password);
    tcase_add_loop_test(tc, a_proxys_reply_to_connect_is_not_the_servers, 0,
                        (int)(sizeof tunnels / sizeof *tunnels));
    tcase_add_loop_test(tc, environment_proxies_are_used_only_if_enabled, 0, 2);
    tcase_add_test(tc, a_unix_socket_serves_any_host);
    tcase_add_loop_test(tc, a_bad_proxy_socket_or_auth_is_refused_by_http_new, 0,
                        (int)(sizeof bad_opts / sizeof *bad_opts));
    tcase_add_loop_test(tc, replies_are_decompressed_unless_disabled, 0, 2);
    suite_add_tcase(suite, tc);
    tc = tcase_create("responses");
    tcase_add_test(tc, a_response_has_all_its_headers_and_metrics);
    tcase_add_loop_test(tc, json_with_another_type_warns_or_is_refused, 0,
                        (int)(sizeof types / sizeof *types));
    suite_add_tcase(suite, tc);
    return suite;
}
