/* policy/breaker.c -- a circuit breaker.
 *
 *     CLOSED --ratio--> OPEN --time is over, asked--> HALF_OPEN --probes succeeded--> CLOSED
 *                        ^----------- a probe failed -----'       (enough in a row)
 *
 * The counts of the window are in PARTS parts, the oldest of which is cleared when a new one
 * begins. Each change of state begins a new era; a call counts only in the era in which it began,
 * so that what is slow to fail does not open what has just been closed. A probe is lent by a
 * number and a time; past that time it is lent to the next caller. The first one's outcome still
 * counts, so that a service slower than probe_ms can close the breaker. Every outcome gives the
 * probe back. There is no timer: OPEN ends with the first call after its time.
 *
 * Changes wait in a ring for a job of the pool, which calls the watcher for one after the other. A
 * member is pinned by each call under way and each change in the ring. */
#include "policy/breaker.h"

#include "async/runq.h"

#include "base/options.h"
#include "log/producer.h"

#include <errno.h>
#include <string.h>

#define PARTS   10
#define CHANGES 64
#define PROBES  3

typedef struct er_breaker_member {
    er_member base;
    errand_breaker *breaker;
    errand_breaker_state state;
    bool forced;
    uint32_t era;
    unsigned under_way, times_open;
    unsigned opened;  /* how often since it was closed last */
    unsigned well;    /* probes in a row */
    int64_t until_ns; /* OPEN: then it lends a probe */
    int64_t part;     /* the newest one's number */
    struct {
        unsigned calls, failed;
    } parts[PARTS];
    struct {
        uint64_t lending; /* 0: free */
        int64_t until_ns;
    } probes[PROBES];
    uint64_t refused;
} er_breaker_member;

typedef struct change {
    er_breaker_member *member; /* pinned */
    errand_breaker_change what;
} change;

struct errand_breaker {
    er_keyed keyed;
    errand_breaker_opts how;
    int64_t began_ns;
    uint64_t seed, lendings;
    er_job job;
    bool queued;
    unsigned first, n;
    change changes[CHANGES]; /* a ring */
    er_breaker_member plain;
};

static errand_breaker *breaker_of(er_keyed *keyed) { return er_of(keyed, errand_breaker, keyed); }
static er_breaker_member *member_of(er_member *m) { return er_of(m, er_breaker_member, base); }

/* ---- under the lock ---- */

static void turn_window(er_breaker_member *m, int64_t now)
{
    int64_t part = (now - m->breaker->began_ns) / (m->breaker->how.window_ms * ER_MS / PARTS);
    if (part - m->part >= PARTS) m->part = part - PARTS; /* all of them are over */
    while (m->part < part) {
        m->part++;
        memset(&m->parts[m->part % PARTS], 0, sizeof m->parts[0]);
    }
}

static void sum_up(const er_breaker_member *m, unsigned *calls, unsigned *failed)
{
    *calls = *failed = 0;
    for (int i = 0; i < PARTS; i++) {
        *calls += m->parts[i].calls;
        *failed += m->parts[i].failed;
    }
}

/* For how long it opens this time. */
static int64_t open_for(er_breaker_member *m)
{
    const errand_breaker_opts *how = &m->breaker->how;
    int64_t ms = how->open_ms;
    for (unsigned i = 0; i < m->opened && ms < how->max_open_ms; i++)
        ms = ms > how->max_open_ms / 2 ? how->max_open_ms : 2 * ms;
    return (int64_t)((double)ms * (0.8 + 0.2 * er_random_fraction(&m->breaker->seed)));
}

/* The watcher is called by a job. *post: that is to be queued after the lock. */
static void note(er_breaker_member *m, const errand_breaker_change *what, bool *post)
{
    errand_breaker *b = m->breaker;
    if (!b->how.on_change) return;
    if (b->n == CHANGES) {
        b->changes[b->first].member->base.pins--;
        b->first = (b->first + 1) % CHANGES;
        b->n--;
    }
    b->changes[(b->first + b->n++) % CHANGES] = (change){ m, *what };
    m->base.pins++;
    if (b->queued) return;
    *post = b->queued = true;
    er_keyed_keep(&b->keyed); /* the job's */
}

typedef struct news { /* what is to be done after the lock */
    bool changed, post;
    errand_breaker_change what;
    unsigned calls, failed;
} news;

