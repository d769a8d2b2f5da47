/* http/client.c -- a session begins, and ends.
 *
 * close refuses new requests and waits for exchanges and runs until half time; then it cancels the
 * exchanges and runs that are left and refuses new attempts. Lanes end as soon as nothing runs on
 * them. What close waits for needs no progress of the closing thread, and a worker that closes is
 * lent meanwhile, so close cannot deadlock with itself. */
#include "http/dispatch.h"
#include "http/middleware.h"
#include "http/perform.h"
#include "http/request_run.h"
#include "http/transfer.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/options.h"
#include "base/result.h"
#include "log/producer.h"
#include "async/park.h"
#include "async/scope.h"
#include "policy/policy.h"
#include "http/close_notify.h"
#include "http/stage.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define MOST_LANES    1024
#define MOST_PER_LANE 1024
#define ROOM_OF_LANE  65536 /* most transfers on a lane: more than a process has descriptors */

/* ---- once ---- */

static char features[100];

static bool curl_is_ready(void)
{
    static er_lock once;
    static bool done, ready;
    er_lock_take(&once);
    if (!done) {
        done = true;
        ready = !curl_global_init(CURL_GLOBAL_DEFAULT);
        snprintf(features, sizeof features, "libcurl/%s json-c/%s",
                 curl_version_info(CURLVERSION_NOW)->version, json_c_version());
    }
    er_lock_give(&once);
    return ready;
}

const char *errand_http_features(void)
{
    curl_is_ready();
    return features;
}

/* ---- options ---- */

static int take_agent(er_defaults *defaults, const errand_http_opts *opts, er_bytes *why)
{
    er_bytes agent = { 0 };
    er_bytes_text(&agent, opts->user_agent ? opts->user_agent : "errand/");
    if (!opts->user_agent) er_bytes_text(&agent, errand_version());
    if (agent.at && er_has_control(agent.at, false)) {
        er_bytes_free(&agent);
        return er_refuse(why, "a control character in user_agent", NULL, 0);
    }
    defaults->user_agent = er_bytes_take(&agent);
    return defaults->user_agent ? 0 : ENOMEM;
}

static int greet(struct curl_slist **greeting, const er_defaults *defaults)
{
    er_bytes agent = { 0 };
    er_bytes_format(&agent, "User-Agent: %s", defaults->user_agent);
    int error = agent.error ? ENOMEM : er_header_merge(greeting, defaults->headers);
    bool named = !*defaults->user_agent || er_header_find(*greeting, "User-Agent", 10);
    if (!error && !named) error = er_header_append(greeting, agent.at);
    er_bytes_free(&agent);
    const char *codings = er_transport_codings(&defaults->transport);
    if (error || !codings || er_header_find(*greeting, "Accept-Encoding", 15)) return error;
    er_bytes accepts = { 0 };
    er_bytes_format(&accepts, "Accept-Encoding: %s", codings);
    error = accepts.error ? ENOMEM : er_header_append(greeting, accepts.at);
    er_bytes_free(&accepts);
    return error;
}

