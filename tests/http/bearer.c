/* The bearer: one new token for all that were refused, each sent once more; and what happens when
 * there is none. */
#include "harness.h"

#include "fixture/memory.h"

#include <sched.h>

/* The caller's side: tokens are "token-N", N counts the calls. */
struct issuer {
    atomic_uint calls, cancelled, freed;
    atomic_uint allowed; /* a call waits until as many may return */
    atomic_int error;    /* calls fail with it; 0: they do not */
    atomic_bool odd;     /* calls give what is no token */
};

static errand_result issue(void *arg)
{
    struct issuer *issuer = arg;
    char text[32];
    unsigned n = atomic_fetch_add(&issuer->calls, 1) + 1;
    while (atomic_load(&issuer->allowed) < n) {
        if (errand_cancelled() != ERRAND_BY_NONE) {
            atomic_fetch_add(&issuer->cancelled, 1);
            return errand_fail(ECANCELED);
        }
        sched_yield();
    }
    int error = atomic_load(&issuer->error);
    if (error) return errand_failf(error, "the issuer is out, call %u", n);
    snprintf(text, sizeof text, atomic_load(&issuer->odd) ? "token\n%u" : "token-%u", n);
    return errand_ok(strdup(text), free);
}

static void free_issuer(void *arg) { atomic_fetch_add(&((struct issuer *)arg)->freed, 1); }

/* The server's side: which token it knows, and how many requests it holds until all are there. */
struct gate {
    atomic_uint valid, came, wanted, refused;
};

static void check_token(struct raw_conn *conn, void *arg)
{
    struct gate *gate = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        char token[40];
        snprintf(token, sizeof token, "Bearer token-%u", atomic_load(&gate->valid));
        bool known = raw_has_header(&request, "Authorization", token);
        atomic_fetch_add(&gate->came, 1);
        bool go_on = known || hold_until(conn, &gate->came, atomic_load(&gate->wanted));
        if (!known) atomic_fetch_add(&gate->refused, 1);
        if (go_on) go_on = raw_reply(conn, known ? 200 : 401, "text/plain", request.body);
        raw_request_free(&request);
        if (!go_on) return;
    }
}

struct scene {
    struct harness w;
    struct issuer issuer;
    struct gate gate;
    errand_bearer *bearer;
};

/* Opens all; the pool comes with the session, so the bearer is made on one of its own. */
static void open_scene(struct scene *s, bool clocked)
{
    struct raw_server *server;
    memset(s, 0, sizeof *s);
    atomic_store(&s->issuer.allowed, 1000);
    atomic_store(&s->gate.valid, 1);
    ck_assert_int_eq(raw_server_start(&server, check_token, &s->gate), 0);
    /* a harness without a session of its own: its pool is the one that the bearer needs */
    if (clocked) harness_open_clocked_on(&s->w, server, NULL);
    else harness_open_on(&s->w, server, NULL);
    ck_assert_int_eq(errand_http_close(s->w.http, 1000), 0);
    errand_pool *pool = s->w.pool;
    s->bearer = errand_bearer_new(
        pool, &(errand_bearer_opts){ .token = issue, .arg = &s->issuer, .free = free_issuer });
    ck_assert_ptr_nonnull(s->bearer);
    const errand_middleware row[] = { { errand_bearer_send, s->bearer }, { NULL, NULL } };
    s->w.http = errand_http_new(pool, &(errand_http_opts){ .base_url = raw_server_url(server),
                                                           .limit = 200,
                                                           .limit_per_host = 200,
                                                           .middleware = row });
    ck_assert_ptr_nonnull(s->w.http);
}

static void close_scene(struct scene *s)
{
    harness_close(&s->w);
    errand_bearer_free(s->bearer);
    ck_assert_uint_eq(atomic_load(&s->issuer.freed), 1);
}

START_TEST(the_first_request_asks_for_a_token_and_the_next_have_it)
{
    struct scene s;
    open_scene(&s, false);
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&s.w, "/");
        ck_well(&r);
        errand_result_free(&r);
    }
    errand_result r = errand_await(errand_bearer_token(s.bearer));
    ck_well(&r);
    ck_assert_str_eq(r.value, "token-1");
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.issuer.calls), 1);
    ck_assert_uint_eq(raw_server_requests(s.w.server), 3);
    close_scene(&s);
}
END_TEST

