/* Long-lived lanes and how they connect: names, addresses, timeouts, reused handles. */
#include "listener.h"

#include "base/sanitizers.h"
#include "http/session.h"

#include <curl/curl.h>
#include <limits.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void ends_with(errand_future *f, const char *body)
{
    errand_result r = errand_await(f);
    ck_well(&r);
    ck_body_eq(&r, body);
    errand_result_free(&r);
}

static void gets_well(struct harness *w, const char *url, const char *body)
{
    ends_with(errand_get(w->http, url), body);
}

static void check_late(errand_future *f, const char *says)
{
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_str_eq(errand_result_phase(&r), "connect");
    ck_message_has(&r, says);
    errand_result_free(&r);
}

/* ---- reused handles ---- */

static void odd_every_other_time(struct raw_conn *conn, void *arg)
{
    atomic_uint *asked = arg;
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        unsigned n = atomic_fetch_add(asked, 1);
        bool odd = strstr(request.text, "GET /odd") != NULL,
             away = strstr(request.text, "GET /away") != NULL;
        raw_request_free(&request);
        char line[300];
        memset(line, 'a', sizeof line);
        line[4 << n % 7] = '\0';
        if (!raw_say(conn, "HTTP/1.1 %s\r\n%s%s\r\nContent-Length: 2\r\nLocation: /odd\r\n\r\nok",
                     away ? "302 Found" : "200 OK", odd ? " folded: " : "X-Last: ", line))
            break;
    }
}

/* libcurl before 8.1 kept the last header of the previous exchange and wrote to it. */
START_TEST(a_folded_first_header_line_leaves_later_requests_alone)
{
    struct harness w;
    atomic_uint asked = 0;
    harness_open(&w, odd_every_other_time, &asked, &(errand_http_opts){ .lanes = 1 });
    for (int i = 0; i < 40; i++) {
        gets_well(&w, harness_url(&w, "/plain"), "ok");
        errand_result r = harness_get(&w, _i ? "/away" : "/odd");
        if (r.error) ck_assert_int_ne(errand_result_kind(&r), ERRAND_KIND_RESOURCE);
        else ck_body_eq(&r, "ok");
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

static void answer_one_and_die_of_the_next(struct raw_conn *conn, void *arg)
{
    (void)arg;
    if (raw_read_request(conn, NULL) && raw_reply(conn, 200, "text/plain", "yes"))
        raw_read_request(conn, NULL);
}

/* libcurl before 8.17 replaced at most five in the lifetime of a handle. */
START_TEST(any_number_of_dead_kept_connections_is_replaced)
{
    struct harness w;
    errand_http_stats stats;
    enum { N = 30 };
    harness_open(&w, answer_one_and_die_of_the_next, NULL,
                 &(errand_http_opts){ .lanes = 1, .limit = 1 });
    for (int i = 0; i < N; i++) gets_well(&w, harness_url(&w, "/"), "yes");
    ck_assert_int_eq(errand_http_stats_get(w.http, &stats), 0);
    ck_assert_uint_eq(stats.resent, N - 1);
    harness_close(&w);
}
END_TEST

/* ---- names ---- */

struct silent_names {
    atomic_uint hanging, released;
};

static void hang_unless_good(void *arg, const char *name, er_addresses *out)
{
    struct silent_names *names = arg;
    bool good = !strncmp(name, "good", 4);
    if (!good) {
        atomic_fetch_add(&names->hanging, 1);
        until(&names->released, 1);
    }
    *out = (er_addresses){ .error = good ? 0 : EAI_AGAIN, .text = "127.0.0.1" };
}

START_TEST(hanging_lookups_delay_no_other_names)
{
    struct harness w;
    static struct silent_names names; /* threads that hang may outlive this test */
    enum { N = 60 };
    errand_future *silent[N];
    char url[100];
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL);
    er_resolver_use(w.http->resolver, hang_unless_good, &names);
    for (int i = 0; i < N; i++) {
        snprintf(url, sizeof url, "http://silent%d.test/", i);
        silent[i] = errand_get(w.http, url);
    }
    for (int i = 0; i < 5; i++) {
        snprintf(url, sizeof url, "http://good%d.test:%u/", i, raw_server_port(w.server));
        gets_well(&w, url, "ok");
    }
    until(&names.hanging, N); /* all of them have a thread by now, or soon */
    atomic_store(&names.released, 1);
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(silent[i]);
        ck_assert_int_eq(r.error, ERRAND_CURL + 6);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

static void all_are_here(void *arg, const char *name, er_addresses *out)
{
    (void)name;
    *out = (er_addresses){ .error = 0 };
    snprintf(out->text, sizeof out->text, "%s", arg ? (const char *)arg : "127.0.0.1");
}

static void get_hosts(struct harness *w, unsigned from, unsigned to)
{
    char url[100];
    for (unsigned i = from; i < to; i++) {
        snprintf(url, sizeof url, "http://host%u.test:%u/", i, raw_server_port(w->server));
        gets_well(w, url, "ok");
    }
}

START_TEST(many_hosts_use_bounded_memory)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
                 &(errand_http_opts){ .lanes = 1, .limit = 2 });
    er_resolver_use(w.http->resolver, all_are_here, NULL);
    get_hosts(&w, 0, 1200); /* the tables of hosts are full */
    size_t before = mallinfo2().uordblks;
    get_hosts(&w, 1200, 2200);
    size_t after = mallinfo2().uordblks;
    /* the server's own among them */
    ck_assert_msg(after < before + 150000, "1,000 hosts took %zu bytes", after - before);
    get_hosts(&w, 0, 3); /* evicted, and added again */
    harness_close(&w);
}
END_TEST

