/* HTTP/2: servers that end a stream or its connection, and bodies that wait for a window or a
 * reader. */
#include "shared.h"

#include <curl/curl.h>
#include <time.h>

/* ---- streams that the server ends ---- */

/* The first connection refuses its requests from this one on. */
static unsigned refused_from;

static void refuse_once(struct h2_stream *stream, void *arg)
{
    (void)arg;
    if (h2_connection(stream) == 1 && h2_number(stream) >= refused_from)
        h2_reset(stream, H2_REFUSED_STREAM);
    else h2_reply(stream, 200, "yes", 3);
}

START_TEST(a_refused_stream_is_resent_once_if_repeatable)
{
    struct shared s = { 0 };
    bool later = _i & 1, keyed = _i & 2;
    refused_from = later ? 2 : 1;
    shared_open(&s, refuse_once, false, (errand_http_opts){ .lanes = 1 });
    if (later) ends_well(errand_get(s.w.http, "/"));
    errand_result r = errand_await(keyed ? post(&s, "one") : errand_get(s.w.http, "/"));
    ck_well(&r);
    ck_assert_uint_eq(facts_of(&r).resent, 1);
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), later ? 3 : 2);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 2);
    shared_close(&s);
}
END_TEST

/* It certainly did not run, but libcurl reports the same error as for a lost connection. */
START_TEST(a_refused_stream_is_not_resent_if_not_repeatable)
{
    struct shared s = { 0 };
    bool later = _i;
    refused_from = later ? 2 : 1;
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    shared_open(&s, refuse_once, false, (errand_http_opts){ .lanes = 1, .policy = policy });
    if (later) ends_well(errand_get(s.w.http, "/"));
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
    shared_close(&s);
}
END_TEST

static void refuse_always(struct h2_stream *stream, void *arg)
{
    (void)arg;
    h2_reset(stream, H2_REFUSED_STREAM);
}

START_TEST(a_stream_refused_twice_is_not_resent)
{
    struct shared s = { 0 };
    shared_open(&s, refuse_always, false, (errand_http_opts){ .lanes = 1 });
    errand_result r = harness_get(&s.w, "/");
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    ck_assert(errand_result_transient(&r) && !errand_result_may_have_run(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), 2);
    shared_close(&s);
}
END_TEST

static void go_away(struct h2_stream *stream, void *arg)
{
    (void)arg;
    if (h2_connection(stream) == 1) h2_goaway(stream, true);
    else h2_reply(stream, 200, "yes", 3);
}

START_TEST(a_request_after_goaway_is_resent_if_repeatable)
{
    struct shared s = { 0 };
    bool harmless = _i;
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    shared_open(&s, go_away, false, (errand_http_opts){ .lanes = 1, .policy = policy });
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
    shared_close(&s);
}
END_TEST

/* Sends GOAWAY for the third stream; the two before it continue. */
static void go_away_beside_others(struct h2_stream *stream, void *arg)
{
    if (h2_connection(stream) == 1 && h2_number(stream) == 3) h2_goaway(stream, true);
    else if (h2_connection(stream) != 1) h2_reply(stream, 200, "yes", 3);
    else say_yes_when_released(stream, arg);
}

START_TEST(streams_begun_before_goaway_complete)
{
    struct shared s = { 0 };
    shared_open(&s, go_away_beside_others, false, (errand_http_opts){ .lanes = 1 });
    errand_future *first = post(&s, NULL), *second = post(&s, NULL);
    until(&s.h2.requests, 2);
    ends_well(errand_get(s.w.http, "/")); /* on a new connection */
    atomic_store(&s.h2.released, 1);
    ends_well(first);
    ends_well(second);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 2);
    shared_close(&s);
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
        (h2_number(stream) == 1 ? say_yes_when_released : say_yes)(stream, NULL);
    else if (reset->begun && !h2_released(stream)) h2_begin(stream, 200, "", 0);
    else h2_reset(stream, reset->error);
}