START_TEST(one_new_token_serves_all_that_were_refused)
{
    struct scene s;
    open_scene(&s, false);
    enum { N = 40 };
    errand_result r = harness_get(&s.w, "/");
    ck_well(&r);
    errand_result_free(&r);
    atomic_store(&s.gate.came, 0);
    atomic_store(&s.gate.wanted, N); /* none is answered before all are there */
    atomic_store(&s.gate.valid, 2);
    errand_future *fs[N];
    for (int i = 0; i < N; i++)
        fs[i] = errand_send(s.w.http, &(errand_request){ .url = "/", .method = "POST" });
    for (int i = 0; i < N; i++) {
        r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(atomic_load(&s.issuer.calls), 2);
    ck_assert_uint_eq(atomic_load(&s.gate.refused), N);
    ck_assert_uint_eq(raw_server_requests(s.w.server), 1 + 2 * N);
    close_scene(&s);
}
END_TEST

START_TEST(a_second_refusal_is_final)
{
    struct scene s;
    open_scene(&s, false);
    atomic_store(&s.gate.valid, 99);
    errand_result r =
        harness_send(&s.w, (errand_request){ .url = "/", .any_status = (unsigned)_i });
    if (_i) ck_assert_int_eq(errand_response_status(r.value), 401);
    else ck_assert_int_eq(r.error, ERRAND_HTTP + 401);
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.issuer.calls), 2);
    ck_assert_uint_eq(raw_server_requests(s.w.server), 2);
    close_scene(&s);
}
END_TEST

START_TEST(without_a_new_token_the_401_says_why)
{
    struct scene s;
    open_scene(&s, true);
    errand_result r = harness_get(&s.w, "/");
    ck_well(&r);
    errand_result_free(&r);
    atomic_store(&s.gate.valid, 2);
    atomic_store(&s.issuer.error, EPROTO);
    for (int i = 0; i < 2; i++) { /* the failure holds for a second */
        r = harness_get(&s.w, "/");
        ck_assert_int_eq(r.error, ERRAND_HTTP + 401);
        ck_assert_int_eq(errand_response_status(r.value), 401);
        ck_message_has(&r, "HTTP 401");
        ck_message_has(&r, "; no new token: the issuer is out, call 2");
        ck_assert_int_eq(errand_result_cause(&r, 0)->error, EPROTO);
        ck_assert(!errand_result_may_have_run(&r));
        errand_result_free(&r);
    }
    ck_assert_uint_eq(atomic_load(&s.issuer.calls), 2);
    atomic_store(&s.issuer.error, 0);
    atomic_store(&s.gate.valid, 3);
    harness_turn(&s.w, 1001);
    r = harness_get(&s.w, "/");
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_uint_eq(atomic_load(&s.issuer.calls), 3);
    close_scene(&s);
}
END_TEST

