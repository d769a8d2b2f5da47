/* TLS: which certificates are trusted, and the errors of others. Each test makes its
 * certificates. */
#include "harness.h"

#include "tls.h"

struct guarded {
    struct tls_files files;
    struct harness w;
};

static void reply_always(struct raw_conn *conn, void *arg)
{
    (void)arg;
    while (raw_read_request(conn, NULL) && raw_reply(conn, 200, "text/plain", "secret")) continue;
}

static void open_guarded(struct guarded *g, size_t pem, bool client_ca, bool max_12,
                         errand_http_opts opts)
{
    struct raw_server *server;
    ck_assert_int_eq(tls_files_make(&g->files), 0);
    const char *path = (const char *)&g->files + pem;
    ck_assert_int_eq(
        tls_server_start(&server, reply_always, NULL, path, client_ca ? g->files.ca : NULL, max_12),
        0);
    /* given: another authority is trusted */
    opts.ca_file = opts.ca_file ? g->files.stranger : g->files.ca;
    if (opts.cert_file) opts.cert_file = g->files.client;
    harness_open_on(&g->w, server, &opts);
}

static void close_guarded(struct guarded *g)
{
    harness_close(&g->w);
    tls_files_remove(&g->files);
}

START_TEST(a_certificate_of_our_authority_is_trusted)
{
    struct guarded g;
    open_guarded(&g, offsetof(struct tls_files, good), false, false, (errand_http_opts){ 0 });
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&g.w, "/");
        ck_well(&r);
        ck_body_eq(&r, "secret");
        errand_timings timings;
        ck_assert_int_eq(errand_response_timings(r.value, &timings), 0);
        if (i == 0) {
            ck_assert_double_gt(timings.tls, 0);
            ck_assert_double_ge(timings.tls, timings.connect);
        }
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(g.w.server), 1);
    close_guarded(&g);
}
END_TEST

