/* HTTP/2: many requests on one connection, and how the end of one affects the others. */
#include "shared.h"

#include <time.h>

START_TEST(concurrent_requests_share_one_connection)
{
    struct shared s = { 0 };
    enum { N = 20 };
    errand_future *fs[N];
    unsigned reused = 0;
    shared_open(&s, say_yes_when_released, false, (errand_http_opts){ .lanes = 4, .limit = 4 * N });
    for (int i = 0; i < N; i++) fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, N);
    ck_assert_uint_eq(stats_of(&s).open, 1);
    ck_assert_uint_eq(stats_of(&s).in_flight, N);
    atomic_store(&s.h2.released, 1);
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        ck_body_eq(&r, "yes");
        ck_assert_uint_eq(facts_of(&r).http, 20);
        reused += facts_of(&r).reused;
        errand_result_free(&r);
    }
    ck_assert_uint_eq(reused, N - 1);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    shared_close(&s);
}
END_TEST

START_TEST(a_later_request_joins_the_open_connection)
{
    struct shared s = { 0 };
    shared_open(&s, say_yes_when_released, false, (errand_http_opts){ .lanes = 4 });
    errand_future *first = errand_get(s.w.http, "/");
    until(&s.h2.requests, 1);
    errand_future *second = errand_get(s.w.http, "/"); /* on the same connection */
    until(&s.h2.requests, 2);
    atomic_store(&s.h2.released, 1);
    ends_well(first);
    ends_well(second);
    for (int i = 0; i < 5; i++) ends_well(errand_get(s.w.http, "/"));
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    shared_close(&s);
}
END_TEST

static void hold_the_first(struct h2_stream *stream, void *arg)
{
    (void)arg;
    if (h2_number(stream) > 1 || h2_released(stream)) h2_reply(stream, 200, "yes", 3);
}

START_TEST(an_old_connection_is_closed_when_its_last_stream_ends)
{
    int64_t lives[] = { ERRAND_ZERO, 20 };
    struct shared s = { .h2 = { 0 } };
    shared_open(&s, hold_the_first, false,
                (errand_http_opts){ .lanes = 1, .connection_ms = lives[_i] });
    errand_future *held = errand_get(s.w.http, "/");
    until(&s.h2.requests, 1);
    ends_well(errand_get(s.w.http, "/")); /* its stream ends first */
    ck_assert_uint_eq(raw_server_open(s.w.server), 1);
    atomic_store(&s.h2.released, 1);
    ends_well(held);
    until_open(s.w.server, 0);
    ends_well(errand_get(s.w.http, "/"));
    until_open(s.w.server, 0);
    shared_close(&s);
}
END_TEST

START_TEST(the_limits_count_requests)
{
    struct shared s = { 0 };
    enum { N = 12, LIMIT = 4 };
    errand_future *fs[N];
    shared_open(&s, say_yes_when_released, false,
                (errand_http_opts){ .lanes = 2,
                                    .per_lane = N,
                                    .limit = _i ? LIMIT : 2 * LIMIT,
                                    .limit_per_host = _i ? 2 * LIMIT : LIMIT });
    for (int i = 0; i < N; i++) fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, LIMIT);
    ck_assert_uint_eq(stats_of(&s).in_flight, LIMIT);
    ck_assert_uint_eq(stats_of(&s).queued, N - LIMIT);
    atomic_store(&s.h2.released, 1);
    for (int i = 0; i < N; i++) ends_well(fs[i]);
    ck_assert_uint_eq(atomic_load(&s.h2.most_open), LIMIT);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    shared_close(&s);
}
END_TEST

START_TEST(excess_streams_use_another_connection)
{
    struct shared s = { .h2 = { .most_streams = 2 } };
    enum { N = 8 };
    errand_future *fs[N];
    shared_open(&s, say_yes_when_released, false, (errand_http_opts){ .lanes = 1 });
    atomic_store(&s.h2.released, 1);
    ends_well(errand_get(s.w.http, "/")); /* the setting is known now */
    atomic_store(&s.h2.released, 0);
    for (int i = 0; i < N; i++) fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, N + 1);
    ck_assert_uint_ge(raw_server_connections(s.w.server), N / 2);
    atomic_store(&s.h2.released, 1);
    for (int i = 0; i < N; i++) ends_well(fs[i]);
    shared_close(&s);
}
END_TEST

START_TEST(an_idle_connection_survives_a_ping)
{
    struct shared s = { 0 };
    enum { N = 20 };
    shared_open(&s, say_yes, false, (errand_http_opts){ .lanes = 1 });
    ends_well(errand_get(s.w.http, "/"));
    for (unsigned i = 1; i <= N; i++) {
        while (stats_of(&s).in_flight) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
        atomic_store(&s.h2.pings, i);
        /* most pings arrive while it is idle; all must go well */
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
        ends_well(errand_get(s.w.http, "/"));
        until(&s.h2.pongs, i);
    }
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    shared_close(&s);
}
END_TEST

/* ---- one ends, the others go on ---- */

START_TEST(a_cancel_leaves_other_streams_and_the_connection_alone)
{
    unsigned unanswered = 3;
    struct shared s = { .h2 = { .arg = &unanswered } };
    enum { N = 6 };
    errand_future *fs[N];
    shared_open(&s, say_yes_when_released, false, (errand_http_opts){ .lanes = 2 });
    for (unsigned i = 0; i < N; i++) {
        fs[i] = i % 2 ? post(&s, NULL) : errand_get(s.w.http, "/");
        until(&s.h2.requests, i + 1);
    }
    for (int i = 0; i < 3; i++) { /* also the one that opened the connection */
        errand_cancel(fs[i]);
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
        ck_assert_str_eq(errand_result_phase(&r), "first byte");
        ck_assert(errand_result_may_have_run(&r) == (i % 2 == 1));
        errand_result_free(&r);
    }
    atomic_store(&s.h2.released, 1);
    for (int i = 3; i < N; i++) ends_well(fs[i]);
    ends_well(errand_get(s.w.http, "/"));
    until(&s.h2.resets, 3);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    shared_close(&s);
}
END_TEST

