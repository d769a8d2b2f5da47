/* Addresses that may not be connected to, in every form in which a url can lead there. */
#include "harness.h"

#include "http/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---- which are private ---- */

static bool is_private(const char *text)
{
    struct sockaddr_in four = { .sin_family = AF_INET };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return er_peer_is_private((const struct sockaddr *)&four);
    ck_assert_msg(inet_pton(AF_INET6, text, &six.sin6_addr) == 1, "%s", text);
    return er_peer_is_private((const struct sockaddr *)&six);
}

START_TEST(special_addresses_are_private)
{
    static const char *const all[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:10::1",
        "2001:2::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "::8.8.8.8"
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_msg(is_private(all[i]), "%s", all[i]);
}
END_TEST

START_TEST(public_addresses_are_not)
{
    static const char *const all[] = {
        "1.1.1.1",         "8.8.8.8",          "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",      "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0",      "172.15.255.255",  "172.32.0.0",
        "191.255.255.255", "192.0.1.0",        "192.0.3.0",       "192.167.255.255",
        "192.169.0.0",     "198.17.255.255",   "198.20.0.0",      "223.255.255.255",
        "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:4860:4860::8888",
        "2606:4700::1111", "2001:db9::1",      "2a00::1",         "3ffe::1"
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_msg(!is_private(all[i]), "%s", all[i]);
}
END_TEST

/* ---- where a url may lead ---- */

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";

static int resolve_any(const char *host, errand_addresses *to, void *arg) /* arg: NULL ends them */
{
    (void)host;
    for (const char *const *at = arg; *at; at++) errand_addresses_add(to, *at);
    return 0;
}

typedef struct gate { /* lets connections to this address and port through */
    const char *address;
    unsigned port; /* 0: any */
    atomic_uint calls, refused;
    char host[80];
} gate;

static int pass(const errand_peer *peer, void *arg)
{
    gate *g = arg;
    bool passes = !strcmp(peer->address, g->address) && (!g->port || g->port == peer->port);
    ck_assert_uint_eq(peer->is_private, 1); /* of all here */
    if (!atomic_fetch_add(&g->calls, 1)) snprintf(g->host, sizeof g->host, "%s", peer->host);
    if (!passes) atomic_fetch_add(&g->refused, 1);
    return passes;
}

static void is_refused(errand_result r, const char *address, const char *host)
{
    char words[200];
    ck_assert_msg(r.error == EACCES, "%s: %s", host, errand_result_message(&r));
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_VALIDATION);
    ck_assert(!errand_result_transient(&r));
    snprintf(words, sizeof words, "connect: address %s of host %s is not allowed", address, host);
    ck_message_has(&r, words);
    errand_result_free(&r);
}

static const struct form {
    const char *host, *shown, *address; /* of %s:PORT */
} forms[] = {
    { "127.0.0.1", "127.0.0.1", "127.0.0.1" },
    { "127.1", "127.0.0.1", "127.0.0.1" },
    { "2130706433", "127.0.0.1", "127.0.0.1" },
    { "0x7f000001", "127.0.0.1", "127.0.0.1" },
    { "0177.0.0.1", "127.0.0.1", "127.0.0.1" },
    { "0", "0.0.0.0", "0.0.0.0" },
    { "[::1]", "[::1]", "::1" },
    { "[::]", "[::]", "::" },
    { "[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", "::ffff:127.0.0.1" },
    { "localhost", "localhost", "127.0.0.1" },
    { "169.254.169.254", "169.254.169.254", "169.254.169.254" },
};

START_TEST(refuse_private_refuses_every_form_of_an_address)
{
    struct harness w;
    char url[100];
    harness_open(&w, say_always, (void *)ok, &(errand_http_opts){ .refuse_private = 1 });
    errand_policy *policy = errand_policy_new(&(errand_policy_opts){ .attempts = 5 }, NULL);
    snprintf(url, sizeof url, "http://%s%s/", forms[_i].host,
             strrchr(raw_server_url(w.server), ':'));
    for (int with_body = 0; with_body < 2; with_body++) {
        errand_result r = harness_send(
            &w,
            (errand_request){ .url = url, .body = { "pay", with_body ? 3 : 0 }, .policy = policy });
        ck_assert(!errand_result_may_have_run(&r));
        ck_assert_uint_le(errand_result_attempts(&r), 1);
        is_refused(r, forms[_i].address, forms[_i].shown);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 0);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(each_of_a_hosts_addresses_is_checked)
{
    struct harness w;
    static const char *const mixed[] = { "::1", "127.0.0.2", "127.0.0.1", NULL };
    gate g = { .address = "127.0.0.1" };
    harness_open(&w, say_always, (void *)ok,
                 &(errand_http_opts){ .resolver = resolve_any,
                                      .resolver_arg = (void *)mixed,
                                      .allow = pass,
                                      .allow_arg = &g });
    char url[100];
    snprintf(url, sizeof url, "http://Any.Test%s/", strrchr(raw_server_url(w.server), ':'));
    for (int i = 0; i < 2; i++) { /* the connection that stands is not checked again */
        errand_result r = errand_await(errand_get(w.http, url));
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(g.refused, 2);
    ck_assert_uint_eq(g.calls, 3);
    ck_assert_str_eq(g.host, "any.test");
    harness_close(&w);
}
END_TEST

START_TEST(a_host_of_refused_addresses_alone_is_refused)
{
    struct harness w;
    static const char *const loopback[] = { "::1", "127.0.0.1", NULL };
    harness_open(&w, say_always, (void *)ok,
                 &(errand_http_opts){ .resolver = resolve_any,
                                      .resolver_arg = (void *)loopback,
                                      .refuse_private = 1 });
    char url[100];
    snprintf(url, sizeof url, "http://rebound.test%s/", strrchr(raw_server_url(w.server), ':'));
    is_refused(errand_await(errand_get(w.http, url)), "127.0.0.1", "rebound.test");
    ck_assert_uint_eq(raw_server_connections(w.server), 0);
    harness_close(&w);
}
END_TEST

START_TEST(an_address_that_does_not_answer_is_no_refusal)
{
    struct harness w;
    static const char *const mixed[] = { "::1", "127.0.0.1", NULL };
    gate g = { .address = "127.0.0.1" };
    harness_open(&w, say_always, (void *)ok,
                 &(errand_http_opts){ .resolver = resolve_any,
                                      .resolver_arg = (void *)mixed,
                                      .allow = pass,
                                      .allow_arg = &g });
    errand_result r = errand_await(errand_get(w.http, "http://any.test:1/"));
    ck_assert_int_ne(r.error, EACCES); /* the network may be better later */
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static void lead_away(struct raw_conn *conn, void *location)
{
    while (raw_read_request(conn, NULL)) {
        raw_say(conn, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", (const char *)location);
    }
}

START_TEST(a_redirect_does_not_lead_to_a_refused_address)
{
    struct harness w, other;
    char location[200];
    gate g = { .address = "127.0.0.1" };
    harness_open(&other, say_always, (void *)ok, NULL);
    snprintf(location, sizeof location, "30%d See\r\nLocation: %s/", _i ? 3 : 7,
             raw_server_url(other.server));
    harness_open(&w, lead_away, location, &(errand_http_opts){ .allow = pass, .allow_arg = &g });
    g.port = raw_server_port(w.server);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .body = { "pay", 3 } });
    ck_assert_int_eq(errand_result_may_have_run(&r), _i); /* 303: it has been done there */
    is_refused(r, "127.0.0.1", "127.0.0.1");
    ck_assert_uint_eq(raw_server_connections(w.server), 1);
    ck_assert_uint_eq(raw_server_connections(other.server), 0);
    harness_close(&w);
    harness_close(&other);
}
END_TEST

START_TEST(with_a_proxy_its_address_is_checked)
{
    struct harness w, direct;
    gate g = { .address = "127.0.0.1" };
    harness_open(&direct, say_always, (void *)ok, NULL);
    harness_open_on(&w, direct.server,
                    &(errand_http_opts){
                        .proxy = raw_server_url(direct.server), .allow = pass, .allow_arg = &g });
    errand_result r = errand_await(errand_get(w.http, "http://far.test/"));
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_uint_eq(g.calls, 1);
    ck_assert_str_eq(g.host, "far.test");
    ck_assert_int_eq(errand_http_close(w.http, 30000), 0);
    ck_assert_int_eq(errand_pool_close(w.pool, 30000), 0);
    harness_close(&direct);
}
END_TEST

START_TEST(many_requests_are_checked_on_many_lanes)
{
    struct harness w;
    gate g = { .address = "127.0.0.1" };
    static const char *const mixed[] = { "127.0.0.2", "127.0.0.1", NULL };
    enum { N = 100 };
    errand_future *all[N];
    harness_open(&w, say_once,
                 (void *)"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes",
                 &(errand_http_opts){ .lanes = 4,
                                      .limit = 16,
                                      .resolver = resolve_any,
                                      .resolver_arg = (void *)mixed,
                                      .allow = pass,
                                      .allow_arg = &g });
    char url[100];
    snprintf(url, sizeof url, "http://any.test%s/", strrchr(raw_server_url(w.server), ':'));
    for (int i = 0; i < N; i++) all[i] = errand_get(w.http, url);
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(all[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(g.refused, N);
    harness_close(&w);
}
END_TEST

Suite *peers_suite(void)
{
    Suite *suite = suite_create("http peers");
    TCase *tc = tcase_create("peers");
    tcase_add_test(tc, special_addresses_are_private);
    tcase_add_test(tc, public_addresses_are_not);
    tcase_add_loop_test(tc, refuse_private_refuses_every_form_of_an_address, 0,
                        (int)(sizeof forms / sizeof *forms));
    tcase_add_test(tc, each_of_a_hosts_addresses_is_checked);
    tcase_add_test(tc, a_host_of_refused_addresses_alone_is_refused);
    tcase_add_test(tc, an_address_that_does_not_answer_is_no_refusal);
    tcase_add_loop_test(tc, a_redirect_does_not_lead_to_a_refused_address, 0, 2);
    tcase_add_test(tc, with_a_proxy_its_address_is_checked);
    tcase_add_test(tc, many_requests_are_checked_on_many_lanes);
    suite_add_tcase(suite, tc);
    return suite;
}
