/* Limits, names, statistics, and the caller's own handles, over real connections. */
#include "harness.h"

#include "http/session.h"

#include <curl/curl.h>
#include <netdb.h>
#include <time.h>
#include <unistd.h>

static void serve(struct raw_conn *conn, void *arg)
{
    while (raw_read_request(conn, NULL) && raw_reply(conn, 200, "text/plain", "yes")) continue;
    atomic_fetch_add((atomic_uint *)arg, 1); /* the client hung up */
}

static errand_http_stats stats_of(struct harness *w)
{
    errand_http_stats s;
    ck_assert_int_eq(errand_http_stats_get(w->http, &s), 0);
    return s;
}

START_TEST(idle_connections_count_and_make_room_for_new_ones)
{
    struct harness a, b;
    atomic_uint gone_a = 0, gone_b = 0;
    harness_open(&a, serve, &gone_a,
                 &(errand_http_opts){ .limit = 1, .lanes = 1, .keepalive_ms = ERRAND_FOREVER });
    harness_open(&b, serve, &gone_b, NULL);
    for (unsigned i = 1; i <= 3; i++) {
        errand_result r = harness_get(&a, "/");
        ck_well(&r);
        errand_result_free(&r);
        ck_assert_uint_eq(stats_of(&a).open, 1);
        ck_assert_uint_eq(stats_of(&a).idle, 1);
        /* another port: the idle connection is closed */
        r = errand_await(errand_get(a.http, raw_server_url(b.server)));
        ck_well(&r);
        errand_result_free(&r);
        until(&gone_a, i);
        ck_assert_uint_eq(stats_of(&a).open, 1);
    }
    ck_assert_uint_eq(raw_server_connections(a.server), 3);
    ck_assert_uint_eq(raw_server_connections(b.server), 3);
    harness_close(&a);
    harness_close(&b);
}
END_TEST

START_TEST(an_overdue_idle_connection_is_closed_without_traffic)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, serve, &gone, &(errand_http_opts){ .lanes = 1, .keepalive_ms = 100 });
    errand_future *both[] = { errand_get(w.http, "/"), errand_get(w.http, "/") };
    for (int i = 0; i < 2; i++) {
        errand_result r = errand_await(both[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    until(&gone, raw_server_connections(w.server)); /* no request is sent meanwhile */
    while (stats_of(&w).open)                       /* it is closed first, then counted */
        nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    harness_close(&w);
}
END_TEST

START_TEST(a_connection_carries_one_request_if_it_may_not_live)
{
    struct harness w;
    atomic_uint gone = 0;
    enum { N = 10 };
    harness_open(&w, serve, &gone, &(errand_http_opts){ .limit = 1, .connection_ms = ERRAND_ZERO });
    errand_future *all[N];
    for (unsigned i = 0; i < N; i++) all[i] = errand_get(w.http, "/");
    for (unsigned i = 0; i < N; i++) {
        errand_result r = errand_await(all[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), N);
    until(&gone, N);
    ck_assert_uint_eq(stats_of(&w).open, 0);
    ck_assert_uint_eq(stats_of(&w).reused, 0);
    harness_close(&w);
}
END_TEST

START_TEST(an_old_idle_connection_is_closed_without_traffic)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, serve, &gone,
                 &(errand_http_opts){ .keepalive_ms = ERRAND_FOREVER, .connection_ms = 20 });
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    until(&gone, 1);
    while (stats_of(&w).open) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    harness_close(&w);
}
END_TEST

/* Before the second reply the connection has become too old. */
static void serve_late(struct raw_conn *conn, void *gone)
{
    for (int i = 0; raw_read_request(conn, NULL); i++) {
        if (i && !raw_pause(conn, 2)) break;
        if (!raw_reply(conn, 200, "text/plain", "served")) break;
    }
    atomic_fetch_add((atomic_uint *)gone, 1);
}

START_TEST(an_old_connection_in_use_is_closed_with_its_reply)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, serve_late, &gone,
                 &(errand_http_opts){
                     .lanes = 1, .keepalive_ms = ERRAND_FOREVER, .connection_ms = 1, .limit = 1 });
    while (raw_server_connections(w.server) < 3) { /* each carries one or two */
        errand_future *all[] = { errand_get(w.http, "/"), errand_get(w.http, "/") };
        for (int i = 0; i < 2; i++) {
            errand_result r = errand_await(all[i]);
            ck_well(&r);
            ck_body_eq(&r, "served");
            errand_result_free(&r);
        }
    }
    harness_close(&w);
}
END_TEST

