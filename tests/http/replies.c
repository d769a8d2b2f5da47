/* Requests are sent as given, replies are returned as received. */
#include "harness.h"

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Replies with the whole request as the body. */
static void mirror(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nX-Connection: %u\r\n\r\n",
                request.length, raw_number(conn));
        raw_send(conn, request.text, request.length);
        raw_request_free(&request);
    }
}

static const char *body_of(const errand_result *r) { return errand_response_body(r->value).at; }

START_TEST(a_get_has_only_the_default_headers)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    errand_result r = harness_get(&w, "/a/b?c=d#e");
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), 200);
    ck_assert_int_eq(strncmp(body_of(&r), "GET /a/b?c=d HTTP/1.1\r\n", 23), 0);
    ck_assert_ptr_nonnull(strstr(body_of(&r), "\r\nUser-Agent: errand/"));
    ck_assert_ptr_nonnull(strstr(body_of(&r), "\r\nAccept-Encoding: "));
    ck_assert_ptr_null(strstr(body_of(&r), "Expect:"));
    ck_assert_ptr_null(strstr(body_of(&r), "Content-"));
    ck_assert_str_eq(errand_response_url(r.value), harness_url(&w, "/a/b?c=d"));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_absolute_url_needs_no_base)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    errand_pool *pool = errand_pool_new(NULL);
    errand_http *http = errand_http_new(pool, NULL);
    errand_result r = errand_await(errand_get(http, harness_url(&w, "/x")));
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_int_eq(errand_http_close(http, 10000), 0);
    ck_assert_int_eq(errand_pool_close(pool, 10000), 0);
    harness_close(&w);
}
END_TEST

static const struct {
    const char *base, *url, *target;
} relatives[] = {
    { "", "/x", "GET /x HTTP" },
    { "", "x/y", "GET /x/y HTTP" },
    { "/api/v1/", "videos", "GET /api/v1/videos HTTP" },
    { "/api/v1", "videos", "GET /api/videos HTTP" },
    { "/api/v1/", "../v2", "GET /api/v2 HTTP" },
    { "/api/v1/", "/root", "GET /root HTTP" },
    { "/api/v1/", "?q=1", "GET /api/v1/?q=1 HTTP" },
};

START_TEST(relative_urls_are_resolved)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    char base[200];
    snprintf(base, sizeof base, "%s%s", raw_server_url(w.server), relatives[_i].base);
    errand_http *http = errand_http_new(w.pool, &(errand_http_opts){ .base_url = base });
    errand_result r = errand_await(errand_get(http, relatives[_i].url));
    ck_well(&r);
    ck_assert_msg(!strncmp(body_of(&r), relatives[_i].target, strlen(relatives[_i].target)), "%s",
                  body_of(&r));
    errand_result_free(&r);
    ck_assert_int_eq(errand_http_close(http, 10000), 0);
    harness_close(&w);
}
END_TEST

START_TEST(request_headers_override_the_sessions)
{
    struct harness w;
    errand_http_opts opts = {
        .headers = HEADERS("X-Session: s", "X-Both: session", "Accept: text/plain"),
        .user_agent = "me/1"
    };
    harness_open(&w, mirror, NULL, &opts);
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/",
                                           .headers = HEADERS("X-Own: a", "X-Own: b", "x-both: own",
                                                              "X-Empty:", "Accept: */*") });
    ck_well(&r);
    const char *parts[] = { "\r\nX-Session: s\r\n",    "\r\nX-Own: a\r\n", "\r\nX-Own: b\r\n",
                            "\r\nx-both: own\r\n",     "\r\nX-Empty:\r\n", "\r\nAccept: */*\r\n",
                            "\r\nUser-Agent: me/1\r\n" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        ck_assert_msg(strstr(body_of(&r), parts[i]) != NULL, "no %s in %s", parts[i], body_of(&r));
    }
    ck_assert_ptr_null(strstr(body_of(&r), "session"));
    ck_assert_ptr_null(strstr(body_of(&r), "text/plain"));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static unsigned times(const errand_result *r, const char *part)
{
    unsigned n = 0;
    for (const char *at = body_of(r); (at = strstr(at, part)); at++) n++;
    return n;
}

