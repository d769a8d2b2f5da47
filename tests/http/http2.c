/* HTTP/2: many requests on one connection, and what becomes of the others when one of them ends badly. */
#include "world.h"

#include "h2_server.h"
#include "tls.h"

#include <curl/curl.h>
#include <time.h>

enum { BIG = 1 << 20 };
static char big[BIG];

struct shared {
    struct tls_files files;
    struct h2_server h2;
    struct world w;
};

static void open_shared(struct shared *s, h2_handler *asked, bool turned, errand_http_opts opts)
{
    struct raw_server *server;
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 23);
    ck_assert_int_eq(tls_files_make(&s->files), 0);
    s->h2.asked = asked;
    ck_assert_int_eq(tls_server_start_alpn(&server, h2_serve, &s->h2, s->files.good, "h2"), 0);
    opts.ca_file = s->files.ca;
    opts.http2 = 1;
    (turned ? world_open_turned_on : world_open_on)(&s->w, server, &opts);
}

static void close_shared(struct shared *s)
{
    world_close(&s->w);
    tls_files_remove(&s->files);
}

static errand_http_stats stats_of(struct shared *s)
{
    errand_http_stats stats;
    ck_assert_int_eq(errand_http_stats_get(s->w.http, &stats), 0);
    return stats;
}

static errand_facts facts_of(const errand_result *r)
{
    errand_facts facts;
    ck_assert_int_eq(errand_response_facts(r->value, &facts), 0);
    return facts;
}

static void ends_well(errand_future *f)
{
    errand_result r = errand_await(f);
    ck_well(&r);
    ck_body_eq(&r, "yes");
    ck_assert_uint_eq(facts_of(&r).http, 20);
    errand_result_free(&r);
}

static errand_future *post(struct shared *s, const char *key)
{
    return errand_send(s->w.http, &(errand_request){ .url = "/", .method = "POST", .body = { "pay", 3 }, .idempotency_key = key });
}

/* ---- what the server does ---- */

static void say_yes(struct h2_stream *stream, void *arg)
{
    (void)arg;
    h2_reply(stream, 200, "yes", 3);
}

/* arg: never to so many of the first */
static void say_yes_when_told(struct h2_stream *stream, void *arg)
{
    if (h2_told(stream) && (!arg || h2_number(stream) > *(unsigned *)arg))
        h2_reply(stream, 200, "yes", 3);
}

START_TEST(requests_that_come_at_once_share_one_connection)
{
    struct shared s = { 0 };
    enum { N = 20 };
    errand_future *fs[N];
    unsigned reused = 0;
    open_shared(&s, say_yes_when_told, false, (errand_http_opts){ .lanes = 4, .limit = 4 * N });
    for (int i = 0; i < N; i++)
        fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, N);
    ck_assert_uint_eq(stats_of(&s).open, 1);
    ck_assert_uint_eq(stats_of(&s).in_flight, N);
    atomic_store(&s.h2.told, 1);
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
    close_shared(&s);
}
END_TEST

START_TEST(a_later_request_joins_the_open_connection)
{
    struct shared s = { 0 };
    open_shared(&s, say_yes_when_told, false, (errand_http_opts){ .lanes = 4 });
    errand_future *first = errand_get(s.w.http, "/");
    until(&s.h2.requests, 1);
    errand_future *second = errand_get(s.w.http, "/"); /* beside it */
    until(&s.h2.requests, 2);
    atomic_store(&s.h2.told, 1);
    ends_well(first);
    ends_well(second);
    for (int i = 0; i < 5; i++)
        ends_well(errand_get(s.w.http, "/"));
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    close_shared(&s);
}
END_TEST

START_TEST(the_limits_count_requests)
{
    struct shared s = { 0 };
    enum { N = 12, LIMIT = 4 };
    errand_future *fs[N];
    open_shared(&s, say_yes_when_told, false,
                (errand_http_opts){ .lanes = 2,
                                    .per_lane = N,
                                    .limit = _i ? LIMIT : 2 * LIMIT,
                                    .limit_per_host = _i ? 2 * LIMIT : LIMIT });
    for (int i = 0; i < N; i++)
        fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, LIMIT);
    ck_assert_uint_eq(stats_of(&s).in_flight, LIMIT);
    ck_assert_uint_eq(stats_of(&s).queued, N - LIMIT);
    atomic_store(&s.h2.told, 1);
    for (int i = 0; i < N; i++)
        ends_well(fs[i]);
    ck_assert_uint_eq(atomic_load(&s.h2.most_open), LIMIT);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    close_shared(&s);
}
END_TEST

