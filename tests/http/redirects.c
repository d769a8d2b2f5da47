/* Where a redirect leads, what is sent along, and its body, which does not matter. The server
 * records requests. */
#include "harness.h"

#include "locales.h"

#include <ctype.h>
#include <curl/curl.h>
#include <time.h>

#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

enum { ASKED = 12 };

struct guide {
    const char *reply; /* to paths that begin with /a; one %s is the server itself */
    const char *home;
    atomic_uint n;
    char asked[ASKED][200]; /* request lines, with Authorization, Cookie and Expect, if any */
};

static void write_down(struct guide *guide, const struct raw_request *request)
{
    static const char *const names[] = {
        "Authorization: ", "AUTHORIZATION: ", "Cookie: ", "Expect: "
    };
    char line[200];
    size_t n = (size_t)snprintf(line, sizeof line, "%.*s", (int)strcspn(request->text, "\r"),
                                request->text);
    n -= strlen(" HTTP/1.1");
    line[n] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *at = strstr(request->text, names[i]);
        if (at && at[-1] == '\n')
            n += (size_t)snprintf(line + n, sizeof line - n, ", %.*s", (int)strcspn(at, "\r"), at);
    }
    unsigned i = atomic_load(&guide->n);
    if (i < ASKED) memcpy(guide->asked[i], line, sizeof line);
    atomic_fetch_add(&guide->n, 1);
}

static void show_the_way(struct raw_conn *conn, void *arg)
{
    struct guide *guide = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        bool away = strstr(request.text, " /a") != NULL;
        write_down(guide, &request);
        raw_request_free(&request);
        if (!away) raw_reply(conn, 200, "text/plain", "there");
        else raw_say(conn, guide->reply, guide->home);
    }
}

static void guided(struct harness *w, struct guide *guide, const char *reply,
                   const errand_http_opts *opts)
{
    static char home[100];
    *guide = (struct guide){ .reply = reply, .home = home };
    harness_open(w, show_the_way, guide, opts);
    snprintf(home, sizeof home, "%s", raw_server_url(w->server));
}

static const char *with_userinfo(struct harness *w, const char *path)
{
    static char url[200];
    snprintf(url, sizeof url, "http://u:p@%s%s", raw_server_url(w->server) + 7, path);
    return url;
}

#define MOVED(location) "HTTP/1.1 307 Moved\r\nContent-Length: 0\r\n" location "\r\n"

/* ---- where it leads ---- */

static const struct {
    const char *url, *location, *asked[3]; /* in this order */
} ways[] = {
    { "/a/b", "Location: next", { "GET /a/b", "GET /a/next" } },
    { "/a/b#/route", "Location: /next", { "GET /a/b", "GET /next" } },
    { "/a/b#/x/y", "Location: ../next?q=1", { "GET /a/b", "GET /next?q=1" } },
    { "/a/b?x=/1", "Location: /next#/z", { "GET /a/b?x=/1", "GET /next" } },
    { "/a/b", "Location: %s/x y", { "GET /a/b", "GET /x%20y" } },
    { "/a/b", "Location: /x y?a b", { "GET /a/b", "GET /x%20y?a%20b" } },
    { "/a/b", "Location: %s/caf\xc3\xa9?\xe9", { "GET /a/b", "GET /caf%C3%A9?%E9" } },
    { "/a/b", "Location: /caf\xc3\xa9?\xe9", { "GET /a/b", "GET /caf%C3%A9?%E9" } },
    { "/a/caf\xc3\xa9?\xc3\xa4", "Location: /x", { "GET /a/caf%C3%A9?%C3%A4", "GET /x" } },
    { "/a/b", "Location: /x\r\nLocation: /x", { "GET /a/b", "GET /x" } },
};

START_TEST(a_redirect_goes_to_its_location)
{
    struct harness w;
    struct guide guide;
    char reply[300];
    snprintf(reply, sizeof reply, MOVED("%s\r\n"), ways[_i].location);
    for (int absolute = 0; absolute < 2; absolute++) {
        guided(&w, &guide, reply, NULL);
        if (!strncmp(ways[_i].asked[1], "GET /a", 6)) /* else the redirects would continue */
            guide.reply = MOVED("Location: next\r\n");
        errand_result r = harness_send(
            &w, (errand_request){ .url = absolute ? harness_url(&w, ways[_i].url) : ways[_i].url });
        for (int i = 0; ways[_i].asked[i]; i++) ck_assert_str_eq(guide.asked[i], ways[_i].asked[i]);
        if (!r.error) ck_assert_uint_eq(guide.n, 2);
        errand_result_free(&r);
        harness_close(&w);
    }
}
END_TEST

