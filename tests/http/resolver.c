/* Names that a function of the caller's looks up: in tasks, once at a time for each, cached. */
#include "harness.h"

#include "fixture/memory.h"

#include <curl/curl.h>

struct book { /* what the function knows, and what it did */
    errand_pool *pool;
    atomic_uint calls, released;
    bool waits; /* until released */
    int error;
    const char *addresses[4];
    char asked[40];
};

static errand_result nothing(void *arg) { return errand_ok(arg, NULL); }

static int look_up(const char *host, errand_addresses *to, void *arg)
{
    struct book *book = arg;
    if (!atomic_load(&book->calls)) snprintf(book->asked, sizeof book->asked, "%s", host);
    atomic_fetch_add(&book->calls, 1);
    if (book->pool) { /* it may wait for other tasks */
        errand_result r = errand_await(errand_submit(book->pool, nothing, NULL));
        ck_assert_int_eq(r.error, 0);
    }
    if (book->waits) until(&book->released, 1);
    for (int i = 0; i < 4 && book->addresses[i]; i++)
        ck_assert_int_eq(errand_addresses_add(to, book->addresses[i]), 0);
    return book->error;
}

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
static const char ok_once[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes";

static void opened(struct harness *w, struct book *book, const char *reply, errand_http_opts opts)
{
    opts.resolver = look_up;
    opts.resolver_arg = book;
    harness_open(w, strstr(reply, "close") ? say_once : say_always, (void *)reply, &opts);
}

static const char *named(struct harness *w, const char *host)
{
    char *text = w->texts[w->next++ % 8];
    snprintf(text, sizeof w->texts[0], "http://%s%s/", host,
             strrchr(raw_server_url(w->server), ':'));
    return text;
}

static void ends_well(struct harness *w, const char *url)
{
    errand_result r = errand_await(errand_get(w->http, url));
    ck_well(&r);
    ck_body_eq(&r, "yes");
    errand_result_free(&r);
}

START_TEST(a_name_goes_where_the_function_says)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" } };
    opened(&w, &book, ok, (errand_http_opts){ 0 });
    ends_well(&w, named(&w, "Shop.Test"));
    ck_assert_str_eq(book.asked, "shop.test");
    ends_well(&w, "/"); /* an address */
    ck_assert_uint_eq(book.calls, 1);
    harness_close(&w);
}
END_TEST

START_TEST(addresses_are_tried_in_turn)
{
    struct harness w;
    struct book book = { .addresses = { "::1", "127.0.0.2", "127.0.0.1" } };
    opened(&w, &book, ok, (errand_http_opts){ 0 });
    ends_well(&w, named(&w, "a.test"));
    harness_close(&w);
}
END_TEST

START_TEST(the_function_may_wait_on_the_only_worker)
{
    struct raw_server *server;
    ck_assert_int_eq(raw_server_start(&server, say_always, (void *)ok), 0);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    struct book book = { .pool = pool, .addresses = { "127.0.0.1" } };
    errand_http *http =
        errand_http_new(pool, &(errand_http_opts){ .resolver = look_up, .resolver_arg = &book });
    char url[100];
    snprintf(url, sizeof url, "http://a.test%s/", strrchr(raw_server_url(server), ':'));
    errand_result r = errand_await(errand_get(http, url));
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_int_eq(errand_http_close(http, 30000), 0);
    raw_server_stop(server);
    ck_assert_int_eq(errand_pool_close(pool, 30000), 0);
}
END_TEST

static const struct wrong {
    int error;
    const char *words;
} wrongs[] = {
    { ENOENT, "resolve: Could not resolve host: a.test: No such file or directory (curl 6)" },
    { ERRAND_USER + 7, "Could not resolve host: a.test: " },
    { 0, "Could not resolve host: a.test: Name or service not known" }, /* no address */
};

