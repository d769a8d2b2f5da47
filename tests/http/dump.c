/* What a pool's dump shows of transfers: the step of each. */
#include "harness.h"

#include "async/dumped.h"

#include "http/session.h"

#include <curl/curl.h>
#include <pthread.h>
#include <sched.h>

struct stepping {
    atomic_uint asked, came, may_answer, answered, may_end;
};

static void answer_step_by_step(struct raw_conn *conn, void *arg)
{
    struct stepping *s = arg;
    if (!raw_read_request(conn, NULL)) return;
    atomic_fetch_add(&s->came, 1);
    if (!hold_until(conn, &s->may_answer, 1)) return;
    raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
    atomic_fetch_add(&s->answered, 1);
    if (!hold_until(conn, &s->may_end, 1)) return;
    raw_say(conn, "ok");
}

static const char *name_of(struct harness *w, const char *method, const char *path)
{
    static char name[400];
    snprintf(name, sizeof name, "%s %s", method, harness_url(w, path));
    return name;
}

static void ends_well(errand_future *f)
{
    errand_result r = errand_await(f);
    ck_well(&r);
    errand_result_free(&r);
}

START_TEST(a_dump_shows_each_transfers_step_and_the_queue)
{
    static struct stepping s;
    struct harness w;
    harness_open(&w, answer_step_by_step, &s, &(errand_http_opts){ .limit = 1 });
    errand_future *first = errand_get(w.http, harness_url(&w, "/first?secret"));
    until(&s.came, 1);
    errand_future *second = errand_get(w.http, harness_url(&w, "/second"));
    dump_shows(w.pool, "transfer", name_of(&w, "GET", "/first"),
               " on lane 0, has been sent, waits for the reply of http://127.0.0.1:");
    dump_shows(w.pool, "transfer", name_of(&w, "GET", "/second"),
               " in line with 1, waits for a connection to http://127.0.0.1:");
    ck_assert_msg(strstr(dump_text, ", submitted at ") && !strstr(dump_text, "secret"), "%.3000s",
                  dump_text);
    ck_assert_uint_eq(dump_count(w.pool, "promise", "-"), 0); /* the transfer's own is not listed */
    atomic_store(&s.may_answer, 1);
    until(&s.answered, 1);
    dump_shows(w.pool, "transfer", name_of(&w, "GET", "/first"),
               " on lane 0, reads the reply of http://127.0.0.1:");
    errand_cancel(second);
    ck_assert_ptr_null(dump_entry(w.pool, "transfer", name_of(&w, "GET", "/second")));
    errand_drop(second);
    atomic_store(&s.may_end, 1);
    ends_well(first);
    ck_assert_ptr_null(dump_entry(w.pool, "transfer", name_of(&w, "GET", "/first")));
    harness_close(&w);
}
END_TEST

static void look_up_when_allowed(void *arg, const char *name, er_addresses *out)
{
    struct stepping *s = arg;
    (void)name;
    atomic_fetch_add(&s->asked, 1);
    until(&s->may_answer, 1);
    *out = (er_addresses){ .text = "127.0.0.1" };
}

START_TEST(a_dump_shows_a_transfer_in_name_lookup)
{
    static struct stepping s;
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL);
    er_resolver_use(w.http->resolver, look_up_when_allowed, &s);
    errand_future *f = errand_get(w.http, "http://far.away:1/x");
    until(&s.asked, 1);
    dump_shows(w.pool, "transfer", "GET http://far.away:1/x",
               " in line with 1, waits for the addresses of http://far.away:1");
    errand_cancel(f);
    ck_assert_ptr_null(dump_entry(w.pool, "transfer", "GET http://far.away:1/x"));
    errand_drop(f);
    atomic_store(&s.may_answer, 1);
    harness_close(&w);
}
END_TEST

