/* Sessions: the limit and the line, lanes that come and go, closing, forking. */
#include "harness.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Counts concurrent requests, and holds each until the test releases it. */
struct crowd {
    atomic_uint now, most, came, allowed;
};

static void count_in(struct raw_conn *conn, void *arg)
{
    struct crowd *crowd = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        unsigned now = atomic_fetch_add(&crowd->now, 1) + 1, most = atomic_load(&crowd->most);
        while (most < now && !atomic_compare_exchange_weak(&crowd->most, &most, now)) continue;
        unsigned mine = atomic_fetch_add(&crowd->came, 1) + 1;
        bool go_on = hold_until(conn, &crowd->allowed, mine);
        atomic_fetch_sub(&crowd->now, 1);
        if (go_on) go_on = raw_reply(conn, 200, "text/plain", request.text);
        raw_request_free(&request);
        if (!go_on) return;
    }
}

START_TEST(no_more_requests_than_the_limit_run_at_once)
{
    struct harness w;
    struct crowd crowd = { 0 };
    enum { ALL = 40, LIMIT = 5 };
    harness_open(&w, count_in, &crowd, &(errand_http_opts){ .limit = LIMIT, .lanes = 2 });
    errand_future *fs[ALL];
    for (unsigned i = 0; i < ALL; i++) fs[i] = errand_get(w.http, "/");
    until(&crowd.came, LIMIT); /* the limit is reached */
    atomic_store(&crowd.allowed, ALL);
    for (unsigned i = 0; i < ALL; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(atomic_load(&crowd.came), ALL);
    ck_assert_uint_eq(atomic_load(&crowd.most), LIMIT);
    ck_assert_uint_le(raw_server_connections(w.server), LIMIT);
    harness_close(&w);
}
END_TEST

struct order {
    atomic_uint n;
    unsigned seen[64];
};

static void note_order(struct raw_conn *conn, void *arg)
{
    struct order *order = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        unsigned i = atomic_load(&order->n);
        order->seen[i] = (unsigned)strtoul(strchr(request.text, '/') + 1, NULL, 10);
        atomic_store(&order->n, i + 1);
        raw_request_free(&request);
        if (!raw_reply(conn, 200, "text/plain", "")) return;
    }
}

