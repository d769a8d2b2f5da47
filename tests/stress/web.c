/* tests/stress/web.c -- see web.h. A session's memory is kept until no thread is left, so that
 * requests may come to it before, while and after it is closed: many send under the lock for
 * reading, and the last one to take it frees the sessions.
 *
 * A hook is called with each exchange's stages in order, one at a time, none before its first or
 * after its last, and none after close has returned 0, except for requests sent concurrently. Where
 * memory is scarce some may be missing. */
#include "stress/web.h"

#include "http/session.h"
#include "stress/round.h"
#include "stress/server.h"

#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXCHANGES = 16384 };

enum { UNKNOWN, UNDER_WAY, ENDED }; /* an exchange */

typedef struct seat { /* a session, and the stages its hook was given */
    session public;
    bool closed;
    unsigned quiet;                /* atomic: close has returned 0 */
    unsigned inside;               /* atomic */
    unsigned exchanges[EXCHANGES]; /* atomic: 4 * the ask's number + the exchange's state */
    errand_clock clock;
} seat;

char web_folder[32];

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; /* of `gone` */
static pthread_mutex_t closing = PTHREAD_MUTEX_INITIALIZER;
static bool gone;
static seat seats[SESSIONS];
static unsigned n_seats;
static manner manners[MANNERS];
static errand_rate *pace;

/* ---- names ---- */

static void look_up(void *arg, const char *name, er_addresses *out)
{
    (void)arg;
    if (name[0] == 'n') nap();
    *out =
        (er_addresses){ .error = strcmp(name, "localhost") ? EAI_NONAME : 0, .text = "127.0.0.1" };
}

/* ---- hooks and middleware ---- */

static unsigned number_in(const char *url)
{
    const char *at = url ? strstr(url, "/p/") : NULL;
    return at ? (unsigned)strtoul(at + 3, NULL, 10) : 0;
}

static void take_stage(seat *s, const errand_stage_info *view)
{
    /* none but hooks write it, one at a time */
    unsigned *slot = &s->exchanges[view->exchange], before = *slot % 4;
    bool first = view->stage == ERRAND_STAGE_QUEUED && before == UNKNOWN;
    const ask *a = &asks[number_in(view->url)];
    HOLDS(first || before == UNDER_WAY, "exchange %llu reaches %s, and it is %s",
          (unsigned long long)view->exchange, errand_stage_name(view->stage),
          before == UNKNOWN ? "not known" : "over");
    HOLDS(!__atomic_load_n(&a->in_time, __ATOMIC_SEQ_CST) ||
              !__atomic_load_n(&s->quiet, __ATOMIC_SEQ_CST),
          "a hook is called when close has returned 0");
    __atomic_store_n(slot, a->number * 4 + (view->stage >= ERRAND_STAGE_DONE ? ENDED : UNDER_WAY),
                     __ATOMIC_SEQ_CST);
}

static void stage_reached(const errand_stage_info *view, void *arg)
{
    seat *s = arg;
    unsigned inside = __atomic_add_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
    HOLDS(inside == 1, "a hook is called twice at once");
    HOLDS(view->exchange && view->url && view->method && view->after_ms >= 0,
          "a hook is given invalid values");
    HOLDS(!strchr(view->url, '?') && !strchr(view->url, '#'), "a hook is shown %s", view->url);
    if (view->exchange < EXCHANGES && !here.scarce) take_stage(s, view);
    __atomic_sub_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
}

static errand_result let_pass(errand_result in, void *arg)
{
    ledger_enter(arg);
    ledger_leave(arg);
    return in;
}

