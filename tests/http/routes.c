/* The way to a server that the session's options choose: fixed addresses, hosts without a proxy;
 * and texts that are secret. */
#include "harness.h"

#include <unistd.h>

static void mirror(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        raw_reply(conn, 200, "text/plain", request.text);
        raw_request_free(&request);
    }
}

static const char *text_of(const errand_result *r) { return errand_response_body(r->value).at; }

struct route {
    struct harness w;
    char base[100], rule[100];
};

/* A session with a rule for the server's port; relative urls go to host. */
static void open_route(struct route *route, const char *host, const char *format,
                       errand_http_opts opts)
{
    struct raw_server *server;
    ck_assert_int_eq(raw_server_start(&server, mirror, NULL), 0);
    unsigned port = raw_server_port(server);
    snprintf(route->base, sizeof route->base, "http://%s:%u/", host, port);
    const char *mark = strstr(format, "%u");
    int before = mark ? (int)(mark - format) : (int)strlen(format);
    snprintf(route->rule, sizeof route->rule, "%.*s", before, format);
    if (mark)
        snprintf(route->rule + before, sizeof route->rule - (size_t)before, "%u%s", port, mark + 2);
    opts.base_url = route->base;
    opts.resolve = (const char *const[]){ route->rule, NULL };
    harness_open_on(&route->w, server, &opts);
}

static const char *const rules[] = {
    "far.invalid:%u:127.0.0.1", "FAR.invalid:%u:127.0.0.1", "*:%u:127.0.0.1",
    "far.invalid:%u:127.0.0.77,127.0.0.1", /* nothing listens there: the next one is tried */
};

START_TEST(a_fixed_address_is_used_instead_of_a_look_up)
{
    struct route route;
    open_route(&route, "far.invalid", rules[_i], (errand_http_opts){ 0 });
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&route.w, "/x");
        ck_well(&r);
        ck_assert_ptr_nonnull(strstr(text_of(&r), "\r\nHost: far.invalid:"));
        errand_result_free(&r);
    }
    errand_http_stats stats;
    ck_assert_int_eq(errand_http_stats_get(route.w.http, &stats), 0);
    ck_assert_uint_eq(stats.look_ups, 0);
    harness_close(&route.w);
}
END_TEST

START_TEST(a_fixed_address_is_for_its_host_and_port_alone)
{
    struct route route;
    open_route(&route, "near.invalid", _i ? "near.invalid:9:127.0.0.1" : "far.invalid:%u:127.0.0.1",
               (errand_http_opts){ 0 });
    errand_result r = harness_get(&route.w, "/x");
    ck_assert_str_eq(errand_result_phase(&r), "resolve");
    errand_result_free(&r);
    harness_close(&route.w);
}
END_TEST

START_TEST(hosts_of_no_proxy_are_reached_directly)
{
    struct route route;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    const errand_http_opts opts[] = { { .environment = 1, .no_proxy = "far.invalid" },
                                      { .proxy = "http://127.0.0.1:9", .no_proxy = "*" },
                                      { .proxy = "http://127.0.0.1:9", .no_proxy = "near.test" } };
    open_route(&route, "far.invalid", rules[0], opts[_i]);
    errand_result r = harness_get(&route.w, "/x");
    if (_i == 2) {
        ck_assert_str_eq(errand_result_phase(&r), "connect");
    } else {
        ck_well(&r);
        ck_assert_int_eq(strncmp(text_of(&r), "GET /x HTTP/1.1", 15), 0);
    }
    errand_result_free(&r);
    harness_close(&route.w);
}
END_TEST

static const struct {
    errand_http_opts opts;
    int error;
    const char *why;
} bad[] = {
    { { .resolve = (const char *const[]){ "a:1:127.0.0.1", "host", NULL } },
      EINVAL,
      "resolve \"host\" is not HOST:PORT:ADDRESS" },
    { { .resolve = (const char *const[]){ "host:0:1.2.3.4", NULL } }, EINVAL, "host:0:1.2.3.4" },
    { { .resolve = (const char *const[]){ "host:65536:1.2.3.4", NULL } }, EINVAL, "65536" },
    { { .resolve = (const char *const[]){ "host:80:name", NULL } }, EINVAL, "host:80:name" },
    { { .resolve = (const char *const[]){ "host:80:", NULL } }, EINVAL, "host:80:" },
    { { .resolve = (const char *const[]){ "host:80:1.2.3.4,", NULL } }, EINVAL, "1.2.3.4," },
    { { .resolve = (const char *const[]){ "host:80:::1", NULL } }, EINVAL, "host:80:::1" },
    { { .resolve = (const char *const[]){ ":80:1.2.3.4", NULL } }, EINVAL, ":80:1.2.3.4" },
    { { .no_proxy = "a\nb" }, EINVAL, "no_proxy" },
    { { .ca_path = "/nowhere" }, ENOENT, "ca_path \"/nowhere\": No such file" },
    { { .ca_path = "/dev/null" }, ENOTDIR, "ca_path \"/dev/null\": Not a directory" },
    { { .pinned_keys = "sha256//short=" }, EINVAL, "pinned_keys are not sha256//BASE64" },
    { { .pinned_keys = "/nowhere/key.pem" }, ENOENT, "pinned_keys \"/nowhere/key.pem\"" },
    { { .ca_file = "/nowhere/ca.pem" }, ENOENT, "ca_file \"/nowhere/ca.pem\": No such file" },
    { { .headers = (const char *const[]){ "nonsense", NULL } }, EINVAL, "nonsense" },
};