static void touch_nothing(void *easy, void *arg) { (void)easy, (void)arg; }

static const struct greeting {
    const char *const *of_session, *const *of_request;
    const char *agent, *said;
    void (*setup)(void *easy, void *arg);
} greetings[] = {
    { NULL, NULL, NULL, "\r\nUser-Agent: errand/", NULL },
    { NULL, NULL, NULL, "\r\nUser-Agent: errand/", touch_nothing },
    { NULL, NULL, "me/1", "\r\nUser-Agent: me/1\r\n", touch_nothing },
    { NULL, HEADERS("X-Other: 1"), "me/1", "\r\nUser-Agent: me/1\r\n", NULL },
    { HEADERS("user-agent: me/2"), NULL, "me/1", "\r\nuser-agent: me/2\r\n", NULL },
    { HEADERS("User-Agent: me/2"), HEADERS("User-Agent: me/3"), NULL, "\r\nUser-Agent: me/3\r\n",
      NULL },
    { NULL, HEADERS("User-Agent: me/3"), NULL, "\r\nUser-Agent: me/3\r\n", touch_nothing },
    { NULL, NULL, "", NULL, NULL },
    { NULL, NULL, "", NULL, touch_nothing },
};

START_TEST(user_agent_and_accept_encoding_are_sent_once)
{
    const struct greeting *g = &greetings[_i];
    struct harness w;
    harness_open(&w, mirror, NULL,
                 &(errand_http_opts){ .headers = g->of_session, .user_agent = g->agent });
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/", .headers = g->of_request, .setup = g->setup });
    ck_well(&r);
    ck_assert_uint_eq(times(&r, "ser-"), g->said != NULL);
    if (g->said) ck_assert_uint_eq(times(&r, g->said), 1);
    ck_assert_uint_eq(times(&r, "\r\nAccept-Encoding: "), 1);
    errand_result_free(&r);
    r = harness_send(&w,
                     (errand_request){
                         .url = "/", .headers = HEADERS("Accept-Encoding: x"), .setup = g->setup });
    ck_well(&r);
    ck_assert_uint_eq(times(&r, "\r\nAccept-Encoding: "), 1);
    ck_assert_uint_eq(times(&r, "\r\nAccept-Encoding: x\r\n"), 1);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_body_makes_a_post_of_exactly_its_bytes)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    static const char bytes[] = "a\0b\r\n\xff";
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/", .body = { bytes, sizeof bytes - 1 } });
    ck_well(&r);
    errand_bytes body = errand_response_body(r.value);
    ck_assert_int_eq(strncmp(body.at, "POST / HTTP/1.1\r\n", 17), 0);
    ck_assert_ptr_nonnull(strstr(body.at, "\r\nContent-Length: 6\r\n"));
    ck_assert_ptr_null(strstr(body.at, "Content-Type")); /* no form was given */
    ck_assert_uint_gt(body.size, 6);
    ck_assert_int_eq(memcmp((const char *)body.at + body.size - 6, bytes, 6), 0);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static const struct {
    const char *method, *body, *line;
} methods[] = {
    { "GET", NULL, "GET / " },         { "GET", "x", "GET / " },
    { "POST", NULL, "POST / " },       { "POST", "x", "POST / " },
    { "PUT", "x", "PUT / " },          { "PUT", NULL, "PUT / " },
    { "PATCH", "x", "PATCH / " },      { "PATCH", NULL, "PATCH / " },
    { "DELETE", NULL, "DELETE / " },   { "DELETE", "x", "DELETE / " },
    { "OPTIONS", NULL, "OPTIONS / " }, { "REPORT", "x", "REPORT / " },
};