START_TEST(an_empty_location_is_not_followed)
{
    struct harness w;
    struct guide guide;
    guided(&w, &guide, _i ? MOVED("Location:\r\n") : MOVED("Location: \r\nLocation:\r\n"), NULL);
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/a/b", .method = "POST", .body = { "secret", 6 } });
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), 307);
    ck_assert_uint_eq(guide.n, 1);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static void go_on_at_second(struct raw_conn *conn, void *arg)
{
    struct guide *guide = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        write_down(guide, &request);
        raw_request_free(&request);
        if (guide->n == 1) raw_say(conn, MOVED("Location: #top\r\n"));
        else raw_reply(conn, 200, "text/plain", "there");
    }
}

START_TEST(a_fragment_as_location_keeps_the_url)
{
    struct harness w;
    struct guide guide = { .n = 0 };
    harness_open(&w, go_on_at_second, &guide, NULL);
    errand_result r = harness_get(&w, "/a/b?c=d");
    ck_well(&r);
    ck_assert_uint_eq(guide.n, 2);
    ck_assert_str_eq(guide.asked[1], "GET /a/b?c=d");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_fragment_as_url_is_its_base)
{
    struct harness w, other;
    struct guide guide;
    guided(&w, &guide, "", NULL);
    harness_open_on(&other, w.server,
                    &(errand_http_opts){ .base_url = harness_url(&w, "/x/y?z=1#old/er") });
    static const char *const urls[][2] = {
        { "#x", "GET /x/y?z=1" }, { "?q", "GET /x/y?q" }, { "v", "GET /x/v" }
    };
    for (unsigned i = 0; i < 3; i++) {
        errand_result r = harness_get(&other, urls[i][0]);
        ck_well(&r);
        ck_assert_str_eq(guide.asked[i], urls[i][1]);
        errand_result_free(&r);
    }
    ck_assert_int_eq(errand_http_close(other.http, 30000), 0);
    ck_assert_int_eq(errand_pool_close(other.pool, 30000), 0);
    harness_close(&w);
}
END_TEST

/* "/aN" leads to "/aN+1", "/a4" is there */
static void lead_on(struct raw_conn *conn, void *arg)
{
    struct guide *guide = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        int at = (int)strtol(strstr(request.text, "/a") + 2, NULL, 10);
        write_down(guide, &request);
        raw_request_free(&request);
        if (at >= 4) raw_reply(conn, 200, "text/plain", "there");
        else
            raw_say(conn, "HTTP/1.1 302 Found\r\nContent-Length: 4\r\nLocation: /a%d\r\n\r\nmore",
                    at + 1);
    }
}

static const struct most {
    int session, request; /* max_redirects */
    unsigned asked;
    int status; /* 0: an error */
} mosts[] = {
    { 0, 0, 5, 200 },
    { 4, 0, 5, 200 },
    { 3, 0, 4, 0 },
    { 1, 4, 5, 200 },
    { ERRAND_NO_REDIRECTS, 0, 1, 302 },
    { 0, ERRAND_NO_REDIRECTS, 1, 302 },
    { ERRAND_NO_REDIRECTS, 2, 3, 0 },
};

