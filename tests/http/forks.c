/* A callback that forks and returns in the child: the session does not continue there. */
#include "harness.h"

#include "fork_inside.h"

#include <curl/curl.h>
#include <sched.h>
#include <sys/wait.h>

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere";

static void set_up(void *easy, void *arg)
{
    (void)easy;
    fork_inside_now(arg);
}

static int say_hello(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    fork_inside_now(arg);
    *got = offset || size < 5 ? 0 : 5;
    memcpy(buffer, "hello", *got);
    return 0;
}

struct listener {
    struct harness w;
    fork_inside f;
};

static void stage_forks(const errand_stage_info *view, void *arg)
{
    struct listener *l = arg;
    while (view->stage == ERRAND_STAGE_QUEUED && !raw_server_requests(l->w.server))
        sched_yield(); /* so that more stages follow */
    fork_inside_now(&l->f);
}

static size_t take(char *at, size_t one, size_t n, void *arg)
{
    (void)at;
    fork_inside_now(arg);
    return one * n;
}

static int trace(CURL *easy, curl_infotype type, char *at, size_t n, void *arg)
{
    (void)easy, (void)at, (void)n;
    if (type == CURLINFO_HEADER_OUT) fork_inside_now(arg);
    return 0;
}

static void set_trace(void *easy, void *arg)
{
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, trace);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, arg);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
}

static errand_result send_with(struct harness *w, fork_inside *f, int origin)
{
    errand_request request = { .url = "/", .setup_arg = f };
    CURL *easy;
    switch (origin) {
    case 0: request.setup = set_up; break;
    case 1: request.setup = set_trace; break;
    case 2:
        request.body_fn = say_hello;
        request.body_arg = f;
        break;
    case 3: break; /* on_stage */
    default:
        easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_URL, harness_url(w, "/"));
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
        return errand_await(errand_perform(w->http, easy, curl_easy_cleanup));
    }
    return harness_send(w, request);
}

START_TEST(a_callback_that_forks_and_returns_in_the_child_ends_the_child)
{
    struct listener l = { .f = { 0, 0 } };
    errand_http_opts opts = {
        .keepalive_ms = ERRAND_FOREVER, .on_stage = _i == 3 ? stage_forks : NULL, .stage_arg = &l
    };
    harness_open(&l.w, say_always, (void *)(uintptr_t)reply, &opts);
    errand_result r = send_with(&l.w, &l.f, _i);
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_requests(l.w.server), 1);
    harness_close(&l.w); /* the last stage hook has returned */
    ck_ended_there(&l.f);
}
END_TEST

Suite *forks_suite(void)
{
    Suite *suite = suite_create("http forks");
    TCase *tc = tcase_create("forks");
    tcase_add_loop_test(tc, a_callback_that_forks_and_returns_in_the_child_ends_the_child, 0, 5);
    suite_add_tcase(suite, tc);
    return suite;
}