START_TEST(queued_requests_are_sent_fifo)
{
    struct harness w;
    struct order order = { 0 };
    harness_open(&w, note_order, &order, &(errand_http_opts){ .limit = 1 });
    errand_future *fs[64];
    for (unsigned i = 0; i < 64; i++) {
        char url[16];
        snprintf(url, sizeof url, "/%u", i);
        fs[i] = errand_get(w.http, url);
    }
    for (unsigned i = 0; i < 64; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    for (unsigned i = 0; i < 64; i++) ck_assert_uint_eq(order.seen[i], i);
    harness_close(&w);
}
END_TEST

START_TEST(many_requests_go_through_two_lanes)
{
    struct harness w;
    struct crowd crowd = { .allowed = 1000000 };
    harness_open(&w, count_in, &crowd, &(errand_http_opts){ .lanes = 2, .limit = 20 });
    unsigned n = storm(2000);
    errand_future **fs = calloc(n, sizeof *fs);
    for (unsigned i = 0; i < n; i++) {
        char url[32];
        snprintf(url, sizeof url, "/%u", i);
        fs[i] = errand_get(w.http, url);
    }
    for (unsigned i = 0; i < n; i++) {
        char line[32];
        int size = snprintf(line, sizeof line, "GET /%u HTTP", i);
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        /* each gets its own reply */
        ck_assert_int_eq(strncmp(errand_response_body(r.value).at, line, (size_t)size), 0);
        errand_result_free(&r);
    }
    free(fs);
    ck_assert_uint_eq(raw_server_requests(w.server), n);
    ck_assert_uint_le(raw_server_connections(w.server), 20);
    harness_close(&w);
}
END_TEST

START_TEST(an_idle_lane_closes_its_connections_and_restarts)
{
    struct harness w;
    struct crowd crowd = { .allowed = 1000000 };
    harness_open(&w, count_in, &crowd, &(errand_http_opts){ .keepalive_ms = ERRAND_ZERO });
    for (unsigned i = 1; i <= storm(20); i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_ge(raw_server_connections(w.server), 1);
    ck_assert_int_eq(errand_http_close(w.http, 20000), 0);
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
}
END_TEST

/* Waits until the client hangs up. */
static void see_it_go(struct raw_conn *conn, void *arg)
{
    while (raw_read_request(conn, NULL) && raw_reply(conn, 200, "text/plain", "")) continue;
    atomic_fetch_add((atomic_uint *)arg, 1);
}

START_TEST(an_idle_session_holds_no_connection)
{
    struct harness w;
    atomic_uint gone = 0;
    harness_open(&w, see_it_go, &gone, &(errand_http_opts){ .keepalive_ms = 20 });
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    until(&gone, 1); /* the session is still open */
    r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_connections(w.server), 2);
    harness_close(&w);
}
END_TEST

START_TEST(close_finishes_requests_in_flight_and_refuses_others)
{
    struct harness w;
    struct crowd crowd = { 0 };
    harness_open(&w, count_in, &crowd, &(errand_http_opts){ .limit = 2 });
    errand_future *fs[6];
    for (unsigned i = 0; i < 6; i++) fs[i] = errand_get(w.http, "/");
    until(&crowd.came, 2);
    atomic_store(&crowd.allowed, 100);
    ck_assert_int_eq(errand_http_close(w.http, 60000), 0);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(errand_wait(fs[i], 0), 0); /* they had ended when close returned */
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
}
END_TEST

START_TEST(close_cancels_the_rest_at_half_time)
{
    struct harness w;
    struct crowd crowd = { 0 };
    harness_open(&w, count_in, &crowd, &(errand_http_opts){ .limit = 2 });
    errand_future *fs[6];
    for (unsigned i = 0; i < 6; i++)
        fs[i] = errand_send(w.http, &(errand_request){ .url = "/", .method = "POST" });
    until(&crowd.came, 2);
    ck_assert_int_eq(errand_http_close(w.http, _i ? 4000 : 1000), 0);
    unsigned sent = 0;
    for (unsigned i = 0; i < 6; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_CANCELLED);
        sent += errand_result_may_have_run(&r);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(sent, 2); /* close grants no freed slot */
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
}
END_TEST

START_TEST(closing_an_unused_or_null_session_returns_at_once)
{
    errand_pool *pool = errand_pool_new(NULL);
    errand_http *http = errand_http_new(pool, NULL);
    ck_assert_int_eq(errand_http_close(http, -1), EINVAL);
    ck_assert_int_eq(errand_http_close(http, 0), 0);
    ck_assert_int_eq(errand_http_close(NULL, 100), 0);
    ck_assert_int_eq(errand_pool_close(pool, 1000), 0);
}
END_TEST

START_TEST(results_outlive_session_and_pool)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nhi", NULL);
    errand_future *f = errand_get(w.http, "/");
    harness_close(&w);
    errand_result r = errand_await(f);
    ck_well(&r);
    ck_body_eq(&r, "hi");
    ck_assert_str_eq(errand_response_header(r.value, "x", 0), "y");
    errand_result_free(&r);
}
END_TEST

START_TEST(closing_the_pool_first_ends_requests_in_flight)
{
    struct harness w;
    struct crowd crowd = { 0 };
    harness_open(&w, count_in, &crowd, &(errand_http_opts){ .limit = 2 });
    errand_future *fs[4];
    for (unsigned i = 0; i < 4; i++) fs[i] = errand_get(w.http, "/");
    until(&crowd.came, 2);
    ck_assert_int_eq(errand_pool_close(w.pool, 2000), 0);
    for (unsigned i = 0; i < 4; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
        errand_result_free(&r);
    }
    ck_assert_int_eq(errand_http_close(w.http, 1000), 0);
    raw_server_stop(w.server);
}
END_TEST