START_TEST(a_name_without_an_address_cannot_be_resolved)
{
    struct harness w;
    struct book book = { .error = wrongs[_i].error };
    opened(&w, &book, ok, (errand_http_opts){ 0 });
    errand_backoff *at_once = errand_backoff_none();
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 5, .backoff = at_once }, NULL);
    for (unsigned calls = 1; calls <= 3; calls += 2) { /* errors are not kept; twice at most */
        errand_result r = harness_send(&w, (errand_request){ .url = named(&w, "a.test"),
                                                             .policy = calls > 1 ? policy : NULL });
        ck_assert_int_eq(r.error, ERRAND_CURL + CURLE_COULDNT_RESOLVE_HOST);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
        ck_assert(!errand_result_may_have_run(&r));
        ck_message_has(&r, wrongs[_i].words);
        errand_result_free(&r);
        ck_assert_uint_eq(book.calls, calls);
    }
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(addresses_are_kept_for_dns_ttl_ms_or_until_they_are_forgotten)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" } };
    harness_open_clocked(
        &w, say_once, (void *)ok_once,
        &(errand_http_opts){ .resolver = look_up, .resolver_arg = &book, .dns_ttl_ms = 1000 });
    const char *url = named(&w, "a.test");
    ends_well(&w, url);
    ends_well(&w, url);
    ck_assert_uint_eq(book.calls, 1);
    harness_turn(&w, 1001);
    ends_well(&w, url);
    ck_assert_uint_eq(book.calls, 2);
    ck_assert_int_eq(errand_http_forget_names(w.http), 0);
    ends_well(&w, url);
    ends_well(&w, url);
    ck_assert_uint_eq(book.calls, 3);
    errand_http_stats s;
    ck_assert_int_eq(errand_http_stats_get(w.http, &s), 0);
    ck_assert_uint_eq(s.look_ups, 3);
    ck_assert_int_eq(errand_http_forget_names(NULL), EINVAL);
    harness_close(&w);
}
END_TEST

START_TEST(a_look_up_under_way_is_forgotten_too)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" }, .waits = true };
    opened(&w, &book, ok_once, (errand_http_opts){ 0 });
    errand_future *all[8];
    for (int i = 0; i < 8; i++) all[i] = errand_get(w.http, named(&w, "a.test"));
    until(&book.calls, 1);
    ck_assert_int_eq(errand_http_forget_names(w.http), 0);
    atomic_store(&book.released, 1);
    for (int i = 0; i < 8; i++) { /* it serves those that wait for it */
        errand_result r = errand_await(all[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(book.calls, 1);
    ends_well(&w, named(&w, "a.test"));
    ck_assert_uint_eq(book.calls, 2);
    harness_close(&w);
}
END_TEST

START_TEST(a_cancelled_request_does_not_wait_for_its_look_up_but_close_does)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" }, .waits = true };
    opened(&w, &book, ok, (errand_http_opts){ 0 });
    errand_future *f = errand_get(w.http, named(&w, "a.test"));
    until(&book.calls, 1);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    errand_result_free(&r);
    if (_i) atomic_store(&book.released, 1);
    ck_assert_int_eq(errand_http_close(w.http, _i ? 30000 : 20), _i ? 0 : ETIMEDOUT);
    atomic_store(&book.released, 1);
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 30000), 0);
}
END_TEST

START_TEST(only_addresses_can_be_added)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" } };
    (void)book;
    static const char *const bad[] = { "",        "localhost", "1.2.3",     "1.2.3.4:80", "::1%lo",
                                       "[::1]:1", "[1.2.3.4]", " 1.2.3.4",  "1.2.3.4,",   "[::1",
                                       "0x7f.1",  "::1]",      "1.2.3.4.5", NULL };
    harness_open(&w, say_once, (void *)ok, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(errand_addresses_add((errand_addresses *)(void *)&book, bad[i]) == EINVAL,
                      "%s", bad[i]);
    ck_assert_int_eq(errand_addresses_add(NULL, "127.0.0.1"), EINVAL);
    harness_close(&w);
}
END_TEST