static void become(er_breaker_member *m, errand_breaker_state to, int64_t now, news *out)
{
    errand_breaker *b = m->breaker;
    int64_t open_ms = 0;
    if (to == ERRAND_BREAKER_OPEN) {
        sum_up(m, &out->calls, &out->failed);
        open_ms = m->forced ? ERRAND_FOREVER : open_for(m);
        m->until_ns = er_deadline(now, open_ms);
        m->opened++;
        m->times_open++;
    }
    if (to == ERRAND_BREAKER_CLOSED) m->opened = 0;
    if (to != ERRAND_BREAKER_HALF_OPEN) memset(m->parts, 0, sizeof m->parts);
    out->changed = true;
    out->what = (errand_breaker_change){ b->how.name, m->base.item.key, m->state, to, open_ms };
    m->state = to;
    m->era++;
    m->well = 0;
    memset(m->probes, 0, sizeof m->probes);
    note(m, &out->what, &out->post);
}

/* ---- after it ---- */

static void call_watcher(er_job *job)
{
    errand_breaker *b = er_of(job, errand_breaker, job);
    er_lock_take(&b->keyed.lock);
    while (b->n) {
        change c = b->changes[b->first];
        b->first = (b->first + 1) % CHANGES;
        b->n--;
        er_lock_give(&b->keyed.lock);
        b->how.on_change(&c.what, b->how.on_change_arg);
        er_lock_take(&b->keyed.lock);
        c.member->base.pins--;
    }
    b->queued = false;
    er_keyed_leave(&b->keyed);
    er_keyed_release(&b->keyed);
}

static void report_change(errand_breaker *b, const news *out)
{
    if (!out->changed) return;
    const errand_breaker_change *c = &out->what;
    errand_log *log = er_pool_log(b->keyed.pool);
    const char *name = c->name ? c->name : "breaker", *key = c->key ? c->key : "";
    const char *of = c->key ? " of " : "";
    /* the key's member may be evicted meanwhile, but not while it is pinned: see
     * er_breaker_allow */
    if (c->to == ERRAND_BREAKER_HALF_OPEN) er_log_info(log, "[%s-probe]%s%.200s", name, of, key);
    else if (c->to == ERRAND_BREAKER_CLOSED) er_log_info(log, "[%s-closed]%s%.200s", name, of, key);
    else if (c->open_ms == ERRAND_FOREVER)
        er_log_warn(log, "[%s-open]%s%.200s: forced", name, of, key);
    else
        er_log_warn(log, "[%s-open]%s%.200s for %.3f s: %u of %u calls failed", name, of, key,
                    (double)c->open_ms / 1000, out->failed, out->calls);
    if (!out->post) return;
    b->job.run = call_watcher;
    if (er_runq_post(b->keyed.pool, &b->job) == 0) return;
    er_lock_take(&b->keyed.lock); /* the pool is closed: the watcher is not called */
    for (; b->n; b->n--, b->first = (b->first + 1) % CHANGES)
        b->changes[b->first].member->base.pins--;
    b->queued = false;
    er_keyed_leave(&b->keyed);
    er_keyed_release(&b->keyed);
}

/* ---- allow and report ---- */

static int lend_probe(er_breaker_member *m, int64_t now, er_breaker_call *call, int64_t *again_ms)
{
    const errand_breaker_opts *how = &m->breaker->how;
    int64_t first = INT64_MAX;
    for (unsigned i = 0; i < how->probes; i++) {
        if (m->probes[i].lending && m->probes[i].until_ns > now) {
            if (m->probes[i].until_ns < first) first = m->probes[i].until_ns;
            continue;
        }
        m->probes[i].lending = call->lending = ++m->breaker->lendings;
        m->probes[i].until_ns = er_deadline(now, how->probe_ms);
        call->probe = i + 1;
        return 0;
    }
    *again_ms = er_ms_until(now, first);
    return ERRAND_EOPEN;
}

int er_breaker_allow(errand_breaker *breaker, const char *key, er_breaker_call *call,
                     int64_t *again_ms)
{
    er_member *base;
    int64_t again = 0;
    news out = { 0 };
    *call = (er_breaker_call){ 0 };
    int error = er_keyed_enter(&breaker->keyed, key, &base);
    if (error) return error;
    er_breaker_member *m = member_of(base);
    int64_t now = er_pool_now(breaker->keyed.pool);
    if (m->state == ERRAND_BREAKER_OPEN && !m->forced && now >= m->until_ns)
        become(m, ERRAND_BREAKER_HALF_OPEN, now, &out);
    if (m->state == ERRAND_BREAKER_HALF_OPEN) error = lend_probe(m, now, call, &again);
    if (m->state == ERRAND_BREAKER_OPEN) {
        error = ERRAND_EOPEN;
        again = m->forced ? -1 : er_ms_until(now, m->until_ns);
    }
    if (error) {
        m->refused++;
    } else {
        call->member = m;
        call->began_ns = now;
        call->era = m->era;
        m->base.pins++;
        m->under_way++;
        er_keyed_keep(&breaker->keyed);
    }
    er_keyed_leave(&breaker->keyed);
    report_change(breaker, &out);
    if (again_ms) *again_ms = again;
    return error;
}