START_TEST(any_method_is_sent_with_its_body)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    const char *body = methods[_i].body;
    errand_request request = {
        .url = "/", .method = methods[_i].method, .body = { body, body ? strlen(body) : 0 }
    };
    for (int turn = 0; turn < 2; turn++) { /* the second on a handle that was used before */
        errand_result r = harness_send(&w, request);
        ck_well(&r);
        ck_assert_int_eq(strncmp(body_of(&r), methods[_i].line, strlen(methods[_i].line)), 0);
        const char *end = strstr(body_of(&r), "\r\n\r\n");
        ck_assert_str_eq(end + 4, body ? body : "");
        bool has_length = strstr(body_of(&r), "Content-Length:") != NULL;
        /* POST, PUT, PATCH: a length of 0 is sent */
        ck_assert(has_length == (body || !strncmp(methods[_i].method, "P", 1)));
        /* no body, or one without a type */
        ck_assert_ptr_null(strstr(body_of(&r), "Content-Type"));
        errand_result_free(&r);
        r = harness_send(&w, (errand_request){ .url = "/", .body = { "other", 5 } });
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

START_TEST(json_is_sent_as_json)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "prompt", json_object_new_string("a \"cat\""));
    errand_result r = errand_await(errand_post_json(w.http, "/generate", json));
    ck_well(&r);
    ck_assert_ptr_nonnull(strstr(body_of(&r), "\r\nContent-Type: application/json\r\n"));
    ck_assert_str_eq(strstr(body_of(&r), "\r\n\r\n") + 4, "{\"prompt\":\"a \\\"cat\\\"\"}");
    errand_result_free(&r);
    r = harness_send(
        &w,
        (errand_request){
            .url = "/", .method = "PUT", .json = json, .headers = HEADERS("content-type: x/y") });
    ck_well(&r);
    ck_assert_ptr_null(strstr(body_of(&r), "application/json"));
    errand_result_free(&r);
    json_object_put(json);
    r = errand_await(errand_post_json(w.http, "/", NULL));
    ck_well(&r);
    ck_assert_str_eq(strstr(body_of(&r), "\r\n\r\n") + 4, "null");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_idempotency_key_is_sent_verbatim)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/", .method = "POST", .idempotency_key = "video \"1\"" });
    ck_well(&r);
    ck_assert_ptr_nonnull(strstr(body_of(&r), "\r\nIdempotency-Key: video \"1\"\r\n"));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_connection_is_reused)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        ck_assert_str_eq(errand_response_header(r.value, "x-connection", 0), "1");
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 1);
    harness_close(&w);
}
END_TEST

