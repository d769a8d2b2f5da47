/* Many requests of all kinds: good and bad replies, cancels and deadlines at any moment, files,
 * streams, bodies. Afterwards no descriptor, memory or pool is left. */
#include "harness.h"

#include <curl/curl.h>
#include <dirent.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/pool_ref.h"

enum { AT_ONCE = 48, SORTS = 16 };

/* What the server does is in the url: /SORT/NUMBER. */
static void serve_mixed(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        const char *slash = strchr(request.text, '/');
        int sort = slash ? (int)strtol(slash + 1, NULL, 10) : 0;
        raw_request_free(&request);
        char block[3000];
        memset(block, 'x', sizeof block);
        switch (sort) {
        case 1: raw_reply(conn, 503, "application/problem+json", "{\"title\":\"busy\"}"); break;
        case 2: raw_reply(conn, 404, "text/plain", "no such"); break;
        case 3: return; /* hangs up */
        case 4: raw_reset(conn); return;
        case 5: raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"); return;
        case 6: raw_say(conn, "what is it\r\n\r\n"); return;
        case 7:
            raw_say(conn, "HTTP/1.1 302 F\r\nLocation: /0/next\r\nContent-Length: 0\r\n\r\n");
            break;
        case 8: /* replies slowly: most of these are cancelled, or time out */
            raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
            if (!raw_drip(conn, block, sizeof block, 30, 1)) return;
            break;
        case 9: raw_wait_gone(conn); return; /* never replies */
        case 10:
            raw_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nbb8\r\n");
            raw_send(conn, block, sizeof block);
            raw_say(conn, "\r\n0\r\n\r\n");
            break;
        case 11:
            raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
            raw_send(conn, block, sizeof block);
            raw_reset(conn);
            return;
        default: raw_reply(conn, 200, "text/plain", "good"); break;
        }
    }
}

static int half_a_body(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)arg;
    *got = size > 700 ? 700 : size;
    memset(buffer, 'y', *got);
    if (offset >= 2100) *got = 0;
    return 0;
}

static uint64_t state;

static unsigned draw(unsigned n) /* xorshift: any sequence that repeats */
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state % n);
}

static errand_future *send_one(struct harness *w, const char *folder, unsigned n,
                               const errand_policy *policy)
{
    char url[60], path[100];
    if (n % 10 == 0) /* some have no deadline, so that they succeed on a busy machine, too */
        return errand_send(w->http, &(errand_request){ .url = "/99/good" });
    snprintf(url, sizeof url, "/%u/%u", draw(SORTS), n);
    snprintf(path, sizeof path, "%s/%u", folder, n % 8);
    errand_request request = { .url = url, .policy = draw(3) ? NULL : policy };
    if (draw(4) == 0) request.total_ms = 1 + draw(30);
    switch (draw(6)) {
    case 0: request.body = (errand_bytes){ "hello", 5 }; break;
    case 1: request.body_fn = half_a_body; break;
    case 2: request.save_to = path; break;
    case 3: request.stream = 1; break;
    default: break;
    }
    if (!request.total_ms) /* requests without a reply need an end */
        request.total_ms = 80;
    return errand_send(w->http, &request);
}

static void take_one(errand_future *f, unsigned *good)
{
    if (draw(5) == 0) errand_cancel(f);
    errand_result r = errand_await(f);
    char bytes[500];
    if (!r.error && draw(2)) {
        for (int64_t got = 1; got > 0;) /* -EINVAL if it is no stream */
            got = errand_body_read(r.value, bytes, sizeof bytes, 1000);
    }
    *good += !r.error;
    ck_assert_str_ne(errand_result_message(&r), "");
    errand_result_free(&r);
}

/* n requests in one session; returns how many went well. */
static unsigned run_mixed(unsigned n, const char *folder)
{
    struct harness w;
    unsigned good = 0;
    errand_policy *policy = errand_policy_new(
        &(errand_policy_opts){ .attempts = 3, .initial_ms = 1, .max_ms = 3 }, NULL);
    harness_open(&w, serve_mixed, NULL, &(errand_http_opts){ .limit = 16, .keepalive_ms = 200 });
    errand_future *fs[AT_ONCE] = { NULL };
    for (unsigned i = 0; i < n + AT_ONCE; i++) {
        errand_future **f = &fs[i % AT_ONCE];
        if (*f) take_one(*f, &good);
        *f = i < n ? send_one(&w, folder, i, policy) : NULL;
    }
    errand_policy_free(policy);
    harness_close(&w);
    return good;
}

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) n += entry->d_name[0] != '.';
    if (dir) closedir(dir);
    return n;
}