static void say_yes_once(struct raw_conn *conn, void *arg)
{
    (void)arg;
    if (raw_read_request(conn, NULL))
        raw_say(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nyes");
}

START_TEST(a_lanes_next_connection_resumes_the_TLS_session)
{
    struct guarded g;
    struct raw_server *server;
    enum { N = 5 };
    unsigned before = tls_resumed();
    ck_assert_int_eq(tls_files_make(&g.files), 0);
    ck_assert_int_eq(tls_server_start(&server, say_yes_once, NULL, g.files.good, NULL, _i), 0);
    harness_open_on(&g.w, server, &(errand_http_opts){ .lanes = 1, .ca_file = g.files.ca });
    for (int i = 0; i < N; i++) {
        errand_result r = harness_get(&g.w, "/");
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(server), N);
    ck_assert_uint_eq(tls_resumed() - before, N - 1);
    close_guarded(&g);
}
END_TEST

/* All lanes share the cookies of a session. */
START_TEST(lanes_with_cookies_make_TLS_connections_at_once)
{
    struct guarded g;
    struct raw_server *server;
    enum { N = 60 };
    errand_future *all[N];
    ck_assert_int_eq(tls_files_make(&g.files), 0);
    ck_assert_int_eq(tls_server_start(&server, say_yes_once, NULL, g.files.good, NULL, _i), 0);
    harness_open_on(
        &g.w, server,
        &(errand_http_opts){ .lanes = 4, .limit = 12, .ca_file = g.files.ca, .cookies = 1 });
    for (int i = 0; i < N; i++) all[i] = errand_get(g.w.http, "/");
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(all[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(server), N);
    close_guarded(&g);
}
END_TEST

/* Without a length the end of the connection ends the body; only close_notify proves it whole (RFC
 * 9112, 9.8). */
static void end_the_body(struct raw_conn *conn, void *arg)
{
    const bool *politely = arg;
    if (!raw_read_request(conn, NULL) || !raw_say(conn, "HTTP/1.1 200 OK\r\n\r\nhalf of it"))
        return;
    if (!*politely) {
        raw_end_sending(conn);
        raw_wait_gone(conn);
    }
}

START_TEST(a_body_without_length_is_whole_only_after_close_notify)
{
    struct guarded g;
    struct raw_server *server;
    bool politely = _i & 1;
    ck_assert_int_eq(tls_files_make(&g.files), 0);
    ck_assert_int_eq(tls_server_start(&server, end_the_body, &politely, g.files.good, NULL, _i & 2),
                     0);
    harness_open_on(&g.w, server, &(errand_http_opts){ .ca_file = g.files.ca });
    errand_result r = harness_get(&g.w, "/");
    if (politely) {
        ck_well(&r);
        ck_body_eq(&r, "half of it");
    } else {
        ck_assert_int_ne(r.error, 0);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
        ck_assert_str_eq(errand_result_phase(&r), "body");
        ck_message_has(&r, "(curl 56)");
    }
    errand_result_free(&r);
    close_guarded(&g);
}
END_TEST

START_TEST(a_directory_of_certificates_is_trusted)
{
    struct guarded g;
    struct raw_server *server;
    ck_assert_int_eq(tls_files_make(&g.files), 0);
    ck_assert_int_eq(tls_server_start(&server, reply_always, NULL,
                                      _i ? g.files.stranger : g.files.good, NULL, false),
                     0);
    harness_open_on(&g.w, server, &(errand_http_opts){ .ca_path = g.files.folder });
    errand_result r = harness_get(&g.w, "/");
    if (_i) ck_assert_int_eq(r.error, ERRAND_CURL + 60);
    else ck_well(&r);
    errand_result_free(&r);
    close_guarded(&g);
}
END_TEST

START_TEST(a_server_with_another_key_than_those_pinned_is_refused)
{
    struct guarded g;
    struct raw_server *server;
    char pins[200];
    ck_assert_int_eq(tls_files_make(&g.files), 0);
    ck_assert_int_eq(tls_server_start(&server, reply_always, NULL, g.files.good, NULL, false), 0);
    snprintf(pins, sizeof pins, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=%s%s",
             _i ? "" : ";", _i ? "" : g.files.pin);
    harness_open_on(&g.w, server,
                    &(errand_http_opts){ .ca_file = g.files.ca, .pinned_keys = pins });
    errand_result r = harness_send(&g.w, (errand_request){ .url = "/", .method = "POST" });
    if (_i) {
        ck_assert_int_eq(r.error, ERRAND_CURL + 90);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_AUTH);
        ck_assert_str_eq(errand_result_phase(&r), "tls");
        ck_assert(!errand_result_may_have_run(&r));
        ck_assert_uint_eq(raw_server_requests(server), 0);
    } else {
        ck_well(&r);
    }
    errand_result_free(&r);
    close_guarded(&g);
}
END_TEST

static const struct {
    size_t pem;
    bool foreign; /* another authority than ours is trusted */
    const char *says;
} untrusted[] = {
    { offsetof(struct tls_files, good), true, "tls: SSL certificate problem: " },
    { offsetof(struct tls_files, expired), false,
      "tls: SSL certificate problem: certificate has expired" },
    { offsetof(struct tls_files, stranger), false, "tls: SSL certificate problem: self" },
    { offsetof(struct tls_files, elsewhere), false,
      "tls: SSL: no alternative certificate subject name matches" },
};

START_TEST(an_untrusted_certificate_fails_before_sending)
{
    struct guarded g;
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    open_guarded(&g, untrusted[_i].pem, false, false,
                 (errand_http_opts){ .ca_file = untrusted[_i].foreign ? "" : NULL,
                                     .policy = policy });
    errand_result r = harness_send(&g.w, (errand_request){ .url = "/pay", .method = "POST" });
    ck_assert_int_eq(r.error, ERRAND_CURL + 60);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_AUTH);
    ck_assert_str_eq(errand_result_phase(&r), "tls");
    ck_assert(!errand_result_may_have_run(&r) && !errand_result_transient(&r));
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    ck_message_has(&r, untrusted[_i].says);
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_requests(g.w.server), 0);
    errand_policy_free(policy);
    close_guarded(&g);
}
END_TEST

START_TEST(an_https_proxy_is_verified_with_the_same_authority)
{
    struct guarded g;
    struct raw_server *server;
    char proxy[60];
    ck_assert_int_eq(tls_files_make(&g.files), 0);
    ck_assert_int_eq(tls_server_start(&server, reply_always, NULL,
                                      _i ? g.files.stranger : g.files.good, NULL, false),
                     0);
    snprintf(proxy, sizeof proxy, "%s", raw_server_url(server));
    harness_open_on(
        &g.w, server,
        &(errand_http_opts){
            .ca_file = g.files.ca, .proxy = proxy, .base_url = "http://far.away.invalid/" });
    errand_result r = harness_get(&g.w, "/");
    if (_i) {
        ck_assert_int_ne(r.error, 0);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_AUTH);
        ck_assert_uint_eq(raw_server_requests(server), 0);
    } else {
        ck_well(&r);
        ck_body_eq(&r, "secret");
    }
    errand_result_free(&r);
    close_guarded(&g);
}
END_TEST

START_TEST(a_client_shows_its_certificate)
{
    struct guarded g;
    open_guarded(&g, offsetof(struct tls_files, good), true, _i,
                 (errand_http_opts){ .cert_file = "" });
    errand_result r = harness_get(&g.w, "/");
    ck_well(&r);
    errand_result_free(&r);
    close_guarded(&g);
}
END_TEST

START_TEST(a_client_without_a_certificate_is_refused)
{
    struct guarded g;
    open_guarded(&g, offsetof(struct tls_files, good), true, true, (errand_http_opts){ 0 });
    errand_result r = harness_send(&g.w, (errand_request){ .url = "/", .method = "POST" });
    ck_assert_int_ne(r.error, 0);
    ck_assert_str_eq(errand_result_phase(&r), "tls");
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_requests(g.w.server), 0);
    close_guarded(&g);
}
END_TEST

