/* Every phase of a request x every way to end it: the right error, freed once, no descriptor and no
 * count left, the session still usable. */
#include "harness.h"

#include "http/session.h"

#include <time.h>
#include <unistd.h>

typedef enum place {
    LINE,
    RESOLVE,
    HANDSHAKE,
    SEND,
    FUNCTION,
    FIRST_BYTE,
    BODY,
    INTO_FILE,
    STREAM,
    ASLEEP,
    PLACES
} place;
typedef enum ending { CANCEL, TIME, CLOSE, POOL, WAYS } ending;

struct moment {
    place place;
    atomic_uint came, calls, freed, allowed, asked;
};

static const char *const phases[PLACES] = { "queue",      "resolve", "tls",  "send", "send",
                                            "first byte", "body",    "body", "body", "" };

/* ---- the server, which stops at the phase ---- */

static void go_so_far(struct raw_conn *conn, void *arg)
{
    struct moment *m = arg;
    static char block[1 << 16];
    char head[4];
    bool there = m->place == HANDSHAKE || m->place == SEND || m->place == FUNCTION
                     ? raw_read_bytes(conn, head, 4)
                     : raw_read_request(conn, NULL);
    if (there && m->place == ASLEEP) {
        raw_reply(conn, 503, "text/plain", "later");
    } else if (there && (m->place == BODY || m->place == INTO_FILE || m->place == STREAM)) {
        raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n");
        /* more than fits into the sockets: it is being read */
        for (int i = 0; i < (m->place == STREAM ? 1 : 256); i++)
            raw_send(conn, block, sizeof block);
    }
    if (there) {
        atomic_fetch_add(&m->came, 1);
        raw_wait_gone(conn);
    }
}

static void look_up_when_allowed(void *arg, const char *name, er_addresses *out)
{
    struct moment *m = arg;
    (void)name;
    atomic_fetch_add(&m->asked, 1);
    until(&m->allowed, 1);
    *out = (er_addresses){ .text = "127.0.0.1" };
}

/* ---- the client ---- */

static int give(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    struct moment *m = arg;
    atomic_fetch_add(&m->calls, 1);
    if (m->place == FUNCTION) until(&m->allowed, 1);
    *got = m->place == SEND || m->place == FUNCTION ? size : offset ? 0 : 5;
    memset(buffer, 'x', *got);
    return 0;
}

static void count_freed(void *arg) { atomic_fetch_add(&((struct moment *)arg)->freed, 1); }

static void pause_until_so_far(struct harness *w, struct moment *m)
{
    errand_http_stats s = { 0 };
    if (m->place == LINE) {
        until(&m->came, 1);
        while (!s.queued) errand_http_stats_get(w->http, &s);
        return;
    }
    until(m->place == RESOLVE ? &m->asked : &m->came, 1);
    if (m->place == FUNCTION || m->place == SEND) until(&m->calls, m->place == SEND ? 3 : 1);
}

static void end(struct harness *w, ending way, errand_future *f)
{
    int closed = 0;
    switch (way) {
    case CANCEL: errand_cancel(f); break;
    case TIME: harness_turn(w, 5001); break;
    case CLOSE:
        closed = errand_http_close(w->http, 200);
        w->http = NULL;
        break;
    default: closed = errand_pool_close(w->pool, 2000);
    }
    ck_assert(!closed || closed == ETIMEDOUT); /* on a slow machine; requests end all the same */
}

static void check_end(const errand_result *r, const struct moment *m, ending way)
{
    const char *said = errand_result_message(r);
    ck_assert_msg(r->error == (way == TIME ? ETIMEDOUT : ECANCELED), "%s", said);
    errand_reason reason = way == CANCEL ? ERRAND_BY_CALLER
                           : way == TIME ? ERRAND_BY_TOTAL
                                         : ERRAND_BY_SHUTDOWN;
    if (m->place == ASLEEP) return; /* the policy's message */
    ck_assert_msg(errand_result_reason(r) == reason, "%s", said);
    if (way != POOL)
        ck_assert_msg(!strcmp(errand_result_phase(r), phases[m->place]), "%s: %s",
                      errand_result_phase(r), said);
    if (m->place != STREAM)
        ck_assert_msg(errand_result_may_have_run(r) == (m->place >= SEND), "%s", said);
}