static int take_defaults(er_defaults *defaults, const errand_http_opts *opts, er_bytes *why)
{
    static const struct {
        const char *name;
        size_t from, to;
        int64_t by_default;
    } times[] = {
        { "total_ms", offsetof(errand_http_opts, total_ms), offsetof(er_defaults, total_ms),
          300000 },
        { "connect_ms", offsetof(errand_http_opts, connect_ms), offsetof(er_defaults, connect_ms),
          ERRAND_FOREVER },
        { "sock_connect_ms", offsetof(errand_http_opts, sock_connect_ms),
          offsetof(er_defaults, sock_connect_ms), 30000 },
        { "sock_read_ms", offsetof(errand_http_opts, sock_read_ms),
          offsetof(er_defaults, sock_read_ms), ERRAND_FOREVER },
        { "dns_ttl_ms", offsetof(errand_http_opts, dns_ttl_ms), offsetof(er_defaults, dns_ttl_ms),
          60000 },
        { "keepalive_ms", offsetof(errand_http_opts, keepalive_ms),
          offsetof(er_defaults, keepalive_ms), 15000 },
        { "connection_ms", offsetof(errand_http_opts, connection_ms),
          offsetof(er_defaults, connection_ms), ERRAND_FOREVER },
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t ms;
        memcpy(&ms, (const char *)opts + times[i].from, sizeof ms);
        if (er_option_ms(&ms, times[i].by_default)) {
            er_bytes_format(why, "%s is negative", times[i].name);
            return EINVAL;
        }
        memcpy((char *)defaults + times[i].to, &ms, sizeof ms);
    }
    defaults->sock_connect_said = opts->sock_connect_ms != 0;
    if (opts->connect_ms && !defaults->sock_connect_said &&
        defaults->connect_ms > defaults->sock_connect_ms) {
        defaults->sock_connect_ms = defaults->connect_ms;
    }
    defaults->max_body = opts->max_body ? opts->max_body : (size_t)64 << 20;
    defaults->max_body_said = opts->max_body != 0;
    defaults->strict_json = opts->strict_json;
    defaults->refused_may_have_run = opts->refused_may_have_run;
    for (const char *const *header = opts->headers; header && *header; header++) {
        int error = er_header_add(&defaults->headers, *header, why);
        if (error) return error;
        if (er_alike(*header, "Idempotency-Key:", 16)) {
            er_bytes_text(why, "a header Idempotency-Key would be the same for all requests");
            return EINVAL;
        }
    }
    int refused = er_header_auth(&defaults->headers, opts->bearer, opts->user, opts->password, why);
    if (refused) return refused;
    bool https;
    er_origin origin = { 0 };
    int error = 0;
    if (opts->base_url)
        error = er_url_resolve(&defaults->base_url, &origin, &https, opts->base_url, NULL, why);
    er_origin_free(&origin);
    if (error) return error;
    return take_agent(defaults, opts, why);
}

/* How replies are judged. */
static int take_rules(er_defaults *defaults, const errand_http_opts *opts, er_bytes *why)
{
    if (opts->any_status && opts->is_error)
        return er_refuse(why, "any_status and is_error are both given", NULL, 0);
    defaults->allow = opts->allow;
    defaults->allow_arg = opts->allow_arg;
    defaults->refuse_private = opts->refuse_private;
    if (opts->refuse_private && (opts->proxy || opts->environment))
        return er_refuse(why, "refuse_private cannot see what is behind a proxy", NULL, 0);
    if ((opts->refuse_private || opts->allow) && opts->unix_socket)
        return er_refuse(why, "unix_socket has no address for allow or refuse_private", NULL, 0);
    if (opts->resolver && opts->environment)
        return er_refuse(why, "resolver and environment are both given", NULL, 0);
    for (int status = 200; status < 1000; status++) {
        bool error = status >= 400 && !opts->any_status;
        if (opts->is_error) error = opts->is_error(status, opts->is_error_arg) != 0;
        if (error) defaults->errors[status / 8] |= (unsigned char)(1U << status % 8);
    }
    return er_redirects_most(&defaults->max_redirects, opts->max_redirects, ER_REDIRECTS, why);
}

/* After greet(). A header Cookie of the session goes with curl's own. */
static int keep_cookies(er_defaults *defaults)
{
    char *again = NULL;
    int error = er_cookies_new(&defaults->cookies);
    if (!error) error = er_cookies_take(&defaults->headers, &defaults->cookie);
    if (!error) error = er_cookies_take(&defaults->greeting, &again);
    er_free(again);
    return error;
}

static int no_http2(er_bytes *why)
{
    er_bytes_text(why, "http2: this libcurl has no HTTP/2");
    return ENOTSUP;
}

/* Why a session could not be made, for the log and for opts->why. */
static void report(const errand_http_opts *opts, const er_bytes *why, int error)
{
    const char *text = why->at && !why->error ? why->at : errand_strerror(error);
    er_log_error(opts->log, "http session: %s", text);
    if (opts->why && opts->why_size) snprintf(opts->why, opts->why_size, "%s", text);
}

static int set_up(errand_http *http, const errand_http_opts *opts, er_bytes *why)
{
    int error = take_defaults(&http->defaults, opts, why);
    if (!error) error = take_rules(&http->defaults, opts, why);
    if (!error) error = er_texts_copy(&http->defaults.secrets, opts->secrets);
    if (!error) error = er_fixed_hosts_make(&http->fixed_hosts, opts->resolve, why);
    if (!error) error = er_transport_make(&http->defaults.transport, opts, why);
    if (!error) error = greet(&http->defaults.greeting, &http->defaults);
    if (!error && opts->cookies) error = keep_cookies(&http->defaults);
    if (!error) error = er_middleware_make(http, opts->middleware);
    http->defaults.stage_details = opts->stage_details;
    if (!error && opts->on_stage) {
        http->defaults.stages = er_stages_new(http->pool, opts->on_stage, opts->stage_arg);
        if (!http->defaults.stages) error = ENOMEM;
    }
    if (!error && opts->policy) http->policy = er_policy_keep(opts->policy);
    return error;
}