static void hang_up_on_tls(struct raw_conn *conn, void *arg)
{
    char first[1];
    (void)arg;
    if (raw_read_bytes(conn, first, 1) && *first == 'G' && raw_read_request(conn, NULL))
        raw_say(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok");
}

START_TEST(http_and_https_of_one_host_keep_their_addresses)
{
    struct harness w;
    char url[100];
    harness_open(&w, hang_up_on_tls, NULL, &(errand_http_opts){ .lanes = 1, .limit = 2 });
    er_resolver_use(w.http->resolver, all_are_here, NULL);
    snprintf(url, sizeof url, "https://host0.test:%u/", raw_server_port(w.server));
    errand_result r = errand_await(errand_get(w.http, url)); /* the server has no TLS */
    ck_assert_str_eq(errand_result_phase(&r), "tls");
    errand_result_free(&r);
    for (unsigned i = 0; i < 3; i++) {
        get_hosts(&w, 0, 1);
        get_hosts(&w, 1 + 60 * i, 61 + 60 * i);
    }
    get_hosts(&w, 0, 1);
    harness_close(&w);
}
END_TEST

START_TEST(a_restarted_lane_gets_the_addresses_again)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
                 &(errand_http_opts){ .lanes = 1, .keepalive_ms = 1 });
    er_resolver_use(w.http->resolver, all_are_here, NULL);
    for (int i = 0; i < 3; i++) {
        get_hosts(&w, 0, 1);
        while (er_load(&w.http->lanes_on)) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    }
    harness_close(&w);
}
END_TEST

/* ---- addresses ---- */

/* The pool's clock stands still, so only curl's own timeout for an address counts. */
START_TEST(a_silent_first_address_falls_back_to_the_second)
{
    struct harness w;
    struct listener silent, good;
    char url[60];
    harness_open_clocked(&w, say_once, "", NULL);
    listen_at(&silent, "127.0.0.1", 0);
    listen_at(&good, "127.0.0.9", silent.port);
    fill(&silent);
    er_resolver_use(w.http->resolver, all_are_here, (void *)"127.0.0.1,127.0.0.9");
    snprintf(url, sizeof url, "http://two.test:%u/", silent.port);
    errand_future *f = errand_send(w.http, &(errand_request){ .url = url, .connect_ms = 2000 });
    int fd = accept(good.fd, NULL, NULL);
    answer(fd, "second");
    ends_with(f, "second");
    close(fd);
    unlisten(&good);
    unlisten(&silent);
    harness_close(&w);
}
END_TEST