static void check_all_is_well(struct harness *w)
{
    errand_http_stats s;
    do errand_http_stats_get(w->http, &s);
    while (s.in_flight || s.queued || s.open > s.idle); /* ended first, then counted */
    struct harness good;
    harness_open(&good, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", NULL);
    errand_result r = errand_await(errand_get(w->http, raw_server_url(good.server)));
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&good);
}

START_TEST(a_request_ends_in_any_phase_and_leaves_nothing)
{
    ending way = (ending)(_i % WAYS);
    static struct moment m; /* a look-up that hangs outlives the session */
    m.place = (place)(_i / WAYS);
    struct harness w;
    char url[60] = "/", path[] = "/tmp/errand-moment-XXXXXX";
    close(mkstemp(path));
    harness_open_clocked(&w, go_so_far, &m,
                         &(errand_http_opts){ .limit = m.place == LINE ? 1 : 0 });
    if (m.place == RESOLVE) er_resolver_use(w.http->resolver, look_up_when_allowed, &m);
    if (m.place == RESOLVE || m.place == HANDSHAKE)
        snprintf(url, sizeof url, "%s:%u/",
                 m.place == RESOLVE ? "http://hangs.test" : "https://127.0.0.1",
                 raw_server_port(w.server));
    errand_policy *policy = errand_policy_new(
        &(errand_policy_opts){
            .attempts = 2, .initial_ms = 60000, .max_ms = 60000, .within_ms = 5000 + 60000 },
        NULL);
    errand_future *other =
        m.place == LINE
            ? errand_send(w.http, &(errand_request){ .url = "/", .total_ms = ERRAND_FOREVER })
            : NULL;
    errand_request request = { .url = url,
                               .total_ms = 5000,
                               .method = "POST",
                               .body_fn = give,
                               .body_arg = &m,
                               .body_free = count_freed };
    if (m.place < SEND || m.place == FIRST_BYTE || m.place > FUNCTION) request.body_size = 5;
    request.save_to = m.place == INTO_FILE ? path : NULL;
    request.stream = m.place == STREAM;
    request.policy = m.place == ASLEEP ? policy : NULL;
    request.idempotency_key = m.place == ASLEEP ? "k" : NULL;
    errand_future *f = errand_send(w.http, &request);
    errand_result r, stream = { 0 };
    if (m.place == STREAM) stream = errand_await(f);
    pause_until_so_far(&w, &m);
    if (m.place == STREAM) {
        ck_well(&stream);
        if (way == CANCEL) errand_result_free(&stream);
        else end(&w, way, NULL);
    } else {
        if (m.place == FUNCTION && way == POOL)
            atomic_store(&m.allowed, 1); /* the pool waits for running callbacks */
        if (m.place == ASLEEP && way == TIME) harness_turn(&w, 60000);
        end(&w, way, f);
        r = errand_await(f);
        if (m.place != ASLEEP || way != TIME) check_end(&r, &m, way);
        errand_result_free(&r);
    }
    if (stream.value) {
        char bytes[1000];
        int64_t got;
        while ((got = errand_body_read(stream.value, bytes, sizeof bytes, ERRAND_FOREVER)) > 0)
            continue;
        ck_assert_int_eq(got, way == TIME ? -ETIMEDOUT : -ECANCELED);
        check_end(errand_body_failure(stream.value), &m, way);
        errand_result_free(&stream);
    }
    if (other) {
        errand_cancel(other);
        errand_drop(other);
    }
    atomic_store(&m.allowed, 1);
    until(&m.freed, 1);
    if (way == CANCEL || way == TIME) check_all_is_well(&w);
    errand_policy_free(policy);
    ck_assert_int_eq(errand_http_close(w.http, 10000), 0);
    raw_server_stop(w.server);
    if (way != POOL) ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
    ck_assert_uint_eq(atomic_load(&m.freed), 1);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

Suite *phases_suite(void)
{
    Suite *suite = suite_create("http phases");
    TCase *tc = tcase_create("moments");
    tcase_add_loop_test(tc, a_request_ends_in_any_phase_and_leaves_nothing, 0, PLACES * WAYS);
    suite_add_tcase(suite, tc);
    return suite;
}