START_TEST(reply_headers_are_found_in_any_case_and_number)
{
    struct harness w;
    harness_open(&w, say_once,
                 "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
                 "HTTP/1.1 201 Very  Created\r\nSet-Cookie: a\r\nX-Empty:\r\nset-cookie:   b  "
                 "\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n"
                 "3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n",
                 NULL);
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), 201);
    ck_assert_str_eq(errand_response_header(r.value, "SET-COOKIE", 0), "a");
    ck_assert_str_eq(errand_response_header(r.value, "Set-Cookie", 1), "b");
    ck_assert_ptr_null(errand_response_header(r.value, "Set-Cookie", 2));
    ck_assert_str_eq(errand_response_header(r.value, "x-empty", 0), "");
    ck_assert_ptr_null(errand_response_header(r.value, "X-Early", 0));
    ck_assert_ptr_null(errand_response_header(r.value, "X-Trailer", 0));
    ck_assert_ptr_null(errand_response_header(r.value, "Set", 0));
    ck_body_eq(&r, "abc");
    ck_assert_uint_eq(errand_response_body(r.value).size, 3);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_empty_reply_body_is_an_empty_string)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 204 No Content\r\n\r\n", NULL);
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), 204);
    ck_body_eq(&r, "");
    ck_assert_uint_eq(errand_response_body(r.value).size, 0);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_reply_to_head_has_no_body)
{
    struct harness w;
    harness_open(&w, say_always, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", NULL);
    for (int i = 0; i < 2; i++) {
        errand_result r = harness_send(&w, (errand_request){ .url = "/", .method = "HEAD" });
        ck_well(&r);
        ck_assert_uint_eq(errand_response_body(r.value).size, 0);
        ck_assert_str_eq(errand_response_header(r.value, "content-length", 0), "10");
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 1);
    harness_close(&w);
}
END_TEST

/* 5,000 times '0' */
static const char gzipped[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\x4a"
    "\xeb\x9f\xce\x14\x7e\x40\x01\x00\x00\x00\x00\x6f\x03\x04\x3d\xfc\xa8\x88\x13\x00"
    "\x00";

static void say_gzipped(struct raw_conn *conn, void *arg)
{
    (void)arg;
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
            sizeof gzipped - 1);
    raw_send(conn, gzipped, sizeof gzipped - 1);
}

START_TEST(max_body_counts_decompressed_bytes)
{
    for (int small = 0; small < 2; small++) {
        struct harness w;
        harness_open(&w, say_gzipped, NULL, &(errand_http_opts){ .max_body = small ? 4999 : 5000 });
        errand_result r = harness_get(&w, "/");
        if (small) {
            ck_assert_int_eq(r.error, ERRAND_CURL + 63);
            ck_message_has(&r, "larger than max_body, 4999 bytes");
        } else {
            ck_well(&r);
            ck_assert_uint_eq(errand_response_body(r.value).size, 5000);
            ck_assert_uint_eq(strspn(body_of(&r), "0"), 5000);
        }
        errand_result_free(&r);
        harness_close(&w);
    }
}
END_TEST

START_TEST(timings_never_decrease)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    errand_timings t;
    ck_assert_int_eq(errand_response_timings(r.value, &t), 0);
    ck_assert_double_ge(t.queue, 0);
    ck_assert_double_ge(t.resolve, t.queue);
    ck_assert_double_ge(t.connect, t.resolve);
    ck_assert_double_eq(t.tls, -1);
    ck_assert_double_ge(t.first_byte, t.connect);
    ck_assert_double_ge(t.total, t.first_byte);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- timings of failures ---- */

static void say_half(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        bool whole = strstr(request.text, " /whole ") != NULL;
        raw_request_free(&request);
        if (whole) {
            raw_reply(conn, 200, "text/plain", "whole");
            continue;
        }
        raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        atomic_fetch_add((atomic_uint *)arg, 1);
        raw_pause(conn, 20);
        return;
    }
}

/* A kept connection has no time of connect. */
static void check_reached(const errand_result *r, bool answered, bool kept)
{
    errand_timings t;
    ck_assert_int_ne(r->error, 0);
    ck_assert_int_eq(errand_result_timings(r, &t), 0);
    ck_assert_double_ge(t.queue, 0);
    ck_assert_double_ge(t.resolve, t.queue);
    ck_assert_double_eq(t.tls, -1);
    if (answered) {
        ck_assert_double_ge(t.first_byte, t.resolve);
        ck_assert_double_ge(t.total, t.first_byte - 0.1);
    } else {
        ck_assert_double_eq(t.first_byte, -1);
    }
    if (answered && !kept) ck_assert_double_ge(t.connect, t.resolve);
    else ck_assert_double_eq(t.connect, -1);
    struct json_object *json = errand_result_json(r, NULL), *meta, *times, *first;
    json_object_object_get_ex(json, "metadata", &meta);
    ck_assert(json_object_object_get_ex(meta, "timing_ms", &times));
    ck_assert(json_object_object_get_ex(times, "first_byte", &first));
    ck_assert(json_object_is_type(first, answered ? json_type_double : json_type_null));
    json_object_put(json);
}