START_TEST(more_than_a_connection_may_carry_go_on_another)
{
    struct shared s = { .h2 = { .most_streams = 2 } };
    enum { N = 8 };
    errand_future *fs[N];
    open_shared(&s, say_yes_when_told, false, (errand_http_opts){ .lanes = 1 });
    atomic_store(&s.h2.told, 1);
    ends_well(errand_get(s.w.http, "/")); /* now it is known */
    atomic_store(&s.h2.told, 0);
    for (int i = 0; i < N; i++)
        fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, N + 1);
    ck_assert_uint_ge(raw_server_connections(s.w.server), N / 2);
    atomic_store(&s.h2.told, 1);
    for (int i = 0; i < N; i++)
        ends_well(fs[i]);
    close_shared(&s);
}
END_TEST

/* ---- one ends, the others go on ---- */

START_TEST(a_cancelled_one_leaves_the_others_and_the_connection_alone)
{
    unsigned unanswered = 3;
    struct shared s = { .h2 = { .arg = &unanswered } };
    enum { N = 6 };
    errand_future *fs[N];
    open_shared(&s, say_yes_when_told, false, (errand_http_opts){ .lanes = 2 });
    for (unsigned i = 0; i < N; i++) {
        fs[i] = i % 2 ? post(&s, NULL) : errand_get(s.w.http, "/");
        until(&s.h2.requests, i + 1);
    }
    for (int i = 0; i < 3; i++) { /* the one that opened the connection, too */
        errand_cancel(fs[i]);
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
        ck_assert_str_eq(errand_result_phase(&r), "first byte");
        ck_assert(errand_result_may_have_run(&r) == (i % 2 == 1));
        errand_result_free(&r);
    }
    atomic_store(&s.h2.told, 1);
    for (int i = 3; i < N; i++)
        ends_well(fs[i]);
    ends_well(errand_get(s.w.http, "/"));
    until(&s.h2.resets, 3);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    close_shared(&s);
}
END_TEST

static void until_open(struct raw_server *server, unsigned n)
{
    while (raw_server_open(server) != n)
        nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

START_TEST(a_cancelled_one_that_was_alone_takes_its_connection_along)
{
    struct shared s = { 0 };
    open_shared(&s, say_yes_when_told, false, (errand_http_opts){ .lanes = 1 });
    errand_future *before = errand_get(s.w.http, "/"); /* it opens the connection */
    until(&s.h2.requests, 1);
    errand_future *f = post(&s, NULL);
    until(&s.h2.requests, 2);
    atomic_store(&s.h2.told, 1);
    ends_well(before);
    ends_well(f);
    atomic_store(&s.h2.told, 0);
    f = post(&s, NULL);
    until(&s.h2.requests, 3);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    errand_result_free(&r);
    until_open(s.w.server, 0); /* so the server hears of it */
    atomic_store(&s.h2.told, 1);
    ends_well(errand_get(s.w.http, "/"));
    close_shared(&s);
}
END_TEST

static void say_nothing(struct raw_conn *conn, void *arg)
{
    (void)arg;
    raw_wait_gone(conn);
}

static void until_accepted(struct raw_server *server, unsigned n)
{
    while (raw_server_connections(server) < n)
        nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

START_TEST(who_waits_for_the_connection_of_a_cancelled_one_makes_its_own)
{
    struct shared s = { 0 };
    struct raw_server *odd;
    char url[60];
    open_shared(&s, say_yes, false, (errand_http_opts){ .lanes = 1 });
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
    close_shared(&s);
}
END_TEST

START_TEST(a_late_one_leaves_the_others_and_the_connection_alone)
{
    unsigned unanswered = 1;
    struct shared s = { .h2 = { .arg = &unanswered } };
    open_shared(&s, say_yes_when_told, true, (errand_http_opts){ .lanes = 2 });
    errand_request limited = { .url = "/", .method = "POST" };
    *(_i ? &limited.sock_read_ms : &limited.total_ms) = 100;
    errand_future *late = errand_send(s.w.http, &limited);
    until(&s.h2.requests, 1);
    errand_future *other = errand_get(s.w.http, "/");
    until(&s.h2.requests, 2);
    do /* the gap begins when the lane has seen that it was sent */
        world_turn(&s.w, 101);
    while (errand_wait(late, 1) == ETIMEDOUT);
    errand_result r = errand_await(late);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_TIMEOUT);
    ck_assert_str_eq(errand_result_phase(&r), "first byte");
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    atomic_store(&s.h2.told, 1);
    ends_well(other);
    ends_well(errand_get(s.w.http, "/"));
    until(&s.h2.resets, 1);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    close_shared(&s);
}
END_TEST

START_TEST(close_ends_all_that_share_a_connection)
{
    struct shared s = { 0 };
    enum { N = 5 };
    errand_future *fs[N];
    open_shared(&s, say_yes_when_told, false, (errand_http_opts){ 0 });
    for (int i = 0; i < N; i++)
        fs[i] = errand_get(s.w.http, "/");
    until(&s.h2.requests, N);
    ck_assert_int_eq(errand_http_close(s.w.http, 20), 0);
    s.w.http = NULL;
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
        errand_result_free(&r);
    }
    close_shared(&s);
}
END_TEST