START_TEST(a_young_connection_is_kept)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, serve, &gone,
                 &(errand_http_opts){ .keepalive_ms = ERRAND_FOREVER, .connection_ms = 3600000 });
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 1);
    harness_close(&w);
}
END_TEST

START_TEST(stats_count_reused_connections_and_queued_requests)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, serve, &gone, &(errand_http_opts){ .limit = 1 });
    enum { N = 5 };
    for (unsigned i = 0; i < N; i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        errand_result_free(&r);
    }
    errand_http_stats s;
    do /* a result is delivered before it is counted */
        s = stats_of(&w);
    while (s.in_flight);
    ck_assert_uint_eq(s.reused, N - 1);
    ck_assert_uint_eq(s.resent + s.queued, 0);
    ck_assert_uint_eq(s.look_ups, 0); /* an address needs none */
    errand_result refused = errand_await(errand_get(w.http, "http://127.0.0.1:1/"));
    ck_assert_int_ne(refused.error, 0);
    errand_result_free(&refused);
    do s = stats_of(&w);
    while (s.in_flight);
    ck_assert_uint_eq(s.reused, N - 1); /* the unsent request used no connection */
    ck_assert_int_eq(errand_http_stats_get(NULL, &s), EINVAL);
    harness_close(&w);
}
END_TEST

/* ---- names ---- */

struct names {
    atomic_uint asked, allowed; /* a look-up waits until it is allowed */
    const char *address;
};

static void look_up_when_allowed(void *arg, const char *name, er_addresses *out)
{
    struct names *names = arg;
    unsigned mine = atomic_fetch_add(&names->asked, 1) + 1;
    if (strncmp(name, "fine", 4)) until(&names->allowed, mine);
    *out = (er_addresses){ .error = names->address ? 0 : EAI_NONAME };
    if (names->address) snprintf(out->text, sizeof out->text, "%s", names->address);
}

static const char *named(struct harness *w, const char *host)
{
    static char urls[4][100];
    static unsigned n;
    char *url = urls[n++ % 4];
    snprintf(url, sizeof urls[0], "http://%s:%u/", host, raw_server_port(w->server));
    return url;
}

START_TEST(a_name_is_looked_up_once_and_kept)
{
    struct harness w;
    atomic_uint gone = 0;
    struct names names = { .address = "127.0.0.1" };
    harness_open_clocked(&w, serve, &gone,
                         &(errand_http_opts){ .dns_ttl_ms = 1000, .keepalive_ms = ERRAND_FOREVER });
    er_resolver_use(w.http->resolver, look_up_when_allowed, &names);
    errand_future *fs[10];
    for (int i = 0; i < 10; i++) fs[i] = errand_get(w.http, named(&w, "one.test"));
    until(&names.asked, 1);
    ck_assert_int_eq(errand_wait(fs[0], 0), ETIMEDOUT);
    atomic_store(&names.allowed, 1);
    for (int i = 0; i < 10; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(atomic_load(&names.asked), 1);
    ck_assert_uint_eq(stats_of(&w).look_ups, 1);
    harness_close(&w);
}
END_TEST

START_TEST(a_hanging_lookup_delays_neither_close_nor_others)
{
    struct harness w;
    atomic_uint gone = 0;
    static struct names names; /* the thread that hangs outlives this test */
    names.address = "127.0.0.1";
    harness_open_clocked(&w, serve, &gone, NULL);
    er_resolver_use(w.http->resolver, look_up_when_allowed, &names);
    errand_future *cancelled = errand_get(w.http, named(&w, "hangs.test"));
    errand_request limited[] = { { .url = named(&w, "hangs.test"), .total_ms = 50 },
                                 { .url = named(&w, "hangs.test"), .connect_ms = 60 } };
    errand_future *late[] = { errand_send(w.http, &limited[0]), errand_send(w.http, &limited[1]) };
    until(&names.asked, 1);
    /* another thread looks it up */
    errand_result r = errand_await(errand_get(w.http, named(&w, "fine.test")));
    ck_well(&r);
    errand_result_free(&r);
    errand_cancel(cancelled);
    r = errand_await(cancelled);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_str_eq(errand_result_phase(&r), "resolve");
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    for (int i = 0; i < 2; i++) {
        harness_turn(&w, i ? 11 : 51);
        r = errand_await(late[i]);
        ck_assert_int_eq(r.error, ETIMEDOUT);
        ck_assert_str_eq(errand_result_phase(&r), "resolve");
        ck_assert_int_eq(errand_result_reason(&r), i ? ERRAND_BY_NONE : ERRAND_BY_TOTAL);
        errand_result_free(&r);
    }
    /* close does not wait for the look-up */
    errand_drop(errand_get(w.http, named(&w, "hangs.test")));
    ck_assert_int_eq(errand_http_close(w.http, 1000), 0);
    atomic_store(&names.allowed, 100);
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
}
END_TEST

START_TEST(a_failed_lookup_fails_all_its_waiters)
{
    struct harness w;
    atomic_uint gone = 0;
    struct names names = { .allowed = 100 };
    harness_open(&w, serve, &gone, NULL);
    er_resolver_use(w.http->resolver, look_up_when_allowed, &names);
    errand_future *fs[] = { errand_get(w.http, named(&w, "no.test")),
                            errand_get(w.http, named(&w, "no.test")) };
    for (int i = 0; i < 2; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ERRAND_CURL + 6);
        ck_message_has(&r, "resolve: Could not resolve host: no.test");
        errand_result_free(&r);
    }
    names.address = "127.0.0.1"; /* a failure is not kept */
    errand_result r = errand_await(errand_get(w.http, named(&w, "no.test")));
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- the caller's own handles ---- */

static size_t swallow(char *at, size_t one, size_t n, void *arg)
{
    (void)at;
    *(size_t *)arg += one * n;
    return one * n;
}

static CURL *own(const char *url, size_t *got)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, got);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, got);
    return easy;
}