static void count_first_bytes(const errand_stage_info *view, void *arg)
{
    if (view->stage == ERRAND_STAGE_FIRST_BYTE) atomic_fetch_add((atomic_uint *)arg, 1);
}

static const struct reset resets[] = { { H2_INTERNAL_ERROR, false },
                                       { H2_CANCEL, false },
                                       { H2_INTERNAL_ERROR, true },
                                       { H2_CANCEL, true } };

START_TEST(a_reset_stream_may_have_run_and_is_left_to_the_policy)
{
    struct shared s = { .h2 = { .arg = (void *)(uintptr_t)&resets[_i / 2] } };
    bool harmless = _i % 2;
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    atomic_uint begun = 0;
    shared_open(
        &s, reset_the_second, false,
        (errand_http_opts){
            .lanes = 1, .policy = policy, .on_stage = count_first_bytes, .stage_arg = &begun });
    errand_future *other = errand_get(s.w.http, "/");
    until(&s.h2.requests, 1);
    errand_future *f = harmless ? errand_get(s.w.http, "/") : post(&s, NULL);
    if (resets[_i / 2].begun) {
        until(&begun, 1);
        atomic_store(&s.h2.released, 1);
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
    atomic_store(&s.h2.released, 1);
    ends_well(other);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    errand_policy_free(policy);
    shared_close(&s);
}
END_TEST

static void hang_up_at_the_third(struct h2_stream *stream, void *arg)
{
    (void)arg;
    if (h2_connection(stream) > 1) h2_reply(stream, 200, "yes", 3);
    else if (h2_number(stream) == 2) h2_begin(stream, 200, "y", 1);
    else if (h2_number(stream) == 3) h2_hang_up(stream);
}

START_TEST(a_lost_connection_ends_all_its_streams)
{
    struct shared s = { 0 };
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    shared_open(&s, hang_up_at_the_third, false,
                (errand_http_opts){ .lanes = 1, .policy = policy });
    errand_future *fs[3];
    for (unsigned i = 0; i < 2; i++) {
        fs[i] = post(&s, NULL);
        until(&s.h2.requests, i + 1);
    }
    fs[2] = errand_get(s.w.http, "/");
    for (int i = 0; i < 2; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
        ck_assert_msg(!strcmp(errand_result_phase(&r), i ? "body" : "first byte"), "%s",
                      errand_result_message(&r));
        ck_assert_msg(errand_result_may_have_run(&r), "%s", errand_result_message(&r));
        ck_assert_uint_eq(errand_result_attempts(&r), 1);
        errand_result_free(&r);
    }
    ends_well(fs[2]);
    ck_assert_uint_eq(atomic_load(&s.h2.requests), 4);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 2);
    errand_policy_free(policy);
    shared_close(&s);
}
END_TEST

/* ---- bodies and windows ---- */

static void say_much(struct h2_stream *stream, void *arg)
{
    (void)arg;
    h2_reply(stream, 200, big, BIG);
}

START_TEST(large_bodies_are_sent_in_parallel)
{
    struct shared s = { 0 };
    enum { N = 6 };
    errand_future *fs[N];
    shared_open(&s, say_much, false, (errand_http_opts){ .lanes = 1 });
    for (int i = 0; i < N; i++)
        fs[i] = errand_send(s.w.http,
                            &(errand_request){ .url = "/", .method = "PUT", .body = { big, BIG } });
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
    shared_close(&s);
}
END_TEST

START_TEST(a_reply_over_max_body_is_stopped)
{
    struct shared s = { 0 };
    shared_open(&s, say_much, false, (errand_http_opts){ .lanes = 1, .max_body = 1000 });
    errand_result r = harness_get(&s.w, "/");
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_RESOURCE);
    ck_message_has(&r, "the body is larger than max_body, 1000 bytes");
    errand_result_free(&r);
    until_open(s.w.server, 0);
    shared_close(&s);
}
END_TEST