START_TEST(without_a_first_token_nothing_is_sent)
{
    struct scene s;
    open_scene(&s, false);
    if (_i) atomic_store(&s.issuer.odd, true);
    else atomic_store(&s.issuer.error, ERRAND_HTTP + 401);
    errand_result r = harness_get(&s.w, "/");
    ck_assert_int_eq(r.error, _i ? EINVAL : ERRAND_HTTP + 401);
    ck_message_has(&r, _i ? "the token cannot be sent" : "the issuer is out, call 1");
    ck_assert(!errand_result_transient(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_requests(s.w.server), 0);
    close_scene(&s);
}
END_TEST

START_TEST(a_call_that_takes_too_long_is_ETIMEDOUT)
{
    struct scene s;
    open_scene(&s, true);
    atomic_store(&s.issuer.allowed, 0);
    errand_future *f = errand_get(s.w.http, "/");
    until(&s.issuer.calls, 1);
    do { /* its time runs from when it was begun, which may be a little later */
        harness_turn(&s.w, 30001);
    } while (errand_wait(f, 0) && !sched_yield());
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_message_has(&r, "there was no token within 30000 ms");
    errand_result_free(&r);
    until(&s.issuer.cancelled, 1);
    close_scene(&s);
}
END_TEST

START_TEST(a_cancel_leaves_the_others_and_the_last_one_ends_the_call)
{
    struct scene s;
    open_scene(&s, false);
    atomic_store(&s.issuer.allowed, 0);
    errand_future *fs[3];
    for (int i = 0; i < 3; i++) fs[i] = errand_get(s.w.http, "/");
    until(&s.issuer.calls, 1);
    int last = _i ? 3 : 2;
    for (int i = 0; i < last; i++) {
        errand_cancel(fs[i]);
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        errand_result_free(&r);
    }
    if (_i) {
        until(&s.issuer.cancelled, 1);
        ck_assert_uint_eq(raw_server_requests(s.w.server), 0);
    } else {
        atomic_store(&s.issuer.allowed, 1);
        errand_result r = errand_await(fs[2]);
        ck_well(&r);
        errand_result_free(&r);
        ck_assert_uint_eq(atomic_load(&s.issuer.cancelled), 0);
    }
    close_scene(&s);
}
END_TEST

START_TEST(close_cancels_what_waits_for_a_token)
{
    struct scene s;
    open_scene(&s, false);
    if (_i) {
        errand_result r = harness_get(&s.w, "/");
        ck_well(&r);
        errand_result_free(&r);
        atomic_store(&s.gate.valid, 2);
    }
    atomic_store(&s.issuer.allowed, 0);
    errand_future *f = errand_get(s.w.http, "/");
    until(&s.issuer.calls, _i ? 2 : 1);
    ck_assert_int_eq(errand_http_close(s.w.http, 400), 0);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    errand_result_free(&r);
    errand_bearer_free(s.bearer);
    until(&s.issuer.freed, 1);
    raw_server_stop(s.w.server);
    ck_assert_int_eq(errand_pool_close(s.w.pool, 10000), 0);
}
END_TEST

START_TEST(a_request_with_an_authorization_of_its_own_is_left_alone)
{
    struct scene s;
    open_scene(&s, false);
    const errand_request own[] = {
        { .url = "/", .bearer = "token-1" },
        { .url = "/", .headers = (const char *const[]){ "authorization: Bearer token-1", NULL } },
        { .url = "/", .bearer = "token-7" },
        { .url = "/", .user = "anna" },
    };
    for (int i = 0; i < 4; i++) {
        errand_result r = harness_send(&s.w, own[i]);
        ck_assert_int_eq(r.error, i < 2 ? 0 : ERRAND_HTTP + 401);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(atomic_load(&s.issuer.calls), 0);
    close_scene(&s);
}
END_TEST

/* ---- what is sent once more ---- */

static int write_body(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)arg;
    *got = offset || size < 4 ? 0 : 4;
    if (*got) memcpy(buffer, "made", 4);
    return 0;
}

static void count_free(void *arg) { atomic_fetch_add((atomic_uint *)arg, 1); }

START_TEST(bodies_are_sent_again_whole)
{
    struct scene s;
    atomic_uint freed = 0;
    char text[] = "text", url[] = "/";
    json_object *json = json_tokener_parse("{\"a\":[1,2.50]}");
    errand_form_field form[] = { { .name = "a b", .value = "c&d" }, { .name = NULL } };
    const char *wanted[] = { "text", "{\"a\":[1,2.50]}", "a+b=c%26d", "made", "" };
    open_scene(&s, false);
    errand_request request = { .url = url, .method = "POST" };
    if (_i == 0) request.body = (errand_bytes){ text, 4 };
    if (_i == 1) request.json = json;
    if (_i == 2) request.form = form;
    if (_i == 3) {
        request.body_fn = write_body;
        request.body_arg = &freed;
        request.body_free = count_free;
    }
    atomic_store(&s.gate.valid, 2);
    errand_future *f = errand_send(s.w.http, &request);
    memset(text, 'x', 4); /* all was copied */
    url[0] = '?';
    form[0].name = "x";
    json_object_object_del(json, "a");
    json_object_put(json);
    errand_result r = errand_await(f);
    ck_well(&r);
    if (_i == 3) ck_assert_ptr_nonnull(strstr(errand_response_body(r.value).at, wanted[_i]));
    else ck_body_eq(&r, wanted[_i]);
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_requests(s.w.server), 2);
    close_scene(&s);
    ck_assert_uint_eq(atomic_load(&freed), _i == 3);
}
END_TEST