START_TEST(an_own_handle_is_performed)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, serve, &gone, &(errand_http_opts){ .limit = 2 });
    for (unsigned i = 0; i < 6; i++) {
        size_t got = 0;
        CURL *easy = own(harness_url(&w, "/"), &got);
        errand_result r = errand_await(errand_perform(w.http, easy, curl_easy_cleanup));
        ck_well(&r);
        ck_assert_ptr_eq(r.value, easy);
        char *mine = NULL;
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &mine);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        ck_assert_ptr_eq(mine, &got);
        ck_assert_int_eq(status, 200);
        ck_assert_uint_eq(got, 3);
        errand_result_free(&r);
        r = harness_get(&w, "/"); /* beside the own handle */
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 2); /* both kept */
    harness_close(&w);
}
END_TEST

static void hang(struct raw_conn *conn, void *arg)
{
    if (!raw_read_request(conn, NULL)) return;
    atomic_fetch_add((atomic_uint *)arg, 1);
    raw_wait_gone(conn);
}

START_TEST(an_own_handle_can_be_cancelled_or_time_out)
{
    struct harness w;
    atomic_uint came = 0;
    harness_open_clocked(&w, hang, &came, &(errand_http_opts){ .limit = 2, .total_ms = 100 });
    size_t got = 0;
    errand_future *f[3];
    for (int i = 0; i < 3; i++)
        f[i] = errand_perform(w.http, own(harness_url(&w, "/x?secret"), &got), curl_easy_cleanup);
    until(&came, 2);
    errand_cancel(f[2]);
    errand_result r = errand_await(f[2]);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_str_eq(errand_result_phase(&r), "queue");
    ck_assert_ptr_nonnull(r.value);
    errand_result_free(&r);
    errand_cancel(f[0]);
    r = errand_await(f[0]);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    ck_assert_ptr_null(strstr(errand_result_message(&r), "secret"));
    errand_result_free(&r);
    harness_turn(&w, 101);
    r = errand_await(f[1]);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_TIMEOUT);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_own_handles_failure_has_its_kind)
{
    struct harness w;
    atomic_uint gone = 0;
    size_t got = 0;
    harness_open(&w, serve, &gone, NULL);
    CURL *easy = own("nonsense://127.0.0.1/", &got);
    errand_result r = errand_await(errand_perform(w.http, easy, curl_easy_cleanup));
    ck_assert_int_eq(r.error, ERRAND_CURL + CURLE_UNSUPPORTED_PROTOCOL);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_PROTOCOL);
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    r = errand_await(errand_perform(w.http, NULL, NULL));
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* requests: two by own handles, which meet at the server, and two of the session */
enum { EACH_ROUND = 4 };