START_TEST(why_a_session_cannot_be_made_is_written_to_the_caller)
{
    char why[200] = "";
    errand_http_opts opts = bad[_i].opts;
    errand_pool *pool = errand_pool_new(NULL);
    opts.why = why;
    opts.why_size = sizeof why;
    ck_assert_ptr_null(errand_http_new(pool, &opts));
    ck_assert_int_eq(errno, bad[_i].error);
    ck_assert_msg(strstr(why, bad[_i].why) != NULL, "%s", why);
    opts.why_size = 8;
    ck_assert_ptr_null(errand_http_new(pool, &opts));
    ck_assert_uint_eq(strlen(why), 7);
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

/* ---- secrets ---- */

static void quote_it(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        raw_reply(conn, 403, "application/problem+json",
                  "{\"detail\":\"neither opensesame nor hidden-key may\"}");
        raw_request_free(&request);
    }
}

START_TEST(texts_that_are_secret_are_stars_in_messages)
{
    struct harness w;
    harness_open(&w, quote_it, NULL,
                 &(errand_http_opts){ .secrets = (const char *const[]){ "opensesame", NULL } });
    errand_result r = harness_send(
        &w,
        (errand_request){ .url = "/",
                          .headers = (const char *const[]){ "X-Tenant: hidden-key", NULL },
                          .secrets = _i ? (const char *const[]){ "hidden-key", "", NULL } : NULL });
    ck_assert_int_eq(r.error, ERRAND_HTTP + 403);
    ck_message_has(&r, "neither **********");
    if (_i) ck_message_has(&r, "nor ********** may");
    else ck_message_has(&r, "nor hidden-key may");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static void lead_away(struct raw_conn *conn, void *arg)
{
    if (raw_read_request(conn, NULL))
        raw_say(conn, "HTTP/1.1 307 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                (const char *)arg);
}

START_TEST(headers_with_secret_texts_do_not_go_to_another_origin)
{
    struct harness w;
    struct raw_server *other;
    char away[80];
    ck_assert_int_eq(raw_server_start(&other, mirror, NULL), 0);
    snprintf(away, sizeof away, "http://127.0.0.1:%u/there", raw_server_port(other));
    harness_open(&w, lead_away, away, NULL);
    errand_result r = harness_send(
        &w, (errand_request){
                .url = "/",
                .headers = (const char *const[]){ "X-Tenant: hidden-key", "X-Plain: seen", NULL },
                .secrets = (const char *const[]){ "hidden-key", NULL } });
    ck_well(&r);
    ck_assert_ptr_nonnull(strstr(text_of(&r), "X-Plain: seen"));
    ck_assert_ptr_null(strstr(text_of(&r), "hidden-key"));
    errand_result_free(&r);
    harness_close(&w);
    raw_server_stop(other);
}
END_TEST

Suite *routes_suite(void)
{
    Suite *suite = suite_create("http routes");
    TCase *tc = tcase_create("routes");
    tcase_add_loop_test(tc, a_fixed_address_is_used_instead_of_a_look_up, 0,
                        sizeof rules / sizeof *rules);
    tcase_add_loop_test(tc, a_fixed_address_is_for_its_host_and_port_alone, 0, 2);
    tcase_add_loop_test(tc, hosts_of_no_proxy_are_reached_directly, 0, 3);
    tcase_add_loop_test(tc, why_a_session_cannot_be_made_is_written_to_the_caller, 0,
                        sizeof bad / sizeof *bad);
    suite_add_tcase(suite, tc);
    tc = tcase_create("secrets");
    tcase_add_loop_test(tc, texts_that_are_secret_are_stars_in_messages, 0, 2);
    tcase_add_test(tc, headers_with_secret_texts_do_not_go_to_another_origin);
    suite_add_tcase(suite, tc);
    return suite;
}