static errand_future *between(const errand_request *request, errand_chain *next, void *arg)
{
    static unsigned turns; /* atomic */
    dice d = dice_of(__atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED), 0);
    (void)arg;
    if (dice_one_in(&d, 20)) { /* it is not handed on */
        if (request->body_free) request->body_free(request->body_arg);
        return errand_submit(NULL, run_entry, NULL);
    }
    if (dice_one_in(&d, 20) && !request->body_free) {
        __atomic_add_fetch(&asks[number_in(request->url)].led_on, 1, __ATOMIC_SEQ_CST);
        errand_future *both[] = { errand_chain_send(next, request),
                                  errand_chain_send(next, request) };
        return dice_one_in(&d, 2) ? errand_any(both, 2) : errand_race(both, 2);
    }
    if (dice_one_in(&d, 3))
        return errand_then(errand_chain_send(next, request), let_pass, ledger_add(ENTRY_THEN, 0));
    return errand_chain_send(next, request);
}

/* ---- policies ---- */

static bool is_to_be_polled(const void *response, void *arg)
{
    (void)arg;
    return errand_response_status(response) == 202;
}

static void make_manner(manner *m, dice *d)
{
    errand_policy_opts o = {
        .attempts = 1 + dice_below(d, 4),
        .initial_ms = 1,
        .max_ms = 3,
        .within_ms = 20 + dice_below(d, 100),
        .retry_after_max_ms = dice_one_in(d, 2) ? 2 : 0,
        .repeat = dice_below(d, 3),
        .rate = dice_one_in(d, 3) ? pace : NULL
    };
    if (dice_one_in(d, 3)) o.attempt_ms = 1 + dice_below(d, 20);
    if (dice_one_in(d, 3))
        o.retry_if = errand_retry_if_any(errand_retry_if_value(is_to_be_polled, NULL),
                                         errand_retry_if_transient());
    if (dice_one_in(d, 3)) o.breaker = here.breaker;
    if (dice_one_in(d, 3)) o.budget = here.budget;
    if (dice_one_in(d, 4)) o.sem = here.sem;
    if (dice_one_in(d, 3)) {
        o.hedge_ms = 1;
        o.attempts = 2 + dice_below(d, 3);
        o.repeat = dice_below(d, 2);
    }
    const char *why = "";
    *m = (manner){ errand_policy_new(&o, &why), o.repeat, o.sem != NULL };
    HOLDS(m->policy, "no policy: %s", why);
}

manner web_manner(scene *s)
{
    unsigned i = dice_below(&s->d, 2 * MANNERS);
    return i < MANNERS && !(s->simple && manners[i].holds) ? manners[i] : (manner){ 0 };
}

/* ---- sessions ---- */

static int64_t some_ms(dice *d, unsigned most)
{
    return dice_one_in(d, 4) ? 1 + dice_below(d, most) : 0;
}

static void open_seat(seat *s, dice *d)
{
    char base[64];
    static const errand_middleware row[] = { { between, NULL }, { between, NULL }, { NULL, NULL } };
    static const char *const headers[] = { "X-Session: yes", NULL };
    errand_http_opts o = { .lanes = 1 + dice_below(d, 3),
                           .per_lane = dice_below(d, 5),
                           .limit = 1 + dice_below(d, 12),
                           .limit_per_host = dice_below(d, 8),
                           .total_ms = 30 + dice_below(d, 270),
                           .base_url = base,
                           .log = here.log };
    memset(s, 0, sizeof *s);
    s->public.home = some_place(d);
    snprintf(base, sizeof base, "http://127.0.0.1:%u/", server_port(0));
    o.keepalive_ms = dice_one_in(d, 3) ? ERRAND_ZERO : some_ms(d, 30);
    o.dns_ttl_ms = dice_one_in(d, 3) ? ERRAND_ZERO : some_ms(d, 20);
    o.connect_ms = some_ms(d, 50);
    o.sock_connect_ms = some_ms(d, 50);
    o.sock_read_ms = some_ms(d, 50);
    if (dice_one_in(d, 3)) o.max_body = 500 + dice_below(d, 60000);
    if (dice_one_in(d, 2)) o.headers = headers;
    s->public.manner = dice_one_in(d, 3) ? manners[dice_below(d, MANNERS)] : (manner){ 0 };
    o.policy = s->public.manner.policy;
    o.no_compression = dice_one_in(d, 4);
    o.strict_json = dice_one_in(d, 4);
    if (dice_one_in(d, 2)) o.on_stage = stage_reached;
    o.stage_arg = s;
    s->public.middleware = dice_one_in(d, 3);
    if (s->public.middleware) o.middleware = row + dice_below(d, 2);
    s->public.http = errand_http_new(s->public.home->pool, &o);
    HOLDS(s->public.http, "no session: %d", errno);
    er_resolver_use(s->public.http->resolver, look_up, NULL);
    er_session_hold(s->public.http);
}