static struct {
    atomic_uint came, closing, may_close; /* counted over all rounds */
} meeting;

static void answer_after_meeting(struct raw_conn *conn, void *arg)
{
    (void)arg;
    while (raw_read_request(conn, NULL)) {
        unsigned n = atomic_fetch_add(&meeting.came, 1) + 1;
        if (n % EACH_ROUND == 1 && !hold_until(conn, &meeting.came, n + 1)) return;
        raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    }
}

static int close_when_allowed(void *unused, curl_socket_t fd)
{
    (void)unused;
    until(&meeting.may_close, atomic_fetch_add(&meeting.closing, 1) + 1);
    return close(fd);
}

static void both_end_well(errand_future *const f[2])
{
    for (int i = 0; i < 2; i++) {
        errand_result r = errand_await(f[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
}

/* The second own handle is asked for its connection while the first still closes its own. */
START_TEST(a_slow_close_is_requested_only_once)
{
    struct harness w;
    size_t got[2] = { 0 }; /* two threads write */
    harness_open(
        &w, answer_after_meeting, NULL,
        &(errand_http_opts){ .limit = 2, .keepalive_ms = ERRAND_FOREVER, .total_ms = 20000 });
    for (unsigned closed = 0; closed < 6; closed += 2) {
        errand_future *f[2];
        for (int i = 0; i < 2; i++) {
            CURL *easy = own(harness_url(&w, "/"), &got[i]);
            curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_when_allowed);
            f[i] = errand_perform(w.http, easy, curl_easy_cleanup);
        }
        both_end_well(f);
        for (unsigned i = 0; i < 2; i++) {
            f[i] = errand_get(w.http, harness_url(&w, "/"));
            until(&meeting.closing, closed + i + 1);
        }
        atomic_store(&meeting.may_close, closed + 2);
        both_end_well(f);
    }
    errand_http_stats stats;
    ck_assert_int_eq(errand_http_stats_get(w.http, &stats), 0);
    ck_assert_uint_le(stats.open, 2);
    harness_close(&w);
}
END_TEST

/* A mail server that takes the mail and dies before it confirms. */
static void take_mail(struct raw_conn *conn, void *arg)
{
    static const char *const says[] = { "220 here", "250 hello", "250 from", "250 to",
                                        "354 go on" };
    char line[200];
    (void)arg;
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        raw_say(conn, "%s\r\n", says[i]);
        for (size_t n = 0; n < sizeof line; n++) {
            if (!raw_read_bytes(conn, line + n, 1)) return;
            if (line[n] == '\n') break;
        }
    }
}

static size_t one_line(char *to, size_t one, size_t n, void *arg)
{
    int *left = arg;
    (void)one;
    if (!*left || n < 8) return 0;
    --*left;
    memcpy(to, "Hello\r\n", 7);
    return 7;
}

START_TEST(a_sent_mail_may_have_run)
{
    struct harness w;
    char url[60];
    int left = 1;
    harness_open(&w, take_mail, NULL, NULL);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", raw_server_port(w.server));
    CURL *easy = curl_easy_init();
    struct curl_slist *to = curl_slist_append(NULL, "<b@c.test>");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, "<a@c.test>");
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, one_line);
    curl_easy_setopt(easy, CURLOPT_READDATA, &left);
    errand_result r = errand_await(errand_perform(w.http, easy, curl_easy_cleanup));
    if (r.error == ERRAND_CURL + CURLE_UNSUPPORTED_PROTOCOL) {
        puts("SKIPPED: a mail, for want of SMTP in libcurl");
    } else {
        ck_assert_int_ne(r.error, 0);
        ck_assert_msg(errand_result_may_have_run(&r), "%s", errand_result_message(&r));
    }
    errand_result_free(&r);
    curl_slist_free_all(to);
    harness_close(&w);
}
END_TEST

static int count_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    ++*(unsigned *)arg;
    return 0;
}