START_TEST(a_blocked_upload_delays_no_other_stream)
{
    struct shared s = { .h2 = { .stingy = true } };
    shared_open(&s, say_yes, false, (errand_http_opts){ .lanes = 1 });
    errand_future *stuck = errand_send(
        s.w.http, &(errand_request){ .url = "/", .method = "POST", .body = { big, BIG } });
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
    shared_close(&s);
}
END_TEST

/* The first gets 1 MiB, more than a reader's buffer, and its end when released. arg: the others get
 * no reply. */
static void say_much_to_the_first(struct h2_stream *stream, void *arg)
{
    if (h2_number(stream) == 1 && !h2_released(stream)) h2_begin(stream, 200, big, BIG - 3);
    else if (h2_number(stream) == 1) h2_reply(stream, 200, big + BIG - 3, 3);
    else if (!*(bool *)arg) h2_reply(stream, 200, "yes", 3);
}

static void read_all(errand_response *response)
{
    static char got[BIG];
    size_t size = 0;
    int64_t n;
    while (size < BIG &&
           (n = errand_body_read(response, got + size, BIG - size, ERRAND_FOREVER)) > 0)
        size += (size_t)n;
    ck_assert_uint_eq(size, BIG);
    ck_assert_mem_eq(got, big, BIG);
}

START_TEST(a_slow_reader_delays_no_other_stream)
{
    static const struct {
        int64_t keepalive_ms;
        bool cancels;
    } ways[] = { { 0, false }, { 1, false }, { 0, true } };
    bool silent = ways[_i].cancels;
    struct shared s = { .h2 = { .arg = &silent } };
    shared_open(&s, say_much_to_the_first, false,
                (errand_http_opts){ .lanes = 1, .keepalive_ms = ways[_i].keepalive_ms });
    errand_result stream = harness_send(&s.w, (errand_request){ .url = "/", .stream = 1 });
    ck_well(&stream);
    /* nothing is read meanwhile, yet the connection is not idle */
    for (unsigned i = 0; i < 100; i++) {
        if (ways[_i].cancels) {
            errand_future *f = errand_get(s.w.http, "/never");
            until(&s.h2.requests, i + 2);
            errand_cancel(f);
            errand_result_free((errand_result[]){ errand_await(f) });
        } else {
            ends_well(errand_get(s.w.http, "/"));
        }
    }
    if (ways[_i].keepalive_ms) /* long enough to close an idle connection */
        nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    ck_assert_uint_eq(raw_server_connections(s.w.server), 1);
    atomic_store(&s.h2.released, 1);
    read_all(stream.value);
    errand_result_free(&stream);
    shared_close(&s);
}
END_TEST

Suite *streams_suite(void)
{
    Suite *suite = suite_create("http 2 streams");
    TCase *tc = tcase_create("servers");
    tcase_add_loop_test(tc, a_refused_stream_is_resent_once_if_repeatable, 0, 4);
    tcase_add_loop_test(tc, a_refused_stream_is_not_resent_if_not_repeatable, 0, 2);
    tcase_add_test(tc, a_stream_refused_twice_is_not_resent);
    tcase_add_loop_test(tc, a_request_after_goaway_is_resent_if_repeatable, 0, 2);
    tcase_add_test(tc, streams_begun_before_goaway_complete);
    tcase_add_loop_test(tc, a_reset_stream_may_have_run_and_is_left_to_the_policy, 0, 8);
    tcase_add_test(tc, a_lost_connection_ends_all_its_streams);
    suite_add_tcase(suite, tc);
    tc = tcase_create("windows");
    tcase_add_test(tc, large_bodies_are_sent_in_parallel);
    tcase_add_test(tc, a_reply_over_max_body_is_stopped);
    tcase_add_test(tc, a_blocked_upload_delays_no_other_stream);
    tcase_add_loop_test(tc, a_slow_reader_delays_no_other_stream, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