/* ---- what a server does to a stream ---- */

/* The first connection refuses its requests from this one on. */
static unsigned refused_from;

static void refuse_once(struct h2_stream *stream, void *arg)
{
    (void)arg;
    if (h2_connection(stream) == 1 && h2_number(stream) >= refused_from)
        h2_reset(stream, H2_REFUSED_STREAM);
    else
        h2_reply(stream, 200, "yes", 3);
}

START_TEST(a_refused_request_is_sent_once_more_if_that_is_harmless)
{
    struct shared s = { 0 };
    bool later = _i & 1, keyed = _i & 2;
    refused_from = later ? 2 : 1;
    open_shared(&s, refuse_once, false, (errand_http_opts){ .lanes = 1 });
    if (later)
        ends_well(errand_get(s.w.http, "/"));
    errand_result r = errand_await(keyed ? post(&s, "one") : errand_get(s.w.http, "/"));
    ck_well(&r);
    ck_assert_uint_eq(facts_of(&r).resent, 1);
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), later ? 3 : 2);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 2);
    close_shared(&s);
}
END_TEST

/* It did certainly not run, but what libcurl says is the same as of a connection that was lost. */
START_TEST(a_refused_request_that_must_not_run_twice_is_not_sent_again)
{
    struct shared s = { 0 };
    bool later = _i;
    refused_from = later ? 2 : 1;
    errand_policy *policy = errand_policy_new(&(errand_policy_opts){ .attempts = 3, .first_ms = 1 }, NULL);
    open_shared(&s, refuse_once, false, (errand_http_opts){ .lanes = 1, .policy = policy });
    if (later)
        ends_well(errand_get(s.w.http, "/"));
    errand_result r = errand_await(post(&s, NULL));
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    ck_assert_str_eq(errand_result_phase(&r), "first byte");
    ck_assert(errand_result_may_have_run(&r));
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    ck_message_has(&r, "or the stream refused, and POST is not sent twice");
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), later ? 2 : 1);
    ends_well(errand_get(s.w.http, "/")); /* the session is fine */
    errand_policy_free(policy);
    close_shared(&s);
}
END_TEST

static void refuse_always(struct h2_stream *stream, void *arg)
{
    (void)arg;
    h2_reset(stream, H2_REFUSED_STREAM);
}

START_TEST(what_is_refused_each_time_is_not_sent_a_third_time)
{
    struct shared s = { 0 };
    open_shared(&s, refuse_always, false, (errand_http_opts){ .lanes = 1 });
    errand_result r = world_get(&s.w, "/");
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    ck_assert(errand_result_transient(&r) && !errand_result_may_have_run(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), 2);
    close_shared(&s);
}
END_TEST

static void go_away(struct h2_stream *stream, void *arg)
{
    (void)arg;
    if (h2_connection(stream) == 1)
        h2_goaway(stream, true);
    else
        h2_reply(stream, 200, "yes", 3);
}