START_TEST(redirects_are_followed_as_often_as_said)
{
    struct harness w;
    struct guide guide = { .n = 0 };
    const struct most *row = &mosts[_i];
    char words[60];
    harness_open(&w, lead_on, &guide, &(errand_http_opts){ .max_redirects = row->session });
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/a0", .max_redirects = row->request });
    ck_assert_uint_eq(guide.n, row->asked);
    if (row->status) {
        ck_well(&r);
        ck_assert_int_eq(errand_response_status(r.value), row->status);
        ck_body_eq(&r, row->status == 200 ? "there" : "more");
    } else {
        ck_assert_int_eq(r.error, ERRAND_CURL + CURLE_TOO_MANY_REDIRECTS);
        snprintf(words, sizeof words, "more than %u redirects", row->asked - 1);
        ck_message_has(&r, words);
    }
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_redirect_that_is_not_followed_may_be_streamed)
{
    struct harness w;
    struct guide guide = { .n = 0 };
    char buffer[16];
    harness_open(&w, lead_on, &guide, NULL);
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/a0", .stream = 1, .max_redirects = ERRAND_NO_REDIRECTS });
    ck_well(&r);
    ck_assert_str_eq(errand_response_header(r.value, "Location", 0), "/a1");
    ck_assert_int_eq(errand_body_read(r.value, buffer, sizeof buffer, 10000), 4);
    ck_assert_int_eq(errand_body_read(r.value, buffer, sizeof buffer, 10000), 0);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static const struct {
    const char *location, *words;
} refused[] = {
    { "Location: /x\r\nLocation: /y\r\n", "two Locations" },
    { "Location:\r\nLocation: /y\r\n", "two Locations" },
    { "Location: mailto:anna\r\n", "not http or https" },
    { "Location: http:/x\r\n", "not http or https" },
    { "Location: http:///x\r\n", "not http or https" },
    { "Location: http://[::1/x\r\n", "not http or https" },
};

START_TEST(a_redirect_that_cannot_be_followed_is_an_error)
{
    struct harness w;
    struct guide guide;
    char reply[300];
    snprintf(reply, sizeof reply, MOVED("%s"), refused[_i].location);
    guided(&w, &guide, reply, NULL);
    errand_result r = harness_get(&w, "/a");
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_PROTOCOL);
    ck_message_has(&r, refused[_i].words);
    ck_assert_uint_eq(guide.n, 1);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- what is sent along ---- */

START_TEST(secrets_stay_with_their_origin_in_any_form_of_location)
{
    static const char *const locations[] = { "Location: /x y\r\n", "Location: %s/x y\r\n",
                                             "Location: %s/x\r\n", "Location: /x\r\n" };
    struct harness w;
    struct guide guide;
    char reply[300];
    snprintf(reply, sizeof reply, MOVED("%s"), locations[_i]);
    guided(&w, &guide, reply, NULL);
    errand_request request = { .url = "/a",
                               .headers = HEADERS("Authorization: Bearer t", "Cookie: c=1") };
    errand_result r = harness_send(&w, request);
    ck_well(&r);
    ck_assert_ptr_nonnull(strstr(guide.asked[1], ", Authorization: Bearer t, Cookie: c=1"));
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = with_userinfo(&w, "/a") });
    ck_well(&r);
    ck_assert_ptr_nonnull(strstr(guide.asked[3], ", Authorization: Basic dTpw"));
    ck_assert_ptr_null(strstr(errand_response_url(r.value), "u:p"));
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(userinfo_does_not_go_to_another_origin)
{
    struct harness w, away;
    struct guide guide, other;
    char reply[300];
    guided(&w, &guide, "", NULL);
    guided(&away, &other, "", NULL);
    snprintf(reply, sizeof reply, MOVED("Location: %s/x\r\n"), raw_server_url(away.server));
    guide.reply = reply;
    errand_result r = harness_send(&w, (errand_request){ .url = with_userinfo(&w, "/a") });
    ck_well(&r);
    ck_assert_str_eq(other.asked[0], "GET /x");
    errand_result_free(&r);
    harness_close(&w);
    harness_close(&away);
}
END_TEST

START_TEST(the_locale_does_not_change_letter_case)
{
    struct harness w, away;
    struct guide guide, other;
    char reply[300];
    if (!turkish_locale()) {
        puts("SKIPPED: a Turkish locale, for want of one (Debian's package locales)");
        return;
    }
    ck_assert_int_ne(tolower('I'), 'i');
    guided(&w, &guide, "", NULL);
    guided(&away, &other, "", NULL);
    snprintf(reply, sizeof reply,
             "HTTP/1.1 302 Found\r\nLOCATION: %s/x\r\nContent-Length: 0\r\n\r\n",
             raw_server_url(away.server));
    guide.reply = reply;
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/a", .headers = HEADERS("AUTHORIZATION: Basic YTpi") });
    ck_well(&r);
    ck_assert_str_eq(guide.asked[0], "GET /a, AUTHORIZATION: Basic YTpi");
    ck_assert_str_eq(other.asked[0], "GET /x");
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/a",
                                           .headers = HEADERS("TRANSFER-ENCODING: chunked") });
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    harness_close(&w);
    harness_close(&away);
}
END_TEST

/* ---- its own body ---- */