START_TEST(an_own_handle_keeps_its_callbacks_and_error_buffer)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, serve, &gone, NULL);
    for (int i = 0; i < 2; i++) {
        char words[CURL_ERROR_SIZE] = "", path[] = "/tmp/errand-own-XXXXXX", url[80];
        size_t got = 0;
        unsigned progress = 0;
        int fd = mkstemp(path);
        ck_assert_int_eq(write(fd, "here", 4), 4);
        close(fd);
        snprintf(url, sizeof url, "file://%s%s", path, i ? "/no" : "");
        CURL *easy = own(url, &got);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, count_progress);
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &progress);
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        errand_result r = errand_await(errand_perform(w.http, easy, NULL));
        unlink(path);
        if (i) {
            ck_assert_int_eq(r.error, ERRAND_CURL + CURLE_FILE_COULDNT_READ_FILE);
            ck_assert_ptr_nonnull(strstr(words, path)); /* curl's text is in the caller's buffer */
            ck_assert(!errand_result_transient(&r));
        } else {
            ck_well(&r);
            ck_assert_uint_eq(got, 4);
            ck_assert_uint_gt(progress, 0);
        }
        ck_assert_ptr_eq(r.value, easy);
        errand_result_free(&r);
        curl_easy_cleanup(easy); /* the test's to free: free was NULL */
    }
    harness_close(&w);
}
END_TEST

START_TEST(close_ends_own_handles)
{
    struct harness w;
    atomic_uint came = 0;
    size_t got = 0;
    harness_open(&w, hang, &came, NULL);
    errand_future *f = errand_perform(w.http, own(harness_url(&w, "/"), &got), curl_easy_cleanup);
    until(&came, 1);
    ck_assert_int_eq(errand_http_close(w.http, 1000), 0);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    errand_result_free(&r);
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
}
END_TEST

/* ---- the last touch ---- */

static void touch(void *easy, void *arg) { curl_easy_setopt(easy, CURLOPT_USERAGENT, (char *)arg); }

static void mirror_once(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        bool sent = raw_reply(conn, 200, "text/plain", request.text);
        raw_request_free(&request);
        if (!sent) break;
    }
}

START_TEST(setup_runs_last_and_affects_one_request_only)
{
    struct harness w;
    harness_open(&w, mirror_once, NULL, &(errand_http_opts){ .limit = 1 });
    errand_request request = {
        .url = "/", .setup = touch, .setup_arg = (void *)(uintptr_t) "touched"
    };
    for (int i = 0; i < 4; i++) {
        errand_result r = i % 2 ? harness_get(&w, "/") : harness_send(&w, request);
        ck_well(&r);
        bool touched = strstr(errand_response_body(r.value).at, "User-Agent: touched\r\n");
        ck_assert(touched == (i % 2 == 0));
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 1);
    harness_close(&w);
}
END_TEST

static void wipe(void *easy, void *arg)
{
    (void)arg;
    curl_easy_reset(easy);
}

static void take_private(void *easy, void *arg) { curl_easy_setopt(easy, CURLOPT_PRIVATE, arg); }