static const char refuse_thrice[] = "127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.1";

START_TEST(refused_addresses_fall_back_to_the_open_one)
{
    struct harness w;
    char url[60];
    harness_open_clocked(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL);
    er_resolver_use(w.http->resolver, all_are_here, (void *)(uintptr_t)refuse_thrice);
    for (int i = 0; i < 3; i++) {
        snprintf(url, sizeof url, "http://four%d.test:%u/", i, raw_server_port(w.server));
        gets_well(&w, url, "ok");
    }
    harness_close(&w);
}
END_TEST

START_TEST(an_own_handle_falls_back_to_the_open_address)
{
    struct harness w;
    char line[100], url[60];
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                 &(errand_http_opts){ .total_ms = 40000 });
    snprintf(line, sizeof line, "four.test:%u:%s", raw_server_port(w.server), refuse_thrice);
    snprintf(url, sizeof url, "http://four.test:%u/", raw_server_port(w.server));
    CURL *easy = curl_easy_init();
    struct curl_slist *lines = curl_slist_append(NULL, line);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, lines);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    errand_result r = errand_await(errand_perform(w.http, easy, curl_easy_cleanup));
    ck_well(&r);
    errand_result_free(&r);
    curl_slist_free_all(lines);
    harness_close(&w);
}
END_TEST

/* ---- timeouts ---- */

struct slow_redirect {
    atomic_uint released;
    char reply[200];
};

static void redirect_when_released(struct raw_conn *conn, void *arg)
{
    struct slow_redirect *slow = arg;
    if (raw_read_request(conn, NULL) && hold_until(conn, &slow->released, 1))
        raw_say(conn, "%s", slow->reply);
}

static const errand_request limits[] = { { .connect_ms = 50 }, { .sock_connect_ms = 50 } };
static const char *const limits_say[] = { "connect: the 50 ms of connect_ms are over",
                                          "connect: the 50 ms of sock_connect_ms are over" };

START_TEST(connect_ms_applies_after_a_redirect)
{
    struct harness w;
    struct listener silent;
    struct slow_redirect slow = { .released = 0 };
    listen_at(&silent, "127.0.0.1", 0);
    fill(&silent);
    snprintf(slow.reply, sizeof slow.reply,
             "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             url_of(silent.port));
    harness_open_clocked(&w, redirect_when_released, &slow, &(errand_http_opts){ .lanes = 1 });
    unsigned before = connecting(silent.port);
    errand_request request = limits[_i];
    request.url = "/";
    errand_future *f = errand_send(w.http, &request);
    while (raw_server_requests(w.server) < 1) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    harness_turn(&w, 60); /* it was sent: connect_ms no longer applies */
    /* the timer has probably been put off by now; the test passes either way */
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    atomic_store(&slow.released, 1);
    until_connecting(silent.port, before + 1);
    harness_turn(&w, 51);
    check_late(f, limits_say[_i]);
    harness_close(&w);
    unlisten(&silent);
}
END_TEST

START_TEST(connect_ms_applies_after_a_dead_kept_connection)
{
    struct harness w;
    struct listener l;
    harness_open_clocked(&w, say_once, "", &(errand_http_opts){ .lanes = 1 });
    listen_at(&l, "127.0.0.1", 0);
    errand_request request = limits[_i];
    request.url = url_of(l.port);
    errand_future *f = errand_send(w.http, &request);
    int fd = accept(l.fd, NULL, NULL);
    answer(fd, "first");
    errand_result r = errand_await(f);
    ck_well(&r);
    errand_result_free(&r);
    fill(&l);
    unsigned before = connecting(l.port);
    f = errand_send(w.http, &request);
    read_head(fd);
    harness_turn(&w, 60); /* it was sent */
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    close(fd);
    until_connecting(l.port, before + 1);
    harness_turn(&w, 51);
    check_late(f, limits_say[_i]);
    unlisten(&l);
    harness_close(&w);
}
END_TEST

START_TEST(connect_ms_of_a_minute_lasts_a_minute)
{
    struct harness w;
    struct listener silent;
    listen_at(&silent, "127.0.0.1", 0);
    fill(&silent);
    harness_open_clocked(&w, say_once, "", &(errand_http_opts){ .connect_ms = _i ? 0 : 60000 });
    unsigned before = connecting(silent.port);
    errand_future *f = errand_send(
        w.http, &(errand_request){ .url = url_of(silent.port), .connect_ms = _i ? 60000 : 0 });
    until_connecting(silent.port, before + 1);
    harness_turn(&w, 31000);
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL); /* long enough for a wrong end */
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    harness_turn(&w, 29001);
    check_late(f, "connect: the 60000 ms of connect_ms are over");
    harness_close(&w);
    unlisten(&silent);
}
END_TEST