static void lane_on(er_lane *lane) { er_session_more(lane->http, &lane->http->lanes_on); }

static void lane_off(er_lane *lane) { er_session_less(lane->http, &lane->http->lanes_on); }

static int open_lanes(errand_http *http, const errand_http_opts *opts)
{
    er_berth **berths = er_alloc(http->n_lanes * sizeof *berths);
    if (!berths) return ENOMEM;
    for (unsigned i = 0; i < http->n_lanes; i++) {
        er_lane *lane = &http->lanes[i];
        er_lane_init(lane, http->pool, http, &http->scheduler, &http->defaults);
        lane->on = lane_on;
        lane->off = lane_off;
        lane->go = er_dispatch;
        lane->again = er_transfer_again;
        lane->rest = er_transfer_rest;
        lane->refuse = er_dispatch_refuse;
        berths[i] = &lane->berth;
    }
    int error = er_scheduler_init(&http->scheduler, berths, http->n_lanes);
    er_free(berths);
    http->resolver = er_resolver_new(http->pool, http->defaults.dns_ttl_ms);
    if (http->resolver && opts->resolver)
        er_resolver_call(http->resolver, opts->resolver, opts->resolver_arg);
    http->resolves = opts->resolver != NULL;
    return http->resolver ? error : ENOMEM;
}

errand_http *errand_http_new_sized(errand_pool *pool, const errand_http_opts *given, size_t size)
{
    errand_http_opts opts;
    errand_http *http = NULL;
    er_bytes why = { 0 };
    int error = pool ? er_options(&opts, sizeof opts, given, size) : EINVAL;
    bool known = !error; /* opts can be read */
    if (!error && er_pool_dead(pool)) error = ERRAND_EFORKED;
    if (!error && (opts.lanes > MOST_LANES || opts.per_lane > MOST_PER_LANE)) error = EINVAL;
    if (!error && !curl_is_ready()) error = ENOMEM;
    if (!error && opts.http2 &&
        !(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2))
        error = no_http2(&why);
    if (!error) {
        unsigned limit = opts.limit ? opts.limit : 100;
        unsigned lanes = opts.lanes;
        if (!lanes) lanes = er_cores() < 2 ? 2 : er_cores();
        if (lanes > limit) lanes = limit;
        size_t all = sizeof *http + lanes * sizeof *http->lanes;
        http = er_alloc_aligned(ER_LINE, all);
        if (!http) error = ENOMEM;
        else {
            memset(http, 0, all);
            http->count = 1;
            http->pool = pool;
            er_pool_keep(pool);
            http->log = opts.log;
            http->n_lanes = lanes;
            http->scheduler.limit = limit;
            http->defaults.curl = curl_version_info(CURLVERSION_NOW)->version_num;
            http->defaults.tls_end = er_close_notify_find(http->defaults.curl);
            http->scheduler.shared = http->defaults.http2 = opts.http2;
            http->scheduler.per_host = opts.limit_per_host ? opts.limit_per_host : 30;
            unsigned share = limit / lanes + (limit % lanes != 0);
            if (share > ROOM_OF_LANE) share = ROOM_OF_LANE;
            http->scheduler.per_lane = opts.per_lane ? opts.per_lane : share;
            er_list_init(&http->all);
            er_list_init(&http->asked);
            er_list_init(&http->running);
            er_list_init(&http->performs);
            er_list_init(&http->performers);
            error = set_up(http, &opts, &why);
        }
    }
    if (!error) error = open_lanes(http, &opts);
    if (error && known && error != ERRAND_EFORKED) report(&opts, &why, error);
    er_bytes_free(&why);
    if (error) {
        if (http) er_session_let_go(http);
        errno = error;
        return NULL;
    }
    er_left_open_add(&http->left_open, http->log ? http->log : er_pool_log(pool), "session of pool",
                     er_pool_ref_of(pool)->name);
    return http;
}