START_TEST(a_server_that_goes_away_is_asked_again_if_that_is_harmless)
{
    struct shared s = { 0 };
    bool harmless = _i;
    errand_policy *policy = errand_policy_new(&(errand_policy_opts){ .attempts = 3, .first_ms = 1 }, NULL);
    open_shared(&s, go_away, false, (errand_http_opts){ .lanes = 1, .policy = policy });
    errand_result r = errand_await(harmless ? errand_get(s.w.http, "/") : post(&s, NULL));
    if (harmless) {
        ck_well(&r);
    } else {
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
        ck_assert_str_eq(errand_result_phase(&r), "first byte");
        ck_assert(errand_result_may_have_run(&r));
        ck_assert_uint_eq(errand_result_attempts(&r), 1);
    }
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), harmless ? 2 : 1);
    errand_policy_free(policy);
    close_shared(&s);
}
END_TEST

/* The third goes; the two before it go on. */
static void go_away_beside_others(struct h2_stream *stream, void *arg)
{
    if (h2_connection(stream) == 1 && h2_number(stream) == 3)
        h2_goaway(stream, true);
    else if (h2_connection(stream) != 1)
        h2_reply(stream, 200, "yes", 3);
    else
        say_yes_when_told(stream, arg);
}

START_TEST(a_server_that_goes_away_ends_what_it_has_begun)
{
    struct shared s = { 0 };
    open_shared(&s, go_away_beside_others, false, (errand_http_opts){ .lanes = 1 });
    errand_future *first = post(&s, NULL), *second = post(&s, NULL);
    until(&s.h2.requests, 2);
    ends_well(errand_get(s.w.http, "/")); /* on a new connection */
    atomic_store(&s.h2.told, 1);
    ends_well(first);
    ends_well(second);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 2);
    close_shared(&s);
}
END_TEST

struct reset {
    unsigned error;
    bool begun; /* the reply's headers have gone out */
};

static void reset_the_second(struct h2_stream *stream, void *arg)
{
    const struct reset *reset = arg;
    if (h2_number(stream) != 2)
        (h2_number(stream) == 1 ? say_yes_when_told : say_yes)(stream, NULL);
    else if (reset->begun && !h2_told(stream))
        h2_begin(stream, 200, "", 0);
    else
        h2_reset(stream, reset->error);
}

static void count_first_bytes(const errand_stage_view *view, void *arg)
{
    if (view->stage == ERRAND_STAGE_FIRST_BYTE)
        atomic_fetch_add((atomic_uint *)arg, 1);
}

static const struct reset resets[] = {
    { H2_INTERNAL_ERROR, false }, { H2_CANCEL, false }, { H2_INTERNAL_ERROR, true }, { H2_CANCEL, true }
};

START_TEST(a_reset_stream_may_have_run_and_is_left_to_the_policy)
{
    struct shared s = { .h2 = { .arg = (void *)(uintptr_t)&resets[_i / 2] } };
    bool harmless = _i % 2;
    errand_policy *policy = errand_policy_new(&(errand_policy_opts){ .attempts = 3, .first_ms = 1 }, NULL);
    atomic_uint begun = 0;
    open_shared(&s, reset_the_second, false,
                (errand_http_opts){ .lanes = 1, .policy = policy, .on_stage = count_first_bytes, .stage_arg = &begun });
    errand_future *other = errand_get(s.w.http, "/");
    until(&s.h2.requests, 1);
    errand_future *f = harmless ? errand_get(s.w.http, "/") : post(&s, NULL);
    if (resets[_i / 2].begun) {
        until(&begun, 1);
        atomic_store(&s.h2.told, 1);
    }
    errand_result r = errand_await(f);
    if (harmless) {
        ck_well(&r);
        ck_assert_uint_eq(errand_result_attempts(&r), 2);
    } else {
        ck_assert_int_eq(r.error, ERRAND_CURL + CURLE_HTTP2_STREAM);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
        ck_assert_str_eq(errand_result_phase(&r), resets[_i / 2].begun ? "body" : "first byte");
        ck_assert(errand_result_may_have_run(&r));
        ck_assert_uint_eq(errand_result_attempts(&r), 1);
    }
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), harmless ? 3 : 2);
    atomic_store(&s.h2.told, 1);
    ends_well(other);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    errand_policy_free(policy);
    close_shared(&s);
}
END_TEST

static void hang_up_at_the_third(struct h2_stream *stream, void *arg)
{
    (void)arg;
    if (h2_connection(stream) > 1)
        h2_reply(stream, 200, "yes", 3);
    else if (h2_number(stream) == 2)
        h2_begin(stream, 200, "y", 1);
    else if (h2_number(stream) == 3)
        h2_hang_up(stream);
}