/* ---- no thread for a lane ---- */

struct busy {
    atomic_uint began, released;
};

static errand_result stay_busy(void *arg)
{
    struct busy *busy = arg;
    atomic_fetch_add(&busy->began, 1);
    until(&busy->released, 1);
    return errand_ok(NULL, NULL);
}

/* The pool's one thread is busy, and no other can start: RLIMIT_AS leaves no room for a stack. */
START_TEST(requests_of_a_lane_without_a_thread_keep_their_deadlines)
{
    struct harness w;
    struct busy busy = { .began = 0 };
    struct rlimit room;
    harness_open_clocked(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                         &(errand_http_opts){ .lanes = 1, .limit = 4 });
    /* starts the timer thread */
    errand_drop(errand_timeout(errand_submit(w.pool, stay_busy, &busy), 100000));
    until(&busy.began, 1);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ 1, room.rlim_max }), 0);
    errand_request requests[] = { { .url = "/", .total_ms = 50 },
                                  { .url = "/", .connect_ms = 60 },
                                  { .url = "/" },
                                  { .url = "/" } };
    errand_future *fs[5];
    for (int i = 0; i < 4; i++) fs[i] = errand_send(w.http, &requests[i]);
    fs[4] = errand_send(w.http, &requests[2]); /* has no slot before one of them ends */
    errand_cancel(fs[2]);
    errand_result r = errand_await(fs[2]);
    ck_assert_int_eq(r.error, ECANCELED);
    errand_result_free(&r);
    for (int i = 0; i < 2; i++) {
        harness_turn(&w, i ? 10 : 51);
        r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ETIMEDOUT);
        ck_assert_str_eq(errand_result_phase(&r), "queue");
        ck_assert(!errand_result_may_have_run(&r));
        errand_result_free(&r);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    atomic_store(&busy.released, 1);
    for (int i = 3; i < 5; i++) {
        r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

static void hold(struct raw_conn *conn, void *arg)
{
    struct busy *busy = arg;
    if (!raw_read_request(conn, NULL)) return;
    atomic_fetch_add(&busy->began, 1);
    if (hold_until(conn, &busy->released, 1)) raw_reply(conn, 200, "text/plain", "first");
}

START_TEST(a_running_lane_takes_requests_of_one_that_cannot_start)
{
    struct harness w;
    struct busy busy = { .began = 0 };
    struct rlimit room;
    struct listener l;
    listen_at(&l, "127.0.0.1", 0);
    harness_open(&w, hold, &busy, &(errand_http_opts){ .lanes = 2, .limit = 4 });
    errand_future *first = errand_get(w.http, "/");
    until(&busy.began, 1);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ 1, room.rlim_max }), 0);
    /* the less loaded lane has no thread */
    errand_future *second = errand_get(w.http, url_of(l.port));
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    int early = errand_wait(second, 0);
    ck_assert_msg(early == ETIMEDOUT, "%d", early);
    int fd = accept(l.fd, NULL, NULL);
    answer(fd, "second");
    ends_with(second, "second");
    close(fd);
    atomic_store(&busy.released, 1);
    ends_with(first, "first");
    unlisten(&l);
    harness_close(&w);
}
END_TEST

static void answer_when_released(void *arg, const char *name, er_addresses *out)
{
    struct busy *busy = arg;
    (void)name;
    until(&busy->released, 1 + atomic_fetch_add(&busy->began, 1));
    *out = (er_addresses){ .text = "127.0.0.1" };
}