START_TEST(many_mixed_requests_leave_nothing_behind)
{
    char folder[40] = "/tmp/errand-mixed-XXXXXX", path[100];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    state = 88172645463325252u;
    unsigned n = storm(1000);
    run_mixed(n / 4 + 100, folder); /* one-time allocations are done */
    unsigned fds = descriptors();
    int homes = er_pools_alive();
    malloc_trim(0);
    size_t bytes = mallinfo2().uordblks;
    unsigned good = run_mixed(n, folder);
    ck_assert_uint_gt(good, n / 20);
    ck_assert_uint_lt(good, n);
    ck_assert_uint_eq(descriptors(), fds);
    ck_assert_int_eq(er_pools_alive(), homes);
    ck_assert_int_eq(homes, 0);
    malloc_trim(0);
    size_t left = mallinfo2().uordblks;
    ck_assert_msg(left <= bytes + 65536, "%zu bytes before, %zu after", bytes, left);
    for (unsigned i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "%s/%u", folder, i);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(folder), 0); /* no part file either */
}
END_TEST

/* ---- sessions that close with anything under way ---- */

static size_t swallow(char *at, size_t one, size_t n, void *arg)
{
    (void)at, (void)arg;
    return one * n;
}

static errand_future *perform_one(struct harness *w)
{
    CURL *easy = curl_easy_init();
    char url[200];
    snprintf(url, sizeof url, "%s/%u/0", raw_server_url(w->server), draw(SORTS));
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    return errand_perform(w->http, easy, curl_easy_cleanup);
}

struct cancels {
    errand_canceller *all[AT_ONCE];
    unsigned skip;
};

static errand_result cancel_some(void *arg)
{
    struct cancels *cancels = arg;
    for (unsigned i = 0; i < AT_ONCE; i++) {
        if (i % 4 == cancels->skip % 4) errand_canceller_cancel(cancels->all[i]);
    }
    return errand_ok(NULL, NULL);
}

START_TEST(sessions_close_with_anything_under_way)
{
    char folder[40] = "/tmp/errand-mixed-XXXXXX", path[100];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    state = 2463534242u + (unsigned)_i;
    struct harness w;
    errand_policy *policy = errand_policy_new(
        &(errand_policy_opts){ .attempts = 3, .initial_ms = 1, .max_ms = 3 }, NULL);
    harness_open(&w, serve_mixed, NULL, NULL);
    errand_http *first = w.http;
    for (unsigned round = 0; round < storm(20); round++) {
        w.http = errand_http_new(w.pool, &(errand_http_opts){ .base_url = raw_server_url(w.server),
                                                              .limit = 12,
                                                              .total_ms = 80,
                                                              .lanes = 1 + draw(3),
                                                              .keepalive_ms = 1 + draw(10) });
        struct cancels cancels = { .skip = draw(8) };
        errand_future *fs[AT_ONCE];
        for (unsigned i = 0; i < AT_ONCE; i++) {
            fs[i] = draw(6) ? send_one(&w, folder, i, policy) : perform_one(&w);
            cancels.all[i] = errand_canceller_of(fs[i]);
        }
        errand_future *canceller = errand_submit(w.pool, cancel_some, &cancels);
        int closed = errand_http_close(w.http, draw(3) ? 20 + draw(20) : 10000);
        /* on a slow machine; requests end all the same */
        ck_assert(!closed || closed == ETIMEDOUT);
        errand_result done = errand_await(canceller); /* it uses our futures */
        errand_result_free(&done);
        for (unsigned i = 0; i < AT_ONCE; i++) {
            errand_result r = errand_await(fs[i]); /* has ended already, or ends now */
            ck_assert_str_ne(errand_result_message(&r), "");
            errand_result_free(&r);
            errand_canceller_free(cancels.all[i]);
        }
    }
    w.http = first;
    errand_policy_free(policy);
    harness_close(&w);
    for (unsigned i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "%s/%u", folder, i);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

Suite *storms_suite(void)
{
    Suite *suite = suite_create("http storms");
    TCase *tc = tcase_create("mixed");
    tcase_add_test(tc, many_mixed_requests_leave_nothing_behind);
    tcase_add_loop_test(tc, sessions_close_with_anything_under_way, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