START_TEST(a_wrong_request_is_refused_as_without_a_bearer)
{
    struct scene s;
    json_object *json = json_object_new_object();
    open_scene(&s, false);
    errand_result r =
        harness_send(&s.w, (errand_request){ .url = "/", .json = json, .body = { "x", 1 } });
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "body and json are both given");
    errand_result_free(&r);
    r = harness_send(&s.w, (errand_request){ .url = NULL });
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    json_object_put(json);
    close_scene(&s);
}
END_TEST

START_TEST(without_memory_a_request_fails_and_all_is_freed)
{
    struct scene s;
    open_scene(&s, true);
    unsigned n = 1, good = 0;
    for (; good < 3; n++) {
        atomic_store(&s.gate.valid, atomic_load(&s.issuer.calls) + 2);
        memory_fails_at(n);
        errand_result r =
            harness_send(&s.w, (errand_request){ .url = "/", .method = "PUT", .body = { "x", 1 } });
        bool failed = memory_fails_at(0);
        if (!failed) good++;
        ck_assert(r.error || errand_response_status(r.value) == 200);
        errand_result_free(&r);
        harness_turn(&s.w, 2000);
    }
    ck_assert_uint_gt(n, 20);
    close_scene(&s);
}
END_TEST

START_TEST(bad_options_are_EINVAL)
{
    errand_pool *pool = errand_pool_new(NULL);
    const errand_bearer_opts bad[] = {
        { .token = NULL }, { .token = issue, .within_ms = -1 }, { .token = issue, .again_ms = -1 }
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_ptr_null(errand_bearer_new(pool, &bad[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_ptr_null(errand_bearer_new(NULL, &bad[1]));
    ck_assert_ptr_null(errand_bearer_new(pool, NULL));
    errand_result r = errand_await(errand_bearer_token(NULL));
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    errand_bearer_free(NULL);
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

/* Tokens that expire all the time, under many requests at once, and cancels. */
START_TEST(a_storm_of_refusals_adds_up)
{
    struct scene s;
    open_scene(&s, false);
    unsigned n = storm(1500), well = 0, others = 0;
    errand_future **fs = calloc(n, sizeof *fs);
    for (unsigned i = 0; i < n; i++) {
        if (i % 50 == 49) atomic_store(&s.gate.valid, atomic_load(&s.issuer.calls) + 1);
        fs[i] = errand_send(s.w.http, &(errand_request){ .url = "/", .method = "POST" });
        if (i % 17 == 0) errand_cancel(fs[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        errand_result r = errand_await(fs[i]);
        if (r.error) others++;
        else well++;
        ck_assert(!r.error || r.error == ECANCELED || r.error == ERRAND_HTTP + 401);
        errand_result_free(&r);
    }
    free(fs);
    ck_assert_uint_eq(well + others, n);
    ck_assert_uint_le(raw_server_requests(s.w.server), 2 * n);
    close_scene(&s);
}
END_TEST

Suite *bearer_suite(void)
{
    Suite *suite = suite_create("http bearer");
    TCase *tc = tcase_create("bearer");
    tcase_add_test(tc, the_first_request_asks_for_a_token_and_the_next_have_it);
    tcase_add_test(tc, one_new_token_serves_all_that_were_refused);
    tcase_add_loop_test(tc, a_second_refusal_is_final, 0, 2);
    tcase_add_test(tc, without_a_new_token_the_401_says_why);
    tcase_add_loop_test(tc, without_a_first_token_nothing_is_sent, 0, 2);
    tcase_add_test(tc, a_call_that_takes_too_long_is_ETIMEDOUT);
    tcase_add_loop_test(tc, a_cancel_leaves_the_others_and_the_last_one_ends_the_call, 0, 2);
    tcase_add_loop_test(tc, close_cancels_what_waits_for_a_token, 0, 2);
    tcase_add_test(tc, a_request_with_an_authorization_of_its_own_is_left_alone);
    tcase_add_loop_test(tc, bodies_are_sent_again_whole, 0, 5);
    tcase_add_test(tc, a_wrong_request_is_refused_as_without_a_bearer);
    tcase_add_test(tc, without_memory_a_request_fails_and_all_is_freed);
    tcase_add_test(tc, bad_options_are_EINVAL);
    tcase_add_test(tc, a_storm_of_refusals_adds_up);
    suite_add_tcase(suite, tc);
    return suite;
}
