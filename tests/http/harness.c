#include "harness.h"

#include "http/session.h"

#include <netdb.h>
#include <time.h>

/* Resolves without the network, which may not answer for minutes. */
static void resolve_here(void *arg, const char *name, er_addresses *out)
{
    (void)arg;
    *out =
        (er_addresses){ .error = strcmp(name, "localhost") ? EAI_NONAME : 0, .text = "127.0.0.1" };
}

static void open_all(struct harness *w, raw_handler *handler, void *arg,
                     const errand_http_opts *opts)
{
    if (handler) ck_assert_int_eq(raw_server_start(&w->server, handler, arg), 0);
    w->pool = errand_pool_new(&(errand_pool_opts){ .clock = w->clock.now_ns ? &w->clock : NULL });
    ck_assert_ptr_nonnull(w->pool);
    errand_http_opts ours = { 0 };
    if (opts) ours = *opts;
    if (!ours.base_url) ours.base_url = raw_server_url(w->server);
    w->http = errand_http_new(w->pool, &ours);
    ck_assert_ptr_nonnull(w->http);
    er_resolver_use(w->http->resolver, resolve_here, NULL);
}

void harness_open(struct harness *w, raw_handler *handler, void *arg, const errand_http_opts *opts)
{
    memset(w, 0, sizeof *w);
    open_all(w, handler, arg, opts);
}

void harness_open_on(struct harness *w, struct raw_server *server, const errand_http_opts *opts)
{
    memset(w, 0, sizeof *w);
    w->server = server;
    open_all(w, NULL, NULL, opts);
}

static int64_t read_clock(void *arg) { return atomic_load((atomic_llong *)arg); }

static void stand_still(struct harness *w)
{
    memset(w, 0, sizeof *w);
    atomic_store(&w->clock_ns, 1000000000);
    w->clock = (errand_clock){ read_clock, &w->clock_ns };
}

void harness_open_clocked(struct harness *w, raw_handler *handler, void *arg,
                          const errand_http_opts *opts)
{
    stand_still(w);
    open_all(w, handler, arg, opts);
}

void harness_open_clocked_on(struct harness *w, struct raw_server *server,
                             const errand_http_opts *opts)
{
    stand_still(w);
    w->server = server;
    open_all(w, NULL, NULL, opts);
}

void harness_turn(struct harness *w, int64_t ms)
{
    atomic_fetch_add(&w->clock_ns, ms * 1000000);
    errand_pool_tick(w->pool);
}

void harness_close(struct harness *w)
{
    ck_assert_int_eq(errand_http_close(w->http, 30000), 0);
    raw_server_stop(w->server);
    ck_assert_int_eq(errand_pool_close(w->pool, 30000), 0);
}

const char *harness_url(struct harness *w, const char *path)
{
    char *text = w->texts[w->next++ % 8];
    snprintf(text, sizeof w->texts[0], "%s%s", raw_server_url(w->server), path);
    return text;
}

errand_result harness_get(struct harness *w, const char *path)
{
    return errand_await(errand_get(w->http, path));
}

errand_result harness_send(struct harness *w, errand_request request)
{
    return errand_await(errand_send(w->http, &request));
}

void until(atomic_uint *count, unsigned n)
{
    while (atomic_load(count) < n) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

bool hold_until(struct raw_conn *conn, atomic_uint *count, unsigned n)
{
    while (atomic_load(count) < n) {
        if (!raw_pause(conn, 1)) return false;
    }
    return true;
}

void say_once(struct raw_conn *conn, void *arg)
{
    if (raw_read_request(conn, NULL)) raw_say(conn, "%s", (const char *)arg);
}

void say_always(struct raw_conn *conn, void *arg)
{
    while (raw_read_request(conn, NULL)) {
        if (!raw_say(conn, "%s", (const char *)arg)) break;
    }
}

unsigned storm(unsigned n)
{
    const char *scale = getenv("ERRAND_TEST_SCALE");
    double scaled = n * (scale ? strtod(scale, NULL) : 1.0);
    return scaled < 1 ? 1 : (unsigned)scaled;
}
