/* Cookies that a session keeps: which are sent where, beside which, and by which lanes. */
#include "harness.h"

#include <curl/curl.h>

/* "/set?LINE" sets a cookie, "/away?URL" leads there with a cookie "hop", "/gone" quotes its
 * cookies in a 404; all others reply with what they were sent: each header Cookie in brackets. */
static void serve(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        char sent[1000] = "", argument[300] = "";
        char *query = strstr(request.text, "?"), *end = strstr(request.text, " HTTP/1.1");
        if (query && query < end)
            snprintf(argument, sizeof argument, "%.*s", (int)(end - query) - 1, query + 1);
        for (char *c = argument; *c; c++) {
            if (*c == '+') *c = ' ';
        }
        for (const char *at = end; (at = strstr(at, "\r\nCookie: ")); at += 10) {
            size_t n = strlen(sent);
            snprintf(sent + n, sizeof sent - n, "[%.*s]", (int)strcspn(at + 10, "\r"), at + 10);
        }
        bool set = strstr(request.text, " /set"), away = strstr(request.text, " /away"),
             gone = strstr(request.text, " /gone");
        raw_request_free(&request);
        if (set)
            raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: %s\r\n\r\n",
                    argument);
        else if (away)
            raw_say(conn,
                    "HTTP/1.1 302 See\r\nContent-Length: 0\r\nSet-Cookie: hop=1\r\nLocation: "
                    "%s\r\n\r\n",
                    argument);
        else if (gone) raw_say(conn, "HTTP/1.1 404 %s\r\nContent-Length: 0\r\n\r\n", sent);
        else raw_reply(conn, 200, "text/plain", sent);
    }
}

static void get(struct harness *w, const char *path, const char *sent)
{
    errand_result r = harness_get(w, path);
    ck_well(&r);
    ck_body_eq(&r, sent);
    errand_result_free(&r);
}

START_TEST(a_session_keeps_no_cookies_by_default)
{
    struct harness w;
    harness_open(&w, serve, NULL, NULL);
    get(&w, "/set?a=1", "");
    get(&w, "/", "");
    ck_assert_int_eq(errand_http_forget_cookies(w.http), ENOENT);
    ck_assert_int_eq(errand_http_forget_cookies(NULL), EINVAL);
    harness_close(&w);
}
END_TEST

START_TEST(cookies_are_sent_as_their_attributes_say)
{
    struct harness w, other;
    harness_open(&w, serve, NULL, &(errand_http_opts){ .cookies = 1 });
    harness_open_on(&other, w.server, &(errand_http_opts){ .cookies = 1 });
    get(&w, "/set?a=1", "");
    get(&w, "/", "[a=1]");
    get(&w, "/set?b=2;+Path=/deep", "");
    get(&w, "/", "[a=1]");
    get(&w, "/deep/er", "[b=2; a=1]");
    get(&w, "/set?c=3;+Domain=other.test", ""); /* not theirs to set */
    get(&w, "/", "[a=1]");
    get(&w, "/set?a=5", "");
    get(&w, "/", "[a=5]");
    get(&w, "/set?a=5;+Max-Age=0", "");
    get(&w, "/", "");
    get(&other, "/deep/", ""); /* another session */
    get(&w, "/deep/", "[b=2]");
    ck_assert_int_eq(errand_http_forget_cookies(w.http), 0);
    get(&w, "/deep/", "");
    ck_assert_int_eq(errand_http_close(other.http, 30000), 0);
    ck_assert_int_eq(errand_pool_close(other.pool, 30000), 0);
    harness_close(&w);
}
END_TEST

static int find_here(const char *host, errand_addresses *to, void *arg)
{
    (void)host, (void)arg;
    return errand_addresses_add(to, "127.0.0.1");
}