int errand_http_stats_sized(errand_http *http, errand_http_stats *out, size_t size)
{
    if (!http || !out) return EINVAL;
    if (er_pool_dead(http->pool)) return ERRAND_EFORKED;
    errand_http_stats s = { .reused = er_load(&http->reused), .resent = er_load(&http->resent) };
    er_resolver_counts(http->resolver, &s.look_ups, &s.look_up_hits);
    er_lock_take(&http->scheduler.lock);
    s.queued = http->scheduler.waiting;
    s.open = http->scheduler.open;
    s.idle = http->scheduler.idle;
    uint64_t all = er_load(&http->exchanges);
    er_lock_give(&http->scheduler.lock);
    s.in_flight = all > s.queued ? all - s.queued : 0;
    return er_options_give(out, size, &s, sizeof s);
}

int errand_http_forget_names(errand_http *http)
{
    if (!http) return EINVAL;
    if (er_pool_dead(http->pool)) return ERRAND_EFORKED;
    uint64_t serial = er_resolver_forget(http->resolver);
    er_lock_take(&http->scheduler.lock);
    if (http->scheduler.forgotten < serial) http->scheduler.forgotten = serial;
    er_lock_give(&http->scheduler.lock);
    return 0;
}

int errand_http_forget_cookies(errand_http *http)
{
    if (!http) return EINVAL;
    if (er_pool_dead(http->pool)) return ERRAND_EFORKED;
    return http->defaults.cookies ? er_cookies_forget(http->defaults.cookies) : ENOENT;
}

/* ---- the end ---- */

typedef enum part { EXCHANGES = 1, RUNS = 2, LANES = 4, LOOK_UPS = 8 } part;

static bool wait_for(errand_http *http, unsigned parts, int64_t deadline_ns)
{
    for (;;) {
        er_parker_clear(&http->closer, 1); /* first: what ends after the check sets it again */
        bool gone = !(((parts & EXCHANGES) && er_load(&http->exchanges)) ||
                      ((parts & RUNS) && er_load(&http->runs)) ||
                      ((parts & LANES) && er_load(&http->lanes_on)) ||
                      ((parts & LOOK_UPS) && er_load(&http->look_ups)));
        if (gone) return true;
        er_lend(); /* a run's next attempt may need this very worker */
        uint32_t woken = er_park(&http->closer, 1, deadline_ns);
        er_lend_end();
        if (!woken) return false;
    }
}

static void cancel_all(errand_http *http)
{
    er_node *node;
    er_lock_take(&http->scheduler.lock);
    http->cancelling = true;
    while ((node = er_list_pop(&http->all))) {
        er_exchange *x = er_of(node, er_exchange, in_session);
        er_list_push(&http->asked, node);
        er_exchange_keep(x);
        er_lock_give(&http->scheduler.lock);
        er_transfer_cancel(x, ERRAND_BY_SHUTDOWN);
        er_exchange_drop(x);
        er_lock_take(&http->scheduler.lock);
    }
    er_lock_give(&http->scheduler.lock);
}

int errand_http_close(errand_http *http, int64_t within_ms)
{
    if (!http) return 0;
    if (within_ms < 0) return EINVAL;
    if (er_pool_dead(http->pool)) return ERRAND_EFORKED; /* locks may be held by parent threads */
    int64_t began = er_now_ns(), deadline = er_deadline(began, within_ms);
    int64_t half = within_ms == ERRAND_FOREVER ? deadline : er_deadline(began, within_ms / 2);
    er_lock_take(&http->scheduler.lock);
    er_store(&http->closing, true);
    er_lock_give(&http->scheduler.lock);
    er_left_open_remove(&http->left_open);
    wait_for(http, EXCHANGES | RUNS, half);
    cancel_all(http);
    er_session_runs_cancel(http);
    er_performs_cancel(http);
    bool ended = wait_for(http, EXCHANGES | RUNS, deadline);
    er_performers_stop(http);
    for (unsigned i = 0; i < http->n_lanes; i++) er_lane_stop(&http->lanes[i], !ended);
    /* the system's look-ups may hang, and need nothing of the caller's */
    unsigned look_ups = http->resolves ? LOOK_UPS : 0;
    ended = wait_for(http, EXCHANGES | RUNS | LANES | look_ups, deadline);
    ended = er_stages_flush(http->defaults.stages, deadline) && ended;
    er_session_let_go(http);
    return ended ? 0 : ETIMEDOUT;
}

static int close_http(void *http, int64_t within_ms) { return errand_http_close(http, within_ms); }

int errand_scope_own_http(errand_scope *scope, const char *name, errand_http *http)
{
    errand_cleanup what = { .name = name, .resource = http, .close = close_http };
    if (http) what.needs = http->pool;
    return er_scope_own_closed(scope, &what);
}