START_TEST(a_session_is_EFORKED_in_a_child_process)
{
    struct harness w;
    harness_open(&w, say_always, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL);
    errand_result r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    pid_t child = fork();
    if (child == 0) {
        errand_result in_child = errand_await(errand_get(w.http, "/"));
        bool dead = in_child.error == ERRAND_EFORKED &&
                    errand_http_close(w.http, 1000) == ERRAND_EFORKED;
        _exit(dead ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(features_name_the_libraries)
{
    ck_assert_int_eq(strncmp(errand_http_features(), "libcurl/", 8), 0);
    ck_assert_ptr_nonnull(strstr(errand_http_features(), " json-c/0."));
}
END_TEST

static errand_result await_inside(void *arg) { return errand_await(errand_get(arg, "/")); }

START_TEST(workers_that_all_await_requests_do_not_hang)
{
    struct harness w;
    struct crowd crowd = { .allowed = 1000000 };
    harness_open(&w, count_in, &crowd, NULL);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_http *http =
        errand_http_new(pool, &(errand_http_opts){ .base_url = raw_server_url(w.server) });
    errand_future *fs[10];
    for (unsigned i = 0; i < 10; i++) fs[i] = errand_submit(pool, await_inside, http);
    for (unsigned i = 0; i < 10; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    ck_assert_int_eq(errand_http_close(http, 10000), 0);
    ck_assert_int_eq(errand_pool_close(pool, 10000), 0);
    harness_close(&w);
}
END_TEST

/* Whatever their order in the scope: the session needs its pool. */
START_TEST(a_scope_closes_the_session_before_its_pool)
{
    struct harness w;
    harness_open(&w, say_always, (void *)"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL);
    errand_scope *scope = errand_scope_new(&(errand_scope_opts){ .name = "app" });
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    errand_http *http =
        errand_http_new(pool, &(errand_http_opts){ .base_url = raw_server_url(w.server) });
    if (_i) ck_assert_int_eq(errand_scope_own_pool(scope, "pool", pool), 0);
    ck_assert_int_eq(errand_scope_own_http(scope, "http", http), 0);
    if (!_i) ck_assert_int_eq(errand_scope_own_pool(scope, "pool", pool), 0);
    ck_assert_int_eq(errand_scope_own_http(scope, "http", NULL), EINVAL);
    errand_result r = errand_await(errand_get(errand_scope_get(scope, "http"), "/"));
    ck_well(&r);
    r = errand_scope_close(scope, r); /* the response outlives both */
    ck_well(&r);
    errand_result_free(&r);
    errand_scope_free(scope);
    harness_close(&w);
}
END_TEST

static void exit_with(int fd, bool closes)
{
    pid_t child = fork();
    if (!child) {
        char path[64];
        alarm(60);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        errand_log *log = errand_log_new(NULL);
        if (errand_log_to_file(log, path, ERRAND_LOG_DEFAULT)) _exit(1);
        errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .name = "bees", .log = log });
        errand_http *http = errand_http_new(pool, NULL), *other = errand_http_new(pool, NULL);
        if (!http || errand_http_close(other, 60000)) _exit(2);
        if (closes && (errand_http_close(http, 60000) || errand_pool_close(pool, 60000))) _exit(3);
        exit(0);
    }
    int status = 1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_session_left_open_is_named_when_its_program_ends)
{
    char text[1000] = "";
    int fd = memfd_create("log", MFD_CLOEXEC);
    exit_with(fd, true);
    ck_assert_int_eq(pread(fd, text, sizeof text - 1, 0), 0);
    exit_with(fd, false);
    ck_assert_int_gt(pread(fd, text, sizeof text - 1, 0), 0);
    const char *line = strstr(text, "left open");
    ck_assert_msg(line && !strcmp(line, "left open at the end of the program: pool bees, session "
                                        "of pool bees\n"),
                  "%s", text);
    close(fd);
}
END_TEST

Suite *session_suite(void)
{
    Suite *suite = suite_create("http session");
    TCase *tc = tcase_create("lanes");
    tcase_add_test(tc, no_more_requests_than_the_limit_run_at_once);
    tcase_add_test(tc, queued_requests_are_sent_fifo);
    tcase_add_test(tc, many_requests_go_through_two_lanes);
    tcase_add_test(tc, an_idle_lane_closes_its_connections_and_restarts);
    tcase_add_test(tc, an_idle_session_holds_no_connection);
    tcase_add_test(tc, workers_that_all_await_requests_do_not_hang);
    suite_add_tcase(suite, tc);
    tc = tcase_create("close");
    tcase_add_test(tc, close_finishes_requests_in_flight_and_refuses_others);
    tcase_add_loop_test(tc, close_cancels_the_rest_at_half_time, 0, 2);
    tcase_add_test(tc, closing_an_unused_or_null_session_returns_at_once);
    tcase_add_test(tc, results_outlive_session_and_pool);
    tcase_add_test(tc, closing_the_pool_first_ends_requests_in_flight);
    tcase_add_loop_test(tc, a_scope_closes_the_session_before_its_pool, 0, 2);
    tcase_add_test(tc, a_session_is_EFORKED_in_a_child_process);
    tcase_add_test(tc, features_name_the_libraries);
    tcase_add_test(tc, a_session_left_open_is_named_when_its_program_ends);
    suite_add_tcase(suite, tc);
    return suite;
}