START_TEST(a_failure_has_the_timings_it_reached)
{
    struct harness w;
    atomic_uint said = 0;
    harness_open(&w, say_half, &said, NULL);
    errand_result r = harness_get(&w, _i ? "/whole" : "/half"); /* on a kept connection, too */
    errand_result_free(&r);
    r = harness_get(&w, "/half"); /* the server hangs up */
    check_reached(&r, true, _i);
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "http://127.0.0.1:1/" });
    check_reached(&r, false, false);
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/", .method = "" });
    errand_timings none;
    ck_assert_int_eq(errand_result_timings(&r, &none), ENOENT);
    errand_result_free(&r);
    r = harness_get(&w, "/whole");
    ck_assert_int_eq(errand_result_timings(&r, &none), 0);
    ck_assert_double_ge(none.first_byte, 0);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_cancelled_transfer_has_the_timings_it_reached)
{
    struct harness w;
    atomic_uint said = 0;
    harness_open_clocked(&w, say_half, &said,
                         &(errand_http_opts){ .limit = 1, .limit_per_host = 1 });
    errand_future *f = errand_send(w.http, &(errand_request){ .url = "/half", .stream = 1 });
    errand_future *waits = errand_send(w.http, &(errand_request){ .url = "/half" });
    errand_cancel(waits);
    errand_result late = errand_await(waits), r = errand_await(f);
    errand_timings t;
    ck_assert_int_eq(errand_result_timings(&late, &t), 0);
    ck_assert(t.queue == -1 && t.resolve == -1 && t.connect == -1 && t.first_byte == -1 &&
              t.total >= 0);
    errand_result_free(&late);
    ck_well(&r);
    char buffer[20];
    while (errand_body_read(r.value, buffer, sizeof buffer, ERRAND_FOREVER) > 0) continue;
    check_reached(errand_body_failure(r.value), true, false);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* /N gets the status N with a Location, anything else an echo of the request. */
static void redirecting(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        const char *path = strchr(request.text, ' ');
        long status = path ? strtol(path + 2, NULL, 10) : 0;
        if (status == 999)
            raw_say(
                conn,
                "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
        else if (status == 310)
            raw_say(conn, "HTTP/1.1 302 Found\r\nLocation: /310\r\nContent-Length: 0\r\n\r\n");
        else if (status)
            raw_say(conn,
                    "HTTP/1.1 %ld Moved\r\nLocation: /end?q=1\r\nX-Hop: 1\r\nContent-Length: "
                    "3\r\n\r\nhop",
                    status);
        else raw_reply(conn, 200, "text/plain", request.text);
        raw_request_free(&request);
    }
}

static const struct {
    const char *method;
    int status;
    const char *line;
    bool with_body;
} redirects[] = {
    { "GET", 301, "GET /end?q=1 ", false },    { "POST", 301, "GET /end?q=1 ", false },
    { "POST", 302, "GET /end?q=1 ", false },   { "POST", 303, "GET /end?q=1 ", false },
    { "POST", 307, "POST /end?q=1 ", true },   { "POST", 308, "POST /end?q=1 ", true },
    { "PUT", 301, "PUT /end?q=1 ", true },     { "PUT", 302, "PUT /end?q=1 ", true },
    { "PUT", 303, "GET /end?q=1 ", false },    { "PUT", 307, "PUT /end?q=1 ", true },
    { "DELETE", 303, "GET /end?q=1 ", false },
};

START_TEST(redirects_change_methods_as_the_rfc_says)
{
    struct harness w;
    harness_open(&w, redirecting, NULL, NULL);
    char url[20];
    snprintf(url, sizeof url, "/%d", redirects[_i].status);
    errand_request request = { .url = url, .method = redirects[_i].method };
    if (!strcmp(request.method, "POST") || !strcmp(request.method, "PUT"))
        request.body = (errand_bytes){ "load", 4 };
    errand_result r = harness_send(&w, request);
    ck_well(&r);
    ck_assert_msg(!strncmp(body_of(&r), redirects[_i].line, strlen(redirects[_i].line)), "%s",
                  body_of(&r));
    ck_assert_str_eq(strstr(body_of(&r), "\r\n\r\n") + 4, redirects[_i].with_body ? "load" : "");
    ck_assert_ptr_null(errand_response_header(r.value, "X-Hop", 0));
    ck_assert_str_eq(errand_response_url(r.value), harness_url(&w, "/end?q=1"));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_redirect_loop_or_another_scheme_is_an_error)
{
    struct harness w;
    harness_open(&w, redirecting, NULL, NULL);
    errand_result r = harness_get(&w, "/310");
    ck_assert_int_eq(r.error, ERRAND_CURL + 47);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_PROTOCOL);
    ck_assert(!errand_result_transient(&r));
    ck_assert_uint_eq(raw_server_requests(w.server), 11);
    errand_result_free(&r);
    r = harness_get(&w, "/999");
    ck_assert_int_eq(r.error, ERRAND_CURL + 1);
    ck_assert(!errand_result_transient(&r));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* Redirects to `arg` once, then mirrors. */
static void redirect_to(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        if (strstr(request.text, " /away ")) {
            raw_say(conn, "HTTP/1.1 307 Away\r\nLocation: %s/there\r\nContent-Length: 0\r\n\r\n",
                    (const char *)arg);
        } else {
            raw_reply(conn, 200, "text/plain", request.text);
        }
        raw_request_free(&request);
    }
}