void web_open(dice *d)
{
    servers_open();
    asks_open();
    snprintf(web_folder, sizeof web_folder, "/tmp/errand-stress-XXXXXX");
    HOLDS(mkdtemp(web_folder), "no folder");
    pace =
        errand_rate_new(some_place(d)->pool, &(errand_rate_opts){ .per_second = 2000, .burst = 4 });
    HOLDS(pace, "no rate");
    for (unsigned i = 0; i < MANNERS; i++) make_manner(&manners[i], d);
    gone = false;
    n_seats = 1 + dice_below(d, SESSIONS);
    for (unsigned i = 0; i < n_seats; i++) open_seat(&seats[i], d);
}

const session *web_use(scene *s)
{
    const session *found = &seats[dice_below(&s->d, n_seats)].public;
    pthread_rwlock_rdlock(&lock);
    if (!gone) return found;
    pthread_rwlock_unlock(&lock);
    return NULL;
}

void web_used(void) { pthread_rwlock_unlock(&lock); }

static void close_seat(seat *s, int64_t within_ms)
{
    if (s->closed) return;
    s->closed = true;
    __atomic_store_n(&s->public.closing, 1, __ATOMIC_SEQ_CST);
    int error = errand_http_close(s->public.http, within_ms);
    if (error && within_ms == PATIENCE_MS) round_dump();
    HOLDS(!error || (error == ETIMEDOUT && within_ms < PATIENCE_MS),
          "a session's close ended with %d", error);
    if (error) return;
    __atomic_store_n(&s->quiet, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < EXCHANGES && !here.scarce; i++) {
        unsigned slot = __atomic_load_n(&s->exchanges[i], __ATOMIC_SEQ_CST);
        HOLDS(slot % 4 != UNDER_WAY || !__atomic_load_n(&asks[slot / 4].in_time, __ATOMIC_SEQ_CST),
              "close has returned 0, and no hook was called for the end of exchange %u", i);
    }
}

void web_close(const place *p, int64_t within_ms)
{
    pthread_mutex_lock(&closing);
    for (unsigned i = 0; i < n_seats; i++) {
        if (seats[i].public.home == p) close_seat(&seats[i], within_ms);
    }
    pthread_mutex_unlock(&closing);
}

void web_act(scene *s)
{
    if (here.closes && s->waits && dice_one_in(&s->d, 40)) {
        if (pthread_mutex_trylock(&closing)) return;
        close_seat(&seats[dice_below(&s->d, n_seats)], dice_below(&s->d, 20));
        pthread_mutex_unlock(&closing);
        return;
    }
    const session *of = web_use(s);
    errand_http_stats stats;
    if (!of) return;
    HOLDS(errand_http_stats_get(of->http, &stats) == 0 && stats.idle <= stats.open &&
              stats.open <= 12,
          "%llu connections, %llu idle", (unsigned long long)stats.open,
          (unsigned long long)stats.idle);
    web_used();
}

void web_let_go(void)
{
    pthread_rwlock_wrlock(&lock);
    gone = true;
    pthread_rwlock_unlock(&lock);
    for (unsigned i = 0; i < n_seats; i++) er_session_let_go(seats[i].public.http);
    for (unsigned i = 0; i < MANNERS; i++) errand_policy_free(manners[i].policy);
    errand_rate_free(pace);
}

/* ---- the end ---- */

void web_check(void)
{
    servers_close();
    asks_check();
    HOLDS(rmdir(web_folder) == 0, "something is left in %s: %s", web_folder, strerror(errno));
}