START_TEST(a_server_below_min_tls_is_refused)
{
    struct guarded g;
    open_guarded(&g, offsetof(struct tls_files, good), false, true,
                 (errand_http_opts){ .min_tls = ERRAND_TLS_1_3 });
    errand_result r = harness_get(&g.w, "/");
    ck_assert_int_eq(r.error, ERRAND_CURL + 35);
    ck_assert_str_eq(errand_result_phase(&r), "tls");
    errand_result_free(&r);
    close_guarded(&g);
}
END_TEST

/* The first request meets an odd server; the next, in the same session, a good one. */
static void say_nothing(struct raw_conn *conn, void *arg)
{
    (void)arg;
    raw_wait_gone(conn);
}

static void say_garbage(struct raw_conn *conn, void *arg)
{
    (void)arg;
    raw_say(conn, "HTTP/1.1 400 I do not speak TLS\r\n\r\n");
}

static void hang_up(struct raw_conn *conn, void *arg)
{
    char hello[5];
    (void)arg;
    raw_read_bytes(conn, hello, sizeof hello);
    raw_reset(conn);
}

static const struct {
    raw_handler *handler;
    int64_t connect_ms;
    int error;
    errand_kind kind;
} handshakes[] = {
    { say_nothing, 150, ETIMEDOUT, ERRAND_KIND_TIMEOUT },
    { say_garbage, 0, ERRAND_CURL + 35, ERRAND_KIND_NETWORK },
    { hang_up, 0, ERRAND_CURL + 35, ERRAND_KIND_NETWORK },
};

START_TEST(a_failed_handshake_ends_in_phase_tls)
{
    struct guarded g;
    struct raw_server *odd;
    char url[60];
    open_guarded(&g, offsetof(struct tls_files, good), false, false, (errand_http_opts){ 0 });
    ck_assert_int_eq(raw_server_start(&odd, handshakes[_i].handler, NULL), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", raw_server_port(odd));
    errand_result r = harness_send(
        &g.w,
        (errand_request){ .url = url, .method = "POST", .connect_ms = handshakes[_i].connect_ms });
    ck_assert_msg(r.error == handshakes[_i].error, "%s", errand_result_message(&r));
    ck_assert_int_eq(errand_result_kind(&r), handshakes[_i].kind);
    ck_assert_str_eq(errand_result_phase(&r), "tls");
    ck_assert(!errand_result_may_have_run(&r) && errand_result_transient(&r));
    errand_result_free(&r);
    r = harness_get(&g.w, "/");
    ck_well(&r);
    errand_result_free(&r);
    raw_server_stop(odd);
    close_guarded(&g);
}
END_TEST

START_TEST(bad_certificate_files_are_refused_by_http_new)
{
    const errand_http_opts bad[] = { { .ca_file = "/nowhere/ca.pem" },
                                     { .cert_file = "/nowhere/me.pem" },
                                     { .key_file = "/dev/null" },
                                     { .ca_file = "/tmp" },
                                     { .min_tls = (errand_tls_version)7 } };
    const int errors[] = { ENOENT, ENOENT, EINVAL, EISDIR, EINVAL };
    errand_pool *pool = errand_pool_new(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        ck_assert_ptr_null(errand_http_new(pool, &bad[i]));
        ck_assert_int_eq(errno, errors[i]);
    }
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

Suite *tls_suite(void)
{
    Suite *suite = suite_create("http tls");
    TCase *tc = tcase_create("tls");
    tcase_add_test(tc, a_certificate_of_our_authority_is_trusted);
    tcase_add_loop_test(tc, a_lanes_next_connection_resumes_the_TLS_session, 0, 2);
    tcase_add_loop_test(tc, lanes_with_cookies_make_TLS_connections_at_once, 0, 2);
    tcase_add_loop_test(tc, a_body_without_length_is_whole_only_after_close_notify, 0, 4);
    tcase_add_loop_test(tc, an_untrusted_certificate_fails_before_sending, 0,
                        (int)(sizeof untrusted / sizeof *untrusted));
    tcase_add_loop_test(tc, a_directory_of_certificates_is_trusted, 0, 2);
    tcase_add_loop_test(tc, a_server_with_another_key_than_those_pinned_is_refused, 0, 2);
    tcase_add_loop_test(tc, an_https_proxy_is_verified_with_the_same_authority, 0, 2);
    tcase_add_loop_test(tc, a_client_shows_its_certificate, 0, 2);
    tcase_add_test(tc, a_client_without_a_certificate_is_refused);
    tcase_add_test(tc, a_server_below_min_tls_is_refused);
    tcase_add_loop_test(tc, a_failed_handshake_ends_in_phase_tls, 0,
                        (int)(sizeof handshakes / sizeof *handshakes));
    tcase_add_test(tc, bad_certificate_files_are_refused_by_http_new);
    suite_add_tcase(suite, tc);
    return suite;
}