START_TEST(a_lost_connection_ends_all_that_were_on_it)
{
    struct shared s = { 0 };
    errand_policy *policy = errand_policy_new(&(errand_policy_opts){ .attempts = 3, .first_ms = 1 }, NULL);
    open_shared(&s, hang_up_at_the_third, false, (errand_http_opts){ .lanes = 1, .policy = policy });
    errand_future *fs[3];
    for (unsigned i = 0; i < 2; i++) {
        fs[i] = post(&s, NULL);
        until(&s.h2.requests, i + 1);
    }
    fs[2] = errand_get(s.w.http, "/");
    for (int i = 0; i < 2; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
        ck_assert_msg(!strcmp(errand_result_phase(&r), i ? "body" : "first byte"), "%s", errand_result_message(&r));
        ck_assert_msg(errand_result_may_have_run(&r), "%s", errand_result_message(&r));
        ck_assert_uint_eq(errand_result_attempts(&r), 1);
        errand_result_free(&r);
    }
    ends_well(fs[2]);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), 4);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 2);
    errand_policy_free(policy);
    close_shared(&s);
}
END_TEST

START_TEST(an_idle_connection_that_is_asked_for_a_sign_of_life_is_kept)
{
    struct shared s = { 0 };
    enum { N = 20 };
    open_shared(&s, say_yes, false, (errand_http_opts){ .lanes = 1 });
    ends_well(errand_get(s.w.http, "/"));
    for (unsigned i = 1; i <= N; i++) {
        while (stats_of(&s).in_flight)
            nanosleep(&(struct timespec){ 0, 200000 }, NULL);
        atomic_store(&s.h2.pings, i);
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL); /* most come while it is idle; to all it goes well */
        ends_well(errand_get(s.w.http, "/"));
        until(&s.h2.pongs, i);
    }
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    close_shared(&s);
}
END_TEST

/* ---- bodies and windows ---- */

static void say_much(struct h2_stream *stream, void *arg)
{
    (void)arg;
    h2_reply(stream, 200, big, BIG);
}

START_TEST(large_bodies_go_side_by_side)
{
    struct shared s = { 0 };
    enum { N = 6 };
    errand_future *fs[N];
    open_shared(&s, say_much, false, (errand_http_opts){ .lanes = 1 });
    for (int i = 0; i < N; i++)
        fs[i] = errand_send(s.w.http, &(errand_request){ .url = "/", .method = "PUT", .body = { big, BIG } });
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_bytes body = errand_response_body(r.value);
        ck_assert_uint_eq(body.size, BIG);
        ck_assert_mem_eq(body.at, big, BIG);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(atomic_load(&s.h2.taken), N * BIG);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    close_shared(&s);
}
END_TEST

START_TEST(what_is_too_large_is_not_sent_on)
{
    struct shared s = { 0 };
    open_shared(&s, say_much, false, (errand_http_opts){ .lanes = 1, .max_body = 1000 });
    errand_result r = world_get(&s.w, "/");
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_RESOURCE);
    ck_message_has(&r, "the body is larger than max_body, 1000 bytes");
    errand_result_free(&r);
    until_open(s.w.server, 0);
    close_shared(&s);
}
END_TEST

START_TEST(a_body_that_the_server_does_not_take_waits_and_holds_nobody_up)
{
    struct shared s = { .h2 = { .stingy = true } };
    open_shared(&s, say_yes, false, (errand_http_opts){ .lanes = 1 });
    errand_future *stuck = errand_send(s.w.http, &(errand_request){ .url = "/", .method = "POST", .body = { big, BIG } });
    until(&s.h2.taken, 65535);
    ends_well(errand_get(s.w.http, "/"));
    ck_assert_uint_eq(atomic_load(&s.h2.taken), 65535);
    ck_assert_int_eq(errand_wait(stuck, 0), ETIMEDOUT);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    errand_cancel(stuck);
    errand_result r = errand_await(stuck);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_str_eq(errand_result_phase(&r), "send");
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    ends_well(errand_get(s.w.http, "/"));
    close_shared(&s);
}
END_TEST

/* The first is a stream of 1 MiB, more than is kept for a reader, whose end comes when told. arg: the others get no reply. */
static void say_much_to_the_first(struct h2_stream *stream, void *arg)
{
    if (h2_number(stream) == 1 && !h2_told(stream))
        h2_begin(stream, 200, big, BIG - 3);
    else if (h2_number(stream) == 1)
        h2_reply(stream, 200, big + BIG - 3, 3);
    else if (!*(bool *)arg)
        h2_reply(stream, 200, "yes", 3);
}