START_TEST(a_secure_cookie_needs_https)
{
    struct harness w;
    char set[100], show[100];
    harness_open(&w, serve, NULL, &(errand_http_opts){ .cookies = 1, .resolver = find_here });
    const char *port = strrchr(raw_server_url(w.server), ':');
    snprintf(set, sizeof set, "http://a.test%s/set?d=4;+Secure", port);
    snprintf(show, sizeof show, "http://a.test%s/", port);
    get(&w, set, "");
    get(&w, show, "");
    harness_close(&w);
}
END_TEST

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(a_requests_own_cookies_are_sent_in_the_same_header)
{
    struct harness w;
    harness_open(&w, serve, NULL,
                 &(errand_http_opts){ .cookies = 1, .headers = HEADERS("cookie: all=1") });
    const struct {
        const char *const *headers;
        const char *before, *after; /* a cookie was set */
    } rows[] = {
        { NULL, "[all=1]", "[jar=2; all=1]" },
        { HEADERS("X-A: 1"), "[all=1]", "[jar=2; all=1]" },
        { HEADERS("Cookie: own=3"), "[own=3]", "[jar=2; own=3]" },
        { HEADERS("Cookie: own=3; too=4", "Cookie: five=5"), "[own=3; too=4; five=5]",
          "[jar=2; own=3; too=4; five=5]" },
        { HEADERS("Cookie:"), "", "[jar=2]" },
    };
    for (int set = 0; set < 2; set++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            errand_result r =
                harness_send(&w, (errand_request){ .url = "/", .headers = rows[i].headers });
            ck_well(&r);
            ck_body_eq(&r, set ? rows[i].after : rows[i].before);
            errand_result_free(&r);
        }
        if (!set) get(&w, "/set?jar=2", "");
    }
    harness_close(&w);
}
END_TEST

START_TEST(a_redirect_carries_the_cookies_of_where_it_leads)
{
    struct harness w;
    char url[200];
    harness_open(&w, serve, NULL, &(errand_http_opts){ .cookies = 1 });
    get(&w, "/set?a=1", "");
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/away?/x", .headers = HEADERS("Cookie: own=2") });
    ck_well(&r);
    ck_body_eq(&r, "[hop=1; a=1; own=2]");
    errand_result_free(&r);
    snprintf(url, sizeof url, "/away?http://localhost%s/x", strrchr(raw_server_url(w.server), ':'));
    r = harness_send(&w, (errand_request){ .url = url, .headers = HEADERS("Cookie: own=2") });
    ck_well(&r);
    ck_body_eq(&r, ""); /* neither cookies of the first host nor the request's */
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(no_cookie_is_in_a_message)
{
    struct harness w;
    harness_open(&w, serve, NULL, &(errand_http_opts){ .cookies = 1 });
    get(&w, "/set?sid=0123456789abcdef", "");
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/gone", .headers = HEADERS("Cookie: a=b; own=fedcba98765") });
    ck_assert_int_eq(r.error, ERRAND_HTTP + 404);
    ck_message_has(&r, "sid=****************; a=b; own=***********");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(all_lanes_use_the_same_cookies)
{
    struct harness w;
    enum { N = 300 };
    errand_future *all[N];
    harness_open(&w, serve, NULL,
                 &(errand_http_opts){ .cookies = 1, .lanes = 4, .limit = 16, .per_lane = 4 });
    get(&w, "/set?first=1", "");
    for (int i = 0; i < N; i++) {
        char path[80];
        snprintf(path, sizeof path, i % 3 ? "/set?c%d=%d" : "/x?%d", i % 20, i);
        all[i] = errand_get(w.http, path);
        if (i % 50 == 49) ck_assert_int_eq(errand_http_forget_cookies(w.http), 0);
    }
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(all[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_int_eq(errand_http_forget_cookies(w.http), 0);
    get(&w, "/set?last=1", "");
    errand_future *late[16];
    for (int i = 0; i < 16; i++) late[i] = errand_get(w.http, "/");
    for (int i = 0; i < 16; i++) {
        errand_result r = errand_await(late[i]);
        ck_well(&r);
        ck_body_eq(&r, "[last=1]");
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

START_TEST(cookies_outlive_an_idle_lane)
{
    struct harness w;
    harness_open(&w, serve, NULL, &(errand_http_opts){ .cookies = 1, .keepalive_ms = ERRAND_ZERO });
    get(&w, "/set?a=1", "");
    for (int i = 0; i < 20; i++) get(&w, "/", "[a=1]");
    harness_close(&w);
}
END_TEST

Suite *cookies_suite(void)
{
    Suite *suite = suite_create("http cookies");
    TCase *tc = tcase_create("cookies");
    tcase_add_test(tc, a_session_keeps_no_cookies_by_default);
    tcase_add_test(tc, cookies_are_sent_as_their_attributes_say);
    tcase_add_test(tc, a_secure_cookie_needs_https);
    tcase_add_test(tc, a_requests_own_cookies_are_sent_in_the_same_header);
    tcase_add_test(tc, a_redirect_carries_the_cookies_of_where_it_leads);
    tcase_add_test(tc, no_cookie_is_in_a_message);
    tcase_add_test(tc, all_lanes_use_the_same_cookies);
    tcase_add_test(tc, cookies_outlive_an_idle_lane);
    suite_add_tcase(suite, tc);
    return suite;
}