static void odd_body(struct raw_conn *conn, void *arg)
{
    static const char *const bodies[] = {
        "Content-Length: 50\r\n\r\n0123456789",
        "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Encoding: bogus\r\nContent-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nnone\r\n\r\n",
        "Content-Length: 70000000\r\n\r\n",
        "\r\n"
    };
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        bool away = strstr(request.text, " /a ") != NULL;
        raw_request_free(&request);
        if (!away) {
            raw_reply(conn, 200, "text/plain", "there");
            continue;
        }
        int which = *(int *)arg;
        raw_say(conn, "HTTP/1.1 302 Found\r\nLocation: /ok\r\n%s", bodies[which]);
        char block[4096];
        memset(block, 'x', sizeof block);
        while (which >= 5 && raw_send(conn, block, sizeof block)) /* without end */
            continue;
        return;
    }
}

START_TEST(a_redirect_is_followed_with_any_body)
{
    struct harness w;
    int which = _i;
    harness_open(&w, odd_body, &which, &(errand_http_opts){ .max_body = 6 });
    errand_result r = harness_get(&w, "/a");
    ck_well(&r);
    ck_body_eq(&r, "there");
    ck_assert_int_eq(errand_response_redirect(r.value, 0, NULL), 302);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static void no_more_of_it(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        bool away = strstr(request.text, " /a ") != NULL;
        raw_request_free(&request);
        if (!away) {
            raw_reply(conn, 200, "text/plain", "there");
            continue;
        }
        raw_say(conn, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 100\r\n\r\nmoved");
        atomic_fetch_add((atomic_uint *)arg, 1);
        raw_wait_gone(conn);
        return;
    }
}

START_TEST(a_redirect_with_an_endless_body_is_followed)
{
    struct harness w;
    atomic_uint said = 0;
    harness_open_clocked(&w, no_more_of_it, &said, NULL);
    const int64_t total = _i ? ERRAND_FOREVER : 3600000; /* a timer is armed already, or not */
    errand_future *f = errand_send(
        w.http,
        &(errand_request){ .url = "/a", .total_ms = total, .sock_connect_ms = ERRAND_FOREVER });
    until(&said, 1);
    /* long before total_ms */
    for (int turns = 0; errand_wait(f, 0) == ETIMEDOUT && turns < 30000; turns++) {
        harness_turn(&w, 100);
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    errand_result r = errand_await(f);
    ck_well(&r);
    ck_body_eq(&r, "there");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_redirect_with_a_small_body_keeps_its_connection)
{
    struct harness w;
    struct guide guide;
    guided(&w, &guide, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 5\r\n\r\nmoved",
           NULL);
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&w, "/a");
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(guide.n, 6);
    ck_assert_uint_eq(raw_server_connections(w.server), 1);
    harness_close(&w);
}
END_TEST

/* ---- 417 ---- */

/* Refuses with 417 what has Expect, or everything if `home` is set. */
static void expects_nothing(struct raw_conn *conn, void *arg)
{
    struct guide *guide = arg;
    char head[2000], body[3];
    for (;;) { /* the body of one that expects is not waited for */
        size_t n = 0;
        head[0] = '\0';
        while (!strstr(head, "\r\n\r\n") && n + 1 < sizeof head &&
               raw_read_bytes(conn, head + n, 1))
            head[++n] = '\0';
        const char *end = strstr(head, "\r\n\r\n");
        if (!end) return;
        struct raw_request request = { .text = head, .length = n };
        bool expects = strstr(head, "Expect: ") != NULL;
        if (!expects && strstr(head, "Content-Length: 3") &&
            !raw_read_bytes(conn, body, sizeof body))
            return;
        write_down(guide, &request);
        if (expects || guide->home)
            raw_say(conn, "HTTP/1.1 417 No\r\nContent-Length: 4\r\n\r\nnone");
        else raw_reply(conn, 200, "text/plain", "there");
        if (guide->n > 20) return;
    }
}

START_TEST(a_417_is_resent_once_without_expect)
{
    struct harness w;
    bool stubborn = _i % 2, any = _i / 2;
    struct guide guide = { .home = stubborn ? "no" : NULL };
    harness_open(&w, expects_nothing, &guide, NULL);
    errand_request request = { .url = "/a",
                               .method = "POST",
                               .body = { "pay", 3 },
                               .headers = HEADERS("Expect: 100-continue"),
                               .any_status = any,
                               .max_redirects = any ? ERRAND_NO_REDIRECTS : 0 };
    errand_result r = harness_send(&w, request);
    ck_assert_uint_eq(guide.n, 2);
    ck_assert_str_eq(guide.asked[0], "POST /a, Expect: 100-continue");
    ck_assert_str_eq(guide.asked[1], "POST /a");
    ck_assert_int_eq(r.error, stubborn && !any ? ERRAND_HTTP + 417 : 0);
    ck_assert_int_eq(errand_response_status(r.value), stubborn ? 417 : 200);
    ck_body_eq(&r, stubborn ? "none" : "there");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_own_handle_that_keeps_its_expect_ends)
{
    struct harness w;
    struct guide guide = { .home = NULL };
    harness_open(&w, expects_nothing, &guide, NULL);
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Expect: 100-continue");
    curl_easy_setopt(easy, CURLOPT_URL, harness_url(&w, "/a"));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "pay");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    /* curl returns to its caller while it connects */
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    errand_result r = errand_await(errand_perform(w.http, easy, curl_easy_cleanup));
    ck_assert_int_eq(r.error, ERRAND_HTTP + 417);
    ck_assert(!errand_result_transient(&r));
    ck_assert_uint_le(guide.n, 3);
    errand_result_free(&r);
    curl_slist_free_all(headers);
    harness_close(&w);
}
END_TEST