/* The end of one starts the next, which ends too: in a loop, not recursively. */
START_TEST(all_queued_requests_end_if_no_lane_can_start)
{
    struct harness w;
    struct busy busy = { .began = 0 };
    struct rlimit room;
    unsigned n = storm(40000);
    errand_future **fs = calloc(n, sizeof *fs);
    harness_open(&w, say_once, "", &(errand_http_opts){ .lanes = 1, .limit = 1 });
    er_resolver_use(w.http->resolver, answer_when_released, &busy);
    for (unsigned i = 0; i < n; i++) fs[i] = errand_get(w.http, "http://name.test/");
    until(&busy.began, 1);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ 1, room.rlim_max }), 0);
    atomic_store(&busy.released, 1);
    for (unsigned i = 0; i < n; i++) errand_wait(fs[i], ERRAND_FOREVER);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    for (unsigned i = 0; i < n; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_msg(r.error == EAGAIN || r.error == ENOMEM, "%s", errand_result_message(&r));
        errand_result_free(&r);
    }
    free(fs);
    harness_close(&w);
}
END_TEST

/* Cancels race with a lane that fails to start: exactly one of the two ends each request. */
START_TEST(a_cancel_and_a_failed_lane_start_end_a_request_once)
{
    enum { MANY = 200 };
    struct harness w;
    struct busy busy = { .began = 0 };
    struct rlimit room;
    unsigned n = storm(20);
    errand_future *fs[MANY];
    harness_open(&w, say_once, "",
                 &(errand_http_opts){ .lanes = 1, .limit = MANY, .limit_per_host = MANY });
    er_resolver_use(w.http->resolver, answer_when_released, &busy);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    for (unsigned round = 1; round <= n; round++) {
        char url[40];
        snprintf(url, sizeof url, "http://name%u.test/", round);
        for (unsigned i = 0; i < MANY; i++) fs[i] = errand_get(w.http, url);
        until(&busy.began, round);
        ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ 1, room.rlim_max }), 0);
        atomic_store(&busy.released, round);
        for (unsigned i = MANY; i--;) errand_cancel(fs[i]);
        for (unsigned i = 0; i < MANY; i++) errand_wait(fs[i], ERRAND_FOREVER);
        ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
        for (unsigned i = 0; i < MANY; i++) {
            errand_result r = errand_await(fs[i]);
            ck_assert_msg(r.error == EAGAIN || r.error == ENOMEM || r.error == ECANCELED, "%s",
                          errand_result_message(&r));
            errand_result_free(&r);
        }
    }
    harness_close(&w);
}
END_TEST

static CURL *own(struct harness *w)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, harness_url(w, "/"));
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return easy;
}

START_TEST(an_own_handle_without_a_thread_keeps_its_deadlines)
{
    struct harness w;
    struct busy busy = { .began = 0 };
    struct rlimit room;
    static const int errors[] = { ECANCELED, ETIMEDOUT };
    harness_open_clocked(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                         &(errand_http_opts){ .total_ms = 50 });
    /* starts the timer thread */
    errand_drop(errand_timeout(errand_submit(w.pool, stay_busy, &busy), 100000));
    until(&busy.began, 1);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    CURL *handles[] = { own(&w), own(&w) };
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ 1, room.rlim_max }), 0);
    errand_future *fs[] = { errand_perform(w.http, handles[0], curl_easy_cleanup),
                            errand_perform(w.http, handles[1], curl_easy_cleanup) };
    errand_cancel(fs[0]);
    for (int i = 0; i < 2; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, errors[i]);
        ck_assert_str_eq(errand_result_phase(&r), "queue");
        ck_assert(!errand_result_may_have_run(&r));
        ck_assert_ptr_eq(r.value, handles[i]);
        errand_result_free(&r);
        harness_turn(&w, 51);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    atomic_store(&busy.released, 1);
    errand_result r = errand_await(errand_perform(w.http, own(&w), curl_easy_cleanup));
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

struct unperformed {
    struct harness w;
    atomic_uint ready, go;
};