START_TEST(a_cancel_of_the_only_stream_closes_the_connection)
{
    struct shared s = { 0 };
    shared_open(&s, say_yes_when_released, false, (errand_http_opts){ .lanes = 1 });
    errand_future *before = errand_get(s.w.http, "/"); /* it opens the connection */
    until(&s.h2.requests, 1);
    errand_future *f = post(&s, NULL);
    until(&s.h2.requests, 2);
    atomic_store(&s.h2.released, 1);
    ends_well(before);
    ends_well(f);
    atomic_store(&s.h2.released, 0);
    f = post(&s, NULL);
    until(&s.h2.requests, 3);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    errand_result_free(&r);
    until_open(s.w.server, 0); /* the server sees the close */
    atomic_store(&s.h2.released, 1);
    ends_well(errand_get(s.w.http, "/"));
    shared_close(&s);
}
END_TEST

static void say_nothing(struct raw_conn *conn, void *arg)
{
    (void)arg;
    raw_wait_gone(conn);
}

static void until_accepted(struct raw_server *server, unsigned n)
{
    while (raw_server_connections(server) < n) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

START_TEST(a_request_waiting_for_a_cancelled_connection_makes_its_own)
{
    struct shared s = { 0 };
    struct raw_server *odd;
    char url[60];
    shared_open(&s, say_yes, false, (errand_http_opts){ .lanes = 1 });
    ck_assert_int_eq(raw_server_start(&odd, say_nothing, NULL), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", raw_server_port(odd));
    errand_future *first = errand_get(s.w.http, url);
    until_accepted(odd, 1);
    errand_future *second = errand_get(s.w.http, url);
    ends_well(errand_get(s.w.http, "/")); /* the lane has seen both */
    ck_assert_uint_eq(raw_server_connections(odd), 1);
    for (int i = 0; i < 2; i++) {
        errand_future *f = i ? second : first;
        until_accepted(odd, (unsigned)i + 1);
        errand_cancel(f);
        errand_result r = errand_await(f);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert(!errand_result_may_have_run(&r));
        errand_result_free(&r);
    }
    raw_server_stop(odd);
    shared_close(&s);
}
END_TEST

START_TEST(a_timeout_leaves_other_streams_and_the_connection_alone)
{
    unsigned unanswered = 1;
    struct shared s = { .h2 = { .arg = &unanswered } };
    shared_open(&s, say_yes_when_released, true, (errand_http_opts){ .lanes = 2 });
    errand_request limited = { .url = "/", .method = "POST" };
    *(_i ? &limited.sock_read_ms : &limited.total_ms) = 100;
    errand_future *late = errand_send(s.w.http, &limited);
    until(&s.h2.requests, 1);
    errand_future *other = errand_get(s.w.http, "/");
    until(&s.h2.requests, 2);
    do /* the gap begins when the lane has seen that it was sent */
        harness_turn(&s.w, 101);
    while (errand_wait(late, 1) == ETIMEDOUT);
    errand_result r = errand_await(late);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_TIMEOUT);
    ck_assert_str_eq(errand_result_phase(&r), "first byte");
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    atomic_store(&s.h2.released, 1);
    ends_well(other);
    ends_well(errand_get(s.w.http, "/"));
    until(&s.h2.resets, 1);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    shared_close(&s);
}
END_TEST

START_TEST(close_ends_all_streams_of_a_connection)
{
    struct shared s = { 0 };
    enum { N = 5 };
    errand_future *fs[N];
    shared_open(&s, say_yes_when_released, false, (errand_http_opts){ 0 });
    for (int i = 0; i < N; i++) fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, N);
    ck_assert_int_eq(errand_http_close(s.w.http, 1000), 0);
    s.w.http = NULL;
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
        errand_result_free(&r);
    }
    shared_close(&s);
}
END_TEST

Suite *http2_suite(void)
{
    Suite *suite = suite_create("http 2");
    TCase *tc = tcase_create("one connection");
    tcase_add_test(tc, concurrent_requests_share_one_connection);
    tcase_add_test(tc, a_later_request_joins_the_open_connection);
    tcase_add_loop_test(tc, an_old_connection_is_closed_when_its_last_stream_ends, 0, 2);
    tcase_add_loop_test(tc, the_limits_count_requests, 0, 2);
    tcase_add_test(tc, excess_streams_use_another_connection);
    tcase_add_test(tc, an_idle_connection_survives_a_ping);
    suite_add_tcase(suite, tc);
    tc = tcase_create("one ends");
    tcase_add_test(tc, a_cancel_leaves_other_streams_and_the_connection_alone);
    tcase_add_test(tc, a_cancel_of_the_only_stream_closes_the_connection);
    tcase_add_test(tc, a_request_waiting_for_a_cancelled_connection_makes_its_own);
    tcase_add_loop_test(tc, a_timeout_leaves_other_streams_and_the_connection_alone, 0, 2);
    tcase_add_test(tc, close_ends_all_streams_of_a_connection);
    suite_add_tcase(suite, tc);
    return suite;
}