START_TEST(a_dump_shows_the_run_and_the_transfer_of_a_request)
{
    static struct stepping s;
    struct harness w;
    harness_open(&w, answer_step_by_step, &s, NULL);
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 2, .name = "patient" }, NULL);
    errand_future *f =
        errand_send(w.http, &(errand_request){ .url = harness_url(&w, "/x"), .policy = policy });
    until(&s.came, 1);
    dump_shows(w.pool, "run", "http request", " attempt 1 is under way, key 127.0.0.1:");
    dump_shows(w.pool, "transfer", name_of(&w, "GET", "/x"), " on lane ");
    atomic_store(&s.may_answer, 1);
    atomic_store(&s.may_end, 1);
    ends_well(f);
    ck_assert_ptr_null(dump_entry(w.pool, "run", "http request"));
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(a_dump_shows_an_own_handle)
{
    static struct stepping s;
    struct harness w;
    harness_open(&w, answer_step_by_step, &s, &(errand_http_opts){ .limit = 1 });
    CURL *easy[2];
    errand_future *fs[2];
    for (int i = 0; i < 2; i++) {
        easy[i] = curl_easy_init();
        curl_easy_setopt(easy[i], CURLOPT_URL, harness_url(&w, "/own"));
        curl_easy_setopt(easy[i], CURLOPT_NOBODY, 1L);
        fs[i] = errand_perform(w.http, easy[i], NULL);
        if (!i) until(&s.came, 1);
    }
    ck_assert_uint_eq(dump_count(w.pool, "transfer", "caller's handle"), 2);
    ck_assert_msg(strstr(dump_text, " curl has it, on a thread of its own, submitted at "),
                  "%.3000s", dump_text);
    ck_assert_msg(strstr(dump_text, " in line with 1, waits for a connection, submitted at "),
                  "%.3000s", dump_text);
    for (int i = 1; i >= 0; i--) {
        errand_cancel(fs[i]);
        errand_drop(fs[i]);
    }
    while (dump_count(w.pool, "transfer", "caller's handle")) sched_yield();
    for (int i = 0; i < 2; i++) curl_easy_cleanup(easy[i]);
    harness_close(&w);
}
END_TEST

static void *dumps_on(void *arg)
{
    struct harness *w = arg;
    while (!atomic_load(&w->clock_ns)) dump_of(w->pool);
    return NULL;
}

START_TEST(a_dump_can_run_while_transfers_begin_and_end)
{
    enum { N = 300 };
    struct harness w;
    pthread_t thread;
    errand_future *fs[N];
    /* it says that it closes: a request that meets two closed connections fails */
    harness_open(&w, say_once,
                 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                 &(errand_http_opts){ .limit = 4 });
    atomic_store(&w.clock_ns, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, dumps_on, &w), 0);
    for (int i = 0; i < N; i++) {
        fs[i] = errand_get(w.http, harness_url(&w, "/x"));
        if (i % 3 == 0) errand_cancel(fs[i]);
    }
    for (int i = 0; i < N; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_msg(!r.error || r.error == ECANCELED, "%s", errand_result_message(&r));
        errand_result_free(&r);
    }
    atomic_store(&w.clock_ns, 1);
    pthread_join(thread, NULL);
    ck_assert_msg(!strstr(dump_of(w.pool), "transfer"), "%.3000s", dump_text);
    harness_close(&w);
}
END_TEST

Suite *dump_suite(void)
{
    Suite *suite = suite_create("dump");
    TCase *tc = tcase_create("dump");
    tcase_add_test(tc, a_dump_shows_each_transfers_step_and_the_queue);
    tcase_add_test(tc, a_dump_shows_a_transfer_in_name_lookup);
    tcase_add_test(tc, a_dump_shows_the_run_and_the_transfer_of_a_request);
    tcase_add_test(tc, a_dump_shows_an_own_handle);
    tcase_add_test(tc, a_dump_can_run_while_transfers_begin_and_end);
    suite_add_tcase(suite, tc);
    return suite;
}