static void *perform_in_vain(void *arg)
{
    struct unperformed *u = arg;
    CURL *easy = own(&u->w);
    atomic_fetch_add(&u->ready, 1);
    until(&u->go, 1);
    for (unsigned n = storm(300); n; n--) {
        errand_result r = errand_await(errand_perform(u->w.http, easy, NULL));
        /* should a thread fit where another has ended, the server hangs up */
        ck_assert_int_ne(r.error, 0);
        ck_assert_ptr_eq(r.value, easy);
        errand_result_free(&r);
    }
    curl_easy_cleanup(easy);
    return NULL;
}

/* Several at once, so that one waits for the thread that another fails to start. */
START_TEST(an_own_handle_is_returned_if_no_thread_can_start)
{
    struct unperformed u = { .ready = 0 };
    struct rlimit room;
    pthread_t threads[4];
    harness_open(&u.w, say_once, "", &(errand_http_opts){ .total_ms = ERRAND_FOREVER });
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, perform_in_vain, &u), 0);
    until(&u.ready, 4);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ 1, room.rlim_max }), 0);
    atomic_store(&u.go, 1);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    harness_close(&u.w);
}
END_TEST

/* ---- limits ---- */

static const struct {
    unsigned limit, lanes;
} large[] = { { UINT_MAX, 2 },     { UINT_MAX, 4 }, { UINT_MAX - 1, 3 },
              { UINT_MAX - 2, 4 }, { 1u << 31, 2 }, { 100000, 2 } };

START_TEST(a_very_large_limit_means_no_limit)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                 &(errand_http_opts){ .limit = large[_i].limit,
                                      .limit_per_host = large[_i].limit,
                                      .lanes = large[_i].lanes,
                                      .total_ms = 60000 });
    for (int i = 0; i < 5; i++) gets_well(&w, harness_url(&w, "/"), "ok");
    harness_close(&w);
}
END_TEST

Suite *lanes_suite(void)
{
    Suite *suite = suite_create("http lanes");
    TCase *tc = tcase_create("lanes");
    tcase_add_loop_test(tc, a_folded_first_header_line_leaves_later_requests_alone, 0, 2);
    tcase_add_test(tc, any_number_of_dead_kept_connections_is_replaced);
    tcase_add_test(tc, hanging_lookups_delay_no_other_names);
    tcase_add_test(tc, many_hosts_use_bounded_memory);
    tcase_add_test(tc, http_and_https_of_one_host_keep_their_addresses);
    tcase_add_test(tc, a_restarted_lane_gets_the_addresses_again);
    tcase_add_test(tc, a_silent_first_address_falls_back_to_the_second);
    tcase_add_test(tc, refused_addresses_fall_back_to_the_open_one);
    tcase_add_test(tc, an_own_handle_falls_back_to_the_open_address);
    tcase_add_loop_test(tc, connect_ms_applies_after_a_redirect, 0, 2);
    tcase_add_loop_test(tc, connect_ms_applies_after_a_dead_kept_connection, 0, 2);
    tcase_add_loop_test(tc, connect_ms_of_a_minute_lasts_a_minute, 0, 2);
    tcase_add_loop_test(tc, a_very_large_limit_means_no_limit, 0,
                        (int)(sizeof large / sizeof *large));
    suite_add_tcase(suite, tc);
    if (ER_ASAN || ER_TSAN) return suite; /* which map memory of their own */
    tc = tcase_create("no threads");
    tcase_add_test(tc, requests_of_a_lane_without_a_thread_keep_their_deadlines);
    tcase_add_test(tc, a_running_lane_takes_requests_of_one_that_cannot_start);
    tcase_add_test(tc, a_cancel_and_a_failed_lane_start_end_a_request_once);
    tcase_add_test(tc, all_queued_requests_end_if_no_lane_can_start);
    tcase_add_test(tc, an_own_handle_without_a_thread_keeps_its_deadlines);
    tcase_add_test(tc, an_own_handle_is_returned_if_no_thread_can_start);
    suite_add_tcase(suite, tc);
    return suite;
}