START_TEST(redirects_to_another_origin_drop_secrets)
{
    struct harness away, w;
    harness_open(&away, mirror, NULL, NULL);
    char elsewhere[100];
    snprintf(elsewhere, sizeof elsewhere, "%s", _i ? raw_server_url(away.server) : "");
    harness_open(&w, redirect_to, elsewhere, NULL);
    const char *const *headers =
        HEADERS("X-Api-Key: sesame", "Authorization: Bearer sesame", "Cookie: a=sesame",
                "Proxy-Authorization: sesame", "X-Plain: open", "Host: home.test");
    errand_result r = harness_send(&w, (errand_request){ .url = "/away", .headers = headers });
    ck_well(&r);
    ck_assert_int_eq(strncmp(body_of(&r), "GET /there ", 11), 0);
    ck_assert_ptr_nonnull(strstr(body_of(&r), "X-Plain: open"));
    bool shown = strstr(body_of(&r), "sesame") != NULL,
         all = strstr(body_of(&r), "X-Api-Key: sesame") != NULL;
    ck_assert(_i ? !shown : all);
    /* not that server's name */
    ck_assert((strstr(body_of(&r), "Host: home.test\r\n") != NULL) == !_i);
    errand_result_free(&r);
    harness_close(&w);
    harness_close(&away);
}
END_TEST

Suite *replies_suite(void)
{
    Suite *suite = suite_create("http replies");
    TCase *tc = tcase_create("requests");
    tcase_add_test(tc, a_get_has_only_the_default_headers);
    tcase_add_test(tc, an_absolute_url_needs_no_base);
    tcase_add_loop_test(tc, relative_urls_are_resolved, 0,
                        (int)(sizeof relatives / sizeof *relatives));
    tcase_add_test(tc, request_headers_override_the_sessions);
    tcase_add_loop_test(tc, user_agent_and_accept_encoding_are_sent_once, 0,
                        sizeof greetings / sizeof *greetings);
    tcase_add_test(tc, a_body_makes_a_post_of_exactly_its_bytes);
    tcase_add_loop_test(tc, any_method_is_sent_with_its_body, 0,
                        (int)(sizeof methods / sizeof *methods));
    tcase_add_test(tc, json_is_sent_as_json);
    tcase_add_test(tc, an_idempotency_key_is_sent_verbatim);
    suite_add_tcase(suite, tc);
    tc = tcase_create("replies");
    tcase_add_test(tc, a_connection_is_reused);
    tcase_add_test(tc, reply_headers_are_found_in_any_case_and_number);
    tcase_add_test(tc, an_empty_reply_body_is_an_empty_string);
    tcase_add_test(tc, a_reply_to_head_has_no_body);
    tcase_add_test(tc, max_body_counts_decompressed_bytes);
    tcase_add_test(tc, timings_never_decrease);
    tcase_add_loop_test(tc, a_failure_has_the_timings_it_reached, 0, 2);
    tcase_add_test(tc, a_cancelled_transfer_has_the_timings_it_reached);
    tcase_add_loop_test(tc, redirects_to_another_origin_drop_secrets, 0, 2);
    tcase_add_loop_test(tc, redirects_change_methods_as_the_rfc_says, 0,
                        (int)(sizeof redirects / sizeof *redirects));
    tcase_add_test(tc, a_redirect_loop_or_another_scheme_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