/* Counts the outcome of a call that began in this era. */
static void count(er_breaker_member *m, const er_breaker_call *call, er_verdict verdict,
                  int64_t now, news *out)
{
    const errand_breaker_opts *how = &m->breaker->how;
    if (call->probe) {
        uint64_t *lending = &m->probes[call->probe - 1].lending;
        if (*lending == call->lending) *lending = 0; /* else lent again */
        if (verdict == ER_CALL_WELL && ++m->well >= how->probes)
            become(m, ERRAND_BREAKER_CLOSED, now, out);
        if (verdict == ER_CALL_FAILED) become(m, ERRAND_BREAKER_OPEN, now, out);
        return;
    }
    if (verdict == ER_CALL_UNKNOWN) return;
    unsigned calls, failed;
    turn_window(m, now);
    m->parts[m->part % PARTS].calls++;
    m->parts[m->part % PARTS].failed += verdict == ER_CALL_FAILED;
    sum_up(m, &calls, &failed);
    if (verdict == ER_CALL_FAILED && !m->forced && calls >= how->min_calls &&
        failed >= how->ratio * calls)
        become(m, ERRAND_BREAKER_OPEN, now, out);
}

void er_breaker_report(er_breaker_call *call, er_verdict verdict)
{
    er_breaker_call c = *call;
    *call = (er_breaker_call){ 0 };
    if (!c.member) return;
    errand_breaker *b = c.member->breaker;
    news out = { 0 };
    if (!er_pool_dead(b->keyed.pool)) { /* else its lock may be held forever */
        int64_t now = er_pool_now(b->keyed.pool);
        er_lock_take(&b->keyed.lock);
        if (verdict == ER_CALL_WELL && now - c.began_ns >= b->how.slow_ms) verdict = ER_CALL_FAILED;
        c.member->under_way--;
        if (c.era == c.member->era) count(c.member, &c, verdict, now, &out);
        if (out.changed) { /* the pin keeps the key for the log */
            er_keyed_leave(&b->keyed);
            report_change(b, &out);
            er_lock_take(&b->keyed.lock);
        }
        c.member->base.pins--;
        er_keyed_leave(&b->keyed);
    }
    er_keyed_release(&b->keyed);
}

er_verdict er_verdict_of(const errand_result *how)
{
    if (!how) return ER_CALL_UNKNOWN;
    switch (errand_result_kind(how)) {
    case ERRAND_KIND_OK:
    case ERRAND_KIND_HTTP_CLIENT:
    case ERRAND_KIND_AUTH: return ER_CALL_WELL;
    case ERRAND_KIND_NETWORK:
    case ERRAND_KIND_TIMEOUT:
    case ERRAND_KIND_HTTP_SERVER:
    case ERRAND_KIND_PROTOCOL:
    case ERRAND_KIND_UNKNOWN: return ER_CALL_FAILED;
    default: return ER_CALL_UNKNOWN;
    }
}

int errand_breaker_allow(errand_breaker *breaker, const char *key, errand_breaker_call *call)
{
    _Static_assert(sizeof(er_breaker_call) <= sizeof(errand_breaker_call), "a call fits");
    if (!breaker || !call) return EINVAL;
    memset(call, 0, sizeof *call);
    return er_breaker_allow(breaker, key, (er_breaker_call *)(void *)call, NULL);
}

void errand_breaker_report(errand_breaker_call *call, const errand_result *how)
{
    if (call) er_breaker_report((er_breaker_call *)(void *)call, er_verdict_of(how));
}

/* ---- by hand ---- */

static int set(errand_breaker *breaker, const char *key, errand_breaker_state state, bool forced)
{
    er_member *base;
    if (!breaker) return EINVAL;
    int error = er_keyed_enter(&breaker->keyed, key, &base);
    if (error) return error;
    er_breaker_member *m = member_of(base);
    news out = { 0 };
    m->forced = forced;
    m->base.pins++;
    if (m->state != state) become(m, state, er_pool_now(breaker->keyed.pool), &out);
    if (!forced) m->era++; /* as new: calls under way do not count */
    if (!forced) memset(m->parts, 0, sizeof m->parts);
    if (state == ERRAND_BREAKER_OPEN) m->until_ns = INT64_MAX;
    er_keyed_leave(&breaker->keyed);
    report_change(breaker, &out);
    er_lock_take(&breaker->keyed.lock);
    m->base.pins--;
    er_keyed_leave(&breaker->keyed);
    return 0;
}