/* ---- names beyond ASCII ---- */

#if LIBCURL_VERSION_NUM >= 0x075800 /* CURLU_PUNYCODE */
static const struct {
    const char *url, *asked;
} foreign[] = {
    { "http://b\xc3\xbc"
      "cher.test/\xc3\xa4",
      "GET http://xn--bcher-kva.test/%C3%A4" },
    { "http://B\xc3\x9c"
      "CHER.test:80/",
      "GET http://xn--bcher-kva.test/" },
};

static void mirror_or_move(struct raw_conn *conn, void *arg)
{
    struct guide *guide = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        write_down(guide, &request);
        bool moved = strstr(request.text, "GET http://a.test/ ") != NULL;
        raw_request_free(&request);
        if (moved) raw_say(conn, MOVED("Location: %s\r\n"), guide->home);
        else raw_reply(conn, 200, "text/plain", "there");
    }
}

START_TEST(a_non_ascii_host_is_sent_as_ascii) /* in whatever locale: here it is "C" */
{
    if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_IDN)) return;
    struct harness w;
    struct guide guide = { .home = foreign[_i].url };
    struct raw_server *server;
    char proxy[60];
    ck_assert_int_eq(raw_server_start(&server, mirror_or_move, &guide), 0);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", raw_server_port(server));
    harness_open_on(&w, server, &(errand_http_opts){ .proxy = proxy });
    for (int moved = 0; moved < 2; moved++) {
        errand_result r = harness_get(&w, moved ? "http://a.test/" : foreign[_i].url);
        ck_well(&r);
        ck_assert_str_eq(guide.asked[guide.n - 1], foreign[_i].asked);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST
#endif

Suite *redirects_suite(void)
{
    Suite *suite = suite_create("http redirects");
    TCase *tc = tcase_create("redirects");
    tcase_add_loop_test(tc, a_redirect_goes_to_its_location, 0, (int)(sizeof ways / sizeof *ways));
    tcase_add_loop_test(tc, an_empty_location_is_not_followed, 0, 2);
    tcase_add_loop_test(tc, redirects_are_followed_as_often_as_said, 0,
                        (int)(sizeof mosts / sizeof *mosts));
    tcase_add_test(tc, a_redirect_that_is_not_followed_may_be_streamed);
    tcase_add_test(tc, a_fragment_as_location_keeps_the_url);
    tcase_add_test(tc, a_fragment_as_url_is_its_base);
    tcase_add_loop_test(tc, a_redirect_that_cannot_be_followed_is_an_error, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_loop_test(tc, secrets_stay_with_their_origin_in_any_form_of_location, 0, 4);
    tcase_add_test(tc, userinfo_does_not_go_to_another_origin);
    tcase_add_test(tc, the_locale_does_not_change_letter_case);
    tcase_add_loop_test(tc, a_redirect_is_followed_with_any_body, 0, 7);
    tcase_add_loop_test(tc, a_redirect_with_an_endless_body_is_followed, 0, 2);
    tcase_add_test(tc, a_redirect_with_a_small_body_keeps_its_connection);
    tcase_add_loop_test(tc, a_417_is_resent_once_without_expect, 0, 4);
    tcase_add_test(tc, an_own_handle_that_keeps_its_expect_ends);
#if LIBCURL_VERSION_NUM >= 0x075800
    tcase_add_loop_test(tc, a_non_ascii_host_is_sent_as_ascii, 0,
                        (int)(sizeof foreign / sizeof *foreign));
#endif
    suite_add_tcase(suite, tc);
    return suite;
}