START_TEST(setup_that_breaks_our_options_harms_only_its_request)
{
    struct harness w;
    atomic_uint gone = 0;
    char own[8] = "";
    harness_open(&w, serve, &gone, NULL);
    for (int i = 0; i < 4; i++) {
        errand_result r = harness_send(
            &w,
            (errand_request){ .url = "/", .setup = i % 2 ? wipe : take_private, .setup_arg = own });
        ck_assert((r.error != 0) == (i % 2));
        ck_assert_str_ne(errand_result_message(&r), i % 2 ? "" : "-");
        errand_result_free(&r);
        r = harness_get(&w, "/");
        ck_well(&r);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

START_TEST(a_session_for_HTTP_2_falls_back_to_HTTP_1)
{
    struct harness w;
    atomic_uint gone = 0;
    if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2)) {
        errand_pool *pool = errand_pool_new(NULL);
        ck_assert_ptr_null(errand_http_new(pool, &(errand_http_opts){ .http2 = 1 }));
        ck_assert_int_eq(errno, ENOTSUP);
        ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
        return;
    }
    harness_open(&w, serve, &gone, &(errand_http_opts){ .http2 = 1, .limit = 2 });
    errand_future *fs[6];
    for (int i = 0; i < 6; i++) fs[i] = errand_get(w.http, "/");
    for (int i = 0; i < 6; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

/* ---- the longest gap ---- */

static void say_and_stop(struct raw_conn *conn, void *arg)
{
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    atomic_fetch_add((atomic_uint *)arg, 1);
    raw_wait_gone(conn);
}

static int five_bytes(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)arg, (void)size;
    *got = offset ? 0 : 5;
    memcpy(buffer, "hello", *got);
    return 0;
}

START_TEST(a_gap_that_is_too_long_ends_the_request)
{
    struct harness w;
    atomic_uint came = 0;
    harness_open_clocked(&w, _i == 1 ? say_and_stop : hang, &came,
                         &(errand_http_opts){ .sock_read_ms = 50 });
    errand_request request = { .url = "/", .method = "POST" };
    if (_i == 2) { /* while waiting for the reply curl never reads the body's end */
        request.body_fn = five_bytes;
        request.body_size = 5;
    }
    errand_future *f = errand_send(w.http, &request);
    until(&came, 1);
    do { /* the gap begins when the lane sees the last byte */
        harness_turn(&w, 26);
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    } while (errand_wait(f, 0) == ETIMEDOUT);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_TIMEOUT);
    ck_assert_str_eq(errand_result_phase(&r), _i == 1 ? "body" : "first byte");
    ck_assert(errand_result_may_have_run(&r));
    ck_message_has(&r, "the 50 ms of sock_read_ms are over");
    ck_assert_int_ge(errand_result_elapsed_ms(&r), 50);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* An upload that takes longer than sock_read_ms: no reply is due before its end, even after 100
 * Continue. */
struct long_body {
    struct harness w;
    int64_t ms; /* for each of its bytes */
    uint64_t size;
};

static int slow_body(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    struct long_body *body = arg;
    (void)size;
    harness_turn(&body->w, body->ms);
    *got = offset < body->size;
    memcpy(buffer, "x", 1);
    return 0;
}

static void continue_then_answer(struct raw_conn *conn, void *arg)
{
    (void)arg;
    if (raw_read_request(conn, NULL)) raw_reply(conn, 200, "text/plain", "good");
}

START_TEST(a_long_upload_is_not_a_gap)
{
    static const char *const headers[] = { "Expect: 100-continue", NULL };
    struct long_body body = { .ms = _i < 2 ? 40 : 1000, .size = _i < 2 ? 10 : 1 };
    harness_open_clocked(&body.w, continue_then_answer, NULL,
                         &(errand_http_opts){ .sock_read_ms = 50 });
    errand_result r = harness_send(&body.w, (errand_request){ .url = "/",
                                                              .headers = _i % 2 ? headers : NULL,
                                                              .body_fn = slow_body,
                                                              .body_arg = &body,
                                                              .body_size = (int64_t)body.size });
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&body.w);
}
END_TEST

Suite *limits_suite(void)
{
    Suite *suite = suite_create("http limits");
    TCase *tc = tcase_create("connections");
    tcase_add_test(tc, idle_connections_count_and_make_room_for_new_ones);
    tcase_add_test(tc, an_overdue_idle_connection_is_closed_without_traffic);
    tcase_add_test(tc, a_connection_carries_one_request_if_it_may_not_live);
    tcase_add_test(tc, an_old_idle_connection_is_closed_without_traffic);
    tcase_add_test(tc, an_old_connection_in_use_is_closed_with_its_reply);
    tcase_add_test(tc, a_young_connection_is_kept);
    tcase_add_test(tc, stats_count_reused_connections_and_queued_requests);
    tcase_add_test(tc, setup_runs_last_and_affects_one_request_only);
    tcase_add_test(tc, setup_that_breaks_our_options_harms_only_its_request);
    tcase_add_test(tc, a_session_for_HTTP_2_falls_back_to_HTTP_1);
    tcase_add_loop_test(tc, a_gap_that_is_too_long_ends_the_request, 0, 3);
    tcase_add_loop_test(tc, a_long_upload_is_not_a_gap, 0, 4);
    suite_add_tcase(suite, tc);
    tc = tcase_create("names");
    tcase_add_test(tc, a_name_is_looked_up_once_and_kept);
    tcase_add_test(tc, a_hanging_lookup_delays_neither_close_nor_others);
    tcase_add_test(tc, a_failed_lookup_fails_all_its_waiters);
    suite_add_tcase(suite, tc);
    tc = tcase_create("own handles");
    tcase_add_test(tc, an_own_handle_is_performed);
    tcase_add_test(tc, an_own_handle_can_be_cancelled_or_time_out);
    tcase_add_test(tc, a_slow_close_is_requested_only_once);
    tcase_add_test(tc, an_own_handles_failure_has_its_kind);
    tcase_add_test(tc, a_sent_mail_may_have_run);
    tcase_add_test(tc, an_own_handle_keeps_its_callbacks_and_error_buffer);
    tcase_add_test(tc, close_ends_own_handles);
    suite_add_tcase(suite, tc);
    return suite;
}