int errand_breaker_force(errand_breaker *breaker, const char *key, errand_breaker_state state)
{
    if (state != ERRAND_BREAKER_OPEN && state != ERRAND_BREAKER_CLOSED) return EINVAL;
    return set(breaker, key, state, true);
}

int errand_breaker_reset(errand_breaker *breaker, const char *key)
{
    return set(breaker, key, ERRAND_BREAKER_CLOSED, false);
}

/* ---- the breaker itself ---- */

static void init_member(er_keyed *keyed, er_member *base)
{
    member_of(base)->breaker = breaker_of(keyed);
}

static bool is_idle(er_keyed *keyed, er_member *base)
{
    (void)keyed;
    const er_breaker_member *m = member_of(base);
    return m->state == ERRAND_BREAKER_CLOSED && !m->forced;
}

static void free_breaker(er_keyed *keyed) { er_free(breaker_of(keyed)); }
static const er_keyed_kind breaker_kind = { sizeof(er_breaker_member), init_member, is_idle,
                                            free_breaker };

static int check(errand_breaker_opts *o)
{
    bool own_most = o->max_open_ms != 0;
    if (o->ratio == 0) o->ratio = 0.5;
    if (!(o->ratio > 0 && o->ratio <= 1)) return EINVAL; /* a NaN too */
    if (!o->min_calls) o->min_calls = 20;
    if (!o->probes) o->probes = 1;
    if (o->probes > PROBES) return EINVAL;
    if (er_option_ms(&o->window_ms, 30000) || er_option_ms(&o->open_ms, 5000) ||
        er_option_ms(&o->max_open_ms, 60000) || er_option_ms(&o->probe_ms, 30000) ||
        er_option_ms(&o->slow_ms, ERRAND_FOREVER))
        return EINVAL;
    if (o->window_ms < 1 || o->probe_ms < 1 || o->open_ms < 1 || o->slow_ms < 1) return EINVAL;
    if (o->open_ms > o->max_open_ms) {
        if (own_most) return EINVAL;
        o->max_open_ms = o->open_ms;
    }
    if (o->window_ms > INT64_MAX / ER_MS || o->max_open_ms > INT64_MAX / ER_MS) return EINVAL;
    o->slow_ms = er_deadline(0, o->slow_ms); /* ns from here on */
    return 0;
}

errand_breaker *errand_breaker_new_sized(errand_pool *pool, const errand_breaker_opts *opts,
                                         size_t size)
{
    errand_breaker_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error) error = check(&o);
    errand_breaker *b = error ? NULL : er_alloc_zero(sizeof *b);
    if (!error && !b) error = ENOMEM;
    if (!error) error = er_keyed_init(&b->keyed, &breaker_kind, pool, o.max_keys, &b->plain.base);
    if (error) {
        er_free(b);
        errno = error;
        return NULL;
    }
    b->how = o;
    b->seed = o.seed ? o.seed : er_random();
    b->began_ns = er_pool_now(pool);
    return b;
}

void errand_breaker_free(errand_breaker *breaker)
{
    if (breaker) er_keyed_release(&breaker->keyed);
}

errand_breaker *er_breaker_keep(errand_breaker *breaker)
{
    er_keyed_keep(&breaker->keyed);
    return breaker;
}

int errand_breaker_stats_sized(errand_breaker *breaker, const char *key, errand_breaker_stats *out,
                               size_t size)
{
    er_member *base;
    if (!breaker || !out) return EINVAL;
    int error = er_keyed_find(&breaker->keyed, key, &base);
    if (error) return error;
    er_breaker_member *m = member_of(base);
    int64_t now = er_pool_now(breaker->keyed.pool);
    turn_window(m, now);
    errand_breaker_stats s = { .state = m->state,
                               .forced = m->forced,
                               .under_way = m->under_way,
                               .keys = breaker->keyed.members.count,
                               .times_open = m->times_open,
                               .refused = m->refused };
    sum_up(m, &s.calls, &s.failed);
    for (unsigned i = 0; i < breaker->how.probes; i++)
        s.probing += m->probes[i].lending && m->probes[i].until_ns > now;
    if (m->state == ERRAND_BREAKER_OPEN)
        s.open_ms = m->forced ? ERRAND_FOREVER : er_ms_until(now, m->until_ns);
    er_keyed_leave(&breaker->keyed);
    return er_options_give(out, size, &s, sizeof s);
}