static int add_many(const char *host, errand_addresses *to, void *n)
{
    (void)host;
    int error = errand_addresses_add(to, "127.0.0.1");
    while (!error) {
        ++*(unsigned *)n;
        error = errand_addresses_add(to, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
    }
    ck_assert_int_eq(error, ENOSPC);
    return 0;
}

START_TEST(too_many_addresses_are_ENOSPC_and_the_others_count)
{
    struct harness w;
    unsigned n = 0;
    harness_open(&w, say_always, (void *)ok,
                 &(errand_http_opts){ .resolver = add_many, .resolver_arg = &n });
    ends_well(&w, named(&w, "a.test"));
    ck_assert_uint_ge(n, 20);
    harness_close(&w);
}
END_TEST

START_TEST(a_closing_pool_ends_a_request_that_waits_for_a_look_up)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" } };
    opened(&w, &book, ok, (errand_http_opts){ 0 });
    ck_assert_int_eq(errand_pool_close(w.pool, 0) & ~ETIMEDOUT, 0);
    errand_result r = errand_await(errand_get(w.http, named(&w, "a.test")));
    ck_assert_int_ne(r.error, 0);
    errand_result_free(&r);
    errand_http_close(w.http, 10000);
    raw_server_stop(w.server);
}
END_TEST

START_TEST(look_ups_without_memory_are_ENOMEM)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" } };
    unsigned failures = 0;
    opened(&w, &book, ok_once, (errand_http_opts){ 0 });
    for (unsigned n = 1; n < 25; n++) {
        ck_assert_int_eq(errand_http_forget_names(w.http), 0);
        memory_fails_at(n);
        errand_future *f = errand_get(w.http, named(&w, "a.test"));
        memory_fails_at(0);
        errand_result r = errand_await(f);
        ck_assert(!r.error || r.error == ENOMEM || r.error == ECANCELED);
        failures += r.error == ENOMEM;
        errand_result_free(&r);
    }
    ck_assert_uint_ge(failures, 4);
    ends_well(&w, named(&w, "a.test"));
    harness_close(&w);
}
END_TEST

START_TEST(many_names_are_looked_up_while_they_are_forgotten)
{
    struct harness w;
    struct book book = { .addresses = { "127.0.0.1" } };
    enum { N = 200 };
    errand_future *all[N];
    opened(&w, &book, ok_once, (errand_http_opts){ .limit = 16 });
    for (unsigned i = 0; i < N; i++) {
        char host[20];
        snprintf(host, sizeof host, "h%u.test", i % 20);
        all[i] = errand_get(w.http, named(&w, host));
        if (i % 7 == 0) errand_http_forget_names(w.http);
    }
    for (unsigned i = 0; i < N; i++) {
        errand_result r = errand_await(all[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_ge(book.calls, 20);
    ck_assert_uint_le(book.calls, N);
    harness_close(&w);
}
END_TEST

Suite *resolver_suite(void)
{
    Suite *suite = suite_create("http resolver");
    TCase *tc = tcase_create("resolver");
    tcase_add_test(tc, a_name_goes_where_the_function_says);
    tcase_add_test(tc, addresses_are_tried_in_turn);
    tcase_add_test(tc, the_function_may_wait_on_the_only_worker);
    tcase_add_loop_test(tc, a_name_without_an_address_cannot_be_resolved, 0,
                        (int)(sizeof wrongs / sizeof *wrongs));
    tcase_add_test(tc, addresses_are_kept_for_dns_ttl_ms_or_until_they_are_forgotten);
    tcase_add_test(tc, a_look_up_under_way_is_forgotten_too);
    tcase_add_loop_test(tc, a_cancelled_request_does_not_wait_for_its_look_up_but_close_does, 0, 2);
    tcase_add_test(tc, only_addresses_can_be_added);
    tcase_add_test(tc, too_many_addresses_are_ENOSPC_and_the_others_count);
    tcase_add_test(tc, a_closing_pool_ends_a_request_that_waits_for_a_look_up);
    tcase_add_test(tc, look_ups_without_memory_are_ENOMEM);
    tcase_add_test(tc, many_names_are_looked_up_while_they_are_forgotten);
    suite_add_tcase(suite, tc);
    return suite;
}