static void read_all(errand_response *response)
{
    static char got[BIG];
    size_t size = 0;
    int64_t n;
    while (size < BIG && (n = errand_body_read(response, got + size, BIG - size, ERRAND_FOREVER)) > 0)
        size += (size_t)n;
    ck_assert_uint_eq(size, BIG);
    ck_assert_mem_eq(got, big, BIG);
}

START_TEST(a_reader_that_is_slow_holds_up_nobody_else_and_is_not_forgotten)
{
    static const struct {
        int64_t keepalive_ms;
        bool cancels;
    } ways[] = { { 0, false }, { 1, false }, { 0, true } };
    bool silent = ways[_i].cancels;
    struct shared s = { .h2 = { .arg = &silent } };
    open_shared(&s, say_much_to_the_first, false,
                (errand_http_opts){ .lanes = 1, .keepalive_ms = ways[_i].keepalive_ms });
    errand_result stream = world_send(&s.w, (errand_request){ .url = "/", .stream = 1 });
    ck_well(&stream);
    for (unsigned i = 0; i < 100; i++) { /* nobody reads meanwhile, and the connection is not idle for that */
        if (ways[_i].cancels) {
            errand_future *f = errand_get(s.w.http, "/never");
            until(&s.h2.requests, i + 2);
            errand_cancel(f);
            errand_result_free((errand_result[]){ errand_await(f) });
        } else {
            ends_well(errand_get(s.w.http, "/"));
        }
    }
    if (ways[_i].keepalive_ms) /* time enough to close what were idle */
        nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    atomic_store(&s.h2.told, 1);
    read_all(stream.value);
    errand_result_free(&stream);
    close_shared(&s);
}
END_TEST

Suite *http2_suite(void)
{
    Suite *suite = suite_create("http 2");
    if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2)) {
        puts("SKIPPED: the tests of HTTP/2, for this libcurl has none");
        return suite;
    }
    TCase *tc = tcase_create("one connection");
    tcase_add_test(tc, requests_that_come_at_once_share_one_connection);
    tcase_add_test(tc, a_later_request_joins_the_open_connection);
    tcase_add_loop_test(tc, the_limits_count_requests, 0, 2);
    tcase_add_test(tc, more_than_a_connection_may_carry_go_on_another);
    tcase_add_test(tc, an_idle_connection_that_is_asked_for_a_sign_of_life_is_kept);
    suite_add_tcase(suite, tc);
    tc = tcase_create("one ends");
    tcase_add_test(tc, a_cancelled_one_leaves_the_others_and_the_connection_alone);
    tcase_add_test(tc, a_cancelled_one_that_was_alone_takes_its_connection_along);
    tcase_add_test(tc, who_waits_for_the_connection_of_a_cancelled_one_makes_its_own);
    tcase_add_loop_test(tc, a_late_one_leaves_the_others_and_the_connection_alone, 0, 2);
    tcase_add_test(tc, close_ends_all_that_share_a_connection);
    suite_add_tcase(suite, tc);
    tc = tcase_create("servers");
    tcase_add_loop_test(tc, a_refused_request_is_sent_once_more_if_that_is_harmless, 0, 4);
    tcase_add_loop_test(tc, a_refused_request_that_must_not_run_twice_is_not_sent_again, 0, 2);
    tcase_add_test(tc, what_is_refused_each_time_is_not_sent_a_third_time);
    tcase_add_loop_test(tc, a_server_that_goes_away_is_asked_again_if_that_is_harmless, 0, 2);
    tcase_add_test(tc, a_server_that_goes_away_ends_what_it_has_begun);
    tcase_add_loop_test(tc, a_reset_stream_may_have_run_and_is_left_to_the_policy, 0, 8);
    tcase_add_test(tc, a_lost_connection_ends_all_that_were_on_it);
    suite_add_tcase(suite, tc);
    tc = tcase_create("windows");
    tcase_add_test(tc, large_bodies_go_side_by_side);
    tcase_add_test(tc, what_is_too_large_is_not_sent_on);
    tcase_add_test(tc, a_body_that_the_server_does_not_take_waits_and_holds_nobody_up);
    tcase_add_loop_test(tc, a_reader_that_is_slow_holds_up_nobody_else_and_is_not_forgotten, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
