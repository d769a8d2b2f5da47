/* http/perform.c -- the caller's own CURL handles.
 *
 *   perform --> line (of its own) --turn--> performer: thread, multi --done | cancelled--> result
 *                                               ^   | idle: keeps its connection for keepalive_ms
 *                                               +---+
 *
 * A performer carries one transfer at a time, because the handle's callbacks may block. Its options
 * are the caller's: only NOSIGNAL and QUICK_EXIT are changed, without which a cancel would wait for
 * curl's resolver. Each performer counts as one connection, idle or not, and ends when that is
 * asked back.
 *
 * A perform is ended in the line, and at a performer without a thread, by the thread that takes it
 * out under the session's lock; between the two, by begin; else by its performer, which is woken
 * and checks `cancelled`. A performer is woken under the session's lock, under which it clears
 * `multi` before it frees it. It stays in the list until its thread is gone: stop_idle counts those
 * there that are `asked` and have not yet given back their connection. */
#include "http/perform.h"
#include "http/dispatch.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/result.h"
#include "async/current.h"
#include "async/promise.h"
#include "async/service.h"
#include "http/classify.h"

#include <errno.h>
#include <string.h>

typedef struct performer {
    er_service service;
    errand_http *http;
    er_node node; /* in the session's list; its lock guards the next three */
    CURLM *multi; /* NULL: nothing to wake */
    struct perform *job;
    bool begun, stop, asked; /* asked: a connection that others want ends with it */
} performer;

typedef struct perform {
    unsigned count;     /* the thread that ends it, its timer, a cancel under way */
    unsigned cancelled; /* an errand_reason, set once */
    errand_http *http;
    errand_promise *promise;
    er_live live;
    CURL *easy;
    errand_free_fn *free;
    er_timer timer;
    bool timed;
    int64_t began_ns;
    er_node in_session; /* session's lock, with the rest */
    er_slot_turn turn;
    er_place place;
    performer *by;
} perform;

static void drop(perform *p)
{
    if (er_sub(&p->count, 1) != 1) return;
    errand_http *http = p->http;
    er_free(p);
    er_session_let_go(http);
}

/* ---- results ---- */

static const char *phase(const perform *p)
{
    static const struct {
        CURLINFO what;
        const char *phase;
    } steps[] = { { CURLINFO_STARTTRANSFER_TIME_T, "body" },
                  { CURLINFO_PRETRANSFER_TIME_T, "first byte" },
                  { CURLINFO_NAMELOOKUP_TIME_T, "connect" } };
    if (!p->by) return "queue";
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        curl_off_t us = 0;
        if (!curl_easy_getinfo(p->easy, steps[i].what, &us) && us > 0) return steps[i].phase;
    }
    return "resolve";
}

/* curl reports an upload as PUT in all protocols, also a mail, or what is appended to a file. */
static bool may_have_run(const perform *p)
{
    curl_off_t us = 0;
    char *method = NULL, *scheme = NULL;
    if (!p->by || curl_easy_getinfo(p->easy, CURLINFO_PRETRANSFER_TIME_T, &us) || us <= 0)
        return false;
    curl_easy_getinfo(p->easy, CURLINFO_EFFECTIVE_METHOD, &method);
    curl_easy_getinfo(p->easy, CURLINFO_SCHEME, &scheme);
    bool http = scheme &&
                (er_alike(scheme, "http", SIZE_MAX) || er_alike(scheme, "https", SIZE_MAX));
    return !method || !er_method_idempotent(method) || (!http && strcmp(method, "GET") != 0);
}

static errand_result failed(const perform *p, int error, errand_kind kind, const char *at,
                            errand_reason reason, const char *words)
{
    const char *url = NULL;
    curl_easy_getinfo(p->easy, CURLINFO_EFFECTIVE_URL, &url);
    char *shown = url && *url ? er_url_shown(url, true) : NULL;
    errand_result r = errand_fail_as(error, kind, -1, may_have_run(p), "%s: %s: %s",
                                     shown ? shown : "perform", at, words);
    er_free(shown);
    errand_detail *detail = er_detail(&r);
    if (detail) {
        detail->reason = reason;
        detail->phase = at;
        detail->elapsed_ms = (er_pool_now(p->http->pool) - p->began_ns) / ER_MS;
    }
    return r;
}

static errand_result unperformed(const perform *p, int error)
{
    return failed(p, error, er_kind_of(error), "queue", ERRAND_BY_NONE, errand_strerror(error));
}

static errand_result stopped(const perform *p)
{
    errand_reason reason = (errand_reason)er_load(&p->cancelled);
    bool late = reason == ERRAND_BY_TOTAL || reason == ERRAND_BY_ATTEMPT;
    return failed(p, late ? ETIMEDOUT : ECANCELED,
                  late ? ERRAND_KIND_TIMEOUT : ERRAND_KIND_CANCELLED, phase(p), reason,
                  late ? "its time is over" : "cancelled");
}

static errand_result ended(const perform *p, CURLcode code)
{
    long status = 0;
    if (!code) return errand_ok(NULL, NULL);
    const char *said = curl_easy_strerror(code);
    er_fault fault = er_curl_fault((int)code, said);
    if (code == CURLE_HTTP_RETURNED_ERROR &&
        !curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status) && status >= 400) {
        return failed(p, ERRAND_HTTP + (int)status, er_status_kind((int)status), "body",
                      ERRAND_BY_NONE, said);
    }
    errand_result r = failed(p, fault.error ? fault.error : ERRAND_CURL + (int)code, fault.kind,
                             fault.phase ? fault.phase : phase(p), ERRAND_BY_NONE, said);
    errand_detail *detail = er_detail(&r);
    if (detail) detail->attempts_most = fault.attempts_most;
    return r;
}

static void over(perform *p, errand_result r)
{
    errand_http *http = p->http;
    er_live_remove(http->pool, &p->live);
    if (p->timed && er_timer_disarm(http->pool, &p->timer)) drop(p);
    er_lock_take(&http->scheduler.lock);
    p->place = ER_PLACE_OVER;
    p->by = NULL; /* it may be gone when a late timer cancels */
    if (er_listed(&p->in_session)) er_list_remove(&p->in_session);
    er_scheduler_end(&http->scheduler, &p->turn);
    er_lock_give(&http->scheduler.lock);
    r.value = r.owner = p->easy; /* the handle comes back, also with a failure */
    r.free = p->free;
    errand_promise_resolve(p->promise, r);
    er_session_fewer(http, &http->exchanges);
    drop(p);
}

/* ---- cancels ---- */

static void wake(performer *by) /* under the session's lock */
{
    if (by->multi) curl_multi_wakeup(by->multi);
}

/* Takes p, if there is one, from a performer; under the session's lock. It is
 * the caller's to end. */
static perform *take_back(performer *by)
{
    perform *p = by->job;
    by->job = NULL;
    if (p) p->by = NULL;
    if (p) p->place = ER_PLACE_OVER;
    return p;
}

static void over_unbegun(perform *p, errand_result r) /* and grants its slot */
{
    errand_http *http = p->http;
    er_session_hold(http);
    over(p, r);
    er_dispatch(&http->lanes[0], NULL);
    er_session_let_go(http);
}

static void cancel(perform *p, errand_reason reason)
{
    unsigned none = ERRAND_BY_NONE;
    errand_http *http = p->http;
    if (!er_cas_strong(&p->cancelled, &none, (unsigned)reason)) return;
    er_lock_take(&http->scheduler.lock);
    bool waits = p->place == ER_PLACE_LINE, unbegun = p->by && !p->by->begun;
    if (waits) {
        er_scheduler_quit(&http->scheduler, &p->turn);
        p->place = ER_PLACE_OVER; /* ours to end */
    } else if (unbegun) {
        take_back(p->by);
    } else if (p->by) {
        wake(p->by);
    }
    er_lock_give(&http->scheduler.lock);
    if (waits) over(p, stopped(p));
    if (unbegun) over_unbegun(p, stopped(p));
}

static void on_cancel(void *arg)
{
    perform *p = arg;
    errand_reason reason = errand_promise_cancelled(p->promise);
    cancel(p, reason == ERRAND_BY_NONE ? ERRAND_BY_CALLER : reason);
}

static void on_time(er_timer *timer)
{
    perform *p = er_of(timer, perform, timer);
    cancel(p, er_pool_shut(p->http->pool) ? ERRAND_BY_SHUTDOWN : ERRAND_BY_TOTAL);
    drop(p);
}

void er_performs_cancel(errand_http *http)
{
    er_list left;
    er_node *node;
    er_lock_take(&http->scheduler.lock);
    er_list_take_all(&left, &http->performs);
    while ((node = er_list_pop(&left))) {
        perform *p = er_of(node, perform, in_session);
        er_add(&p->count, 1);
        er_lock_give(&http->scheduler.lock);
        cancel(p, ERRAND_BY_SHUTDOWN);
        drop(p);
        er_lock_take(&http->scheduler.lock);
    }
    er_lock_give(&http->scheduler.lock);
}

/* ---- performers ---- */

/* libcurl repeats a request after 417; with an Expect header of the caller's own it repeats it
 * without end. The callbacks that could refuse this are the caller's, so it is noticed when
 * libcurl returns: while it connects, or waits for an answer. */
static bool is_refused(CURL *easy, long *followed)
{
    long status = 0, now = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    /* of all that curl sends again after an answer */
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_COUNT, &now);
    bool again = status == 417 && now > *followed;
    *followed = now;
    return again;
}

static errand_result carry(performer *by, perform *p)
{
    CURL *easy = p->easy;
    curl_off_t us = 0;
    long followed = 0;
    unsigned refused = 0;
    if (er_load(&p->cancelled)) { /* not begun: the handle's figures are of an earlier transfer */
        er_lock_take(&p->http->scheduler.lock);
        p->by = NULL;
        er_lock_give(&p->http->scheduler.lock);
        return stopped(p);
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    CURLMcode bad = curl_multi_add_handle(by->multi, easy);
    if (bad) {
        bool ours = bad == CURLM_OUT_OF_MEMORY;
        return failed(p, ours ? ENOMEM : EINVAL,
                      ours ? ERRAND_KIND_RESOURCE : ERRAND_KIND_VALIDATION, "queue", ERRAND_BY_NONE,
                      curl_multi_strerror(bad));
    }
    for (;;) {
        int running, left;
        curl_multi_perform(by->multi, &running);
        er_end_in_child();
        CURLMsg *message = curl_multi_info_read(by->multi, &left);
        if (message) {
            CURLcode code = message->data.result;
            curl_multi_remove_handle(by->multi, easy);
            return ended(p, code);
        }
        refused += is_refused(easy, &followed);
        bool insists = refused > 1; /* the first time curl may have removed an Expect of its own */
        if (insists || er_load(&p->cancelled)) { /* removal resets the handle's figures */
            errand_result r = insists
                                  ? failed(p, ERRAND_HTTP + 417, er_status_kind(417), "first byte",
                                           ERRAND_BY_NONE, "its Expect was refused twice")
                                  : stopped(p);
            curl_multi_remove_handle(by->multi, easy);
            return r;
        }
        /* as curl_easy_perform: before 8.4 curl may forget to try a host's next address
         * until it is called again */
        bool sent = !curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &us) && us > 0;
        curl_multi_poll(by->multi, NULL, 0, sent ? 60000 : 1000, NULL);
    }
}

/* The next job. NULL: the performer ends, and its multi can be freed. */
static perform *next_job(performer *by)
{
    errand_http *http = by->http;
    int64_t until = er_deadline(er_now_ns(), http->defaults.keepalive_ms);
    for (;;) {
        int64_t left = er_ms_until(er_now_ns(), until);
        er_lock_take(&http->scheduler.lock);
        perform *p = by->job;
        bool ends = !p && (by->stop || !left);
        if (ends) by->stop = true;
        if (ends) by->multi = NULL;
        er_lock_give(&http->scheduler.lock);
        if (p || ends) return p;
        curl_multi_poll(by->multi, NULL, 0, left > 60000 ? 60000 : (int)left, NULL);
    }
}

static void run(er_service *self)
{
    performer *by = er_of(self, performer, service);
    errand_http *http = by->http;
    CURLM *multi = curl_multi_init();
    if (multi) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L);
    er_lock_take(&http->scheduler.lock);
    by->multi = multi;
    by->begun = true;
    er_lock_give(&http->scheduler.lock);
    for (perform *p; (p = next_job(by));) {
        errand_result r = multi ? carry(by, p) : errand_fail(ENOMEM);
        er_lock_take(&http->scheduler.lock);
        by->job = NULL; /* before its slot is free, which may be granted to this performer again */
        if (!multi) by->stop = true;
        er_lock_give(&http->scheduler.lock);
        over(p, r);
        er_dispatch(&http->lanes[0], NULL);
    }
    if (multi) curl_multi_cleanup(multi);
}

static void order_to_stop(er_service *self, bool now)
{
    performer *by = er_of(self, performer, service);
    er_lock_take(&by->http->scheduler.lock);
    by->stop = true;
    perform *p = now ? by->job : NULL;
    if (p) er_add(&p->count, 1);
    wake(by);
    er_lock_give(&by->http->scheduler.lock);
    if (!p) return;
    cancel(p, ERRAND_BY_SHUTDOWN);
    drop(p);
}

/* Takes a performer out of the session; under its lock. Returns the perform that it still has,
 * which the caller must end, or NULL. */
static perform *leave(performer *by)
{
    er_list_remove(&by->node);
    er_scheduler_closed(&by->http->scheduler, &by->http->performing->spots[0], by->asked);
    return take_back(by);
}

static void gone(er_service *self)
{
    performer *by = er_of(self, performer, service);
    errand_http *http = by->http;
    er_lock_take(&http->scheduler.lock);
    perform *p = leave(by); /* no thread has come for it */
    er_lock_give(&http->scheduler.lock);
    if (p) over(p, er_load(&p->cancelled) ? stopped(p) : unperformed(p, EAGAIN));
    er_dispatch(&http->lanes[0], NULL);
    er_free(by);
    er_session_less(http, &http->lanes_on);
}

static void called(er_slot_turn *turn)
{
    perform *p = er_of(turn, perform, turn);
    unsigned none = ERRAND_BY_NONE;
    p->place = ER_PLACE_LANE;
    /* in a pool that shuts down nothing is sent any more: its performer ends it */
    if (er_pool_shut(p->http->pool))
        er_cas_strong(&p->cancelled, &none, (unsigned)ERRAND_BY_SHUTDOWN);
}

/* Under the session's lock. False: p was cancelled after it left the line and before it had a
 * performer; the caller must end it. */
static bool give_to(performer *by, perform *p)
{
    if (er_load(&p->cancelled)) {
        p->place = ER_PLACE_OVER;
        return false;
    }
    by->job = p;
    p->by = by;
    return true;
}

static bool begin(er_slot_turn *turn)
{
    perform *p = er_of(turn, perform, turn);
    errand_http *http = p->http;
    performer *by = NULL;
    er_lock_take(&http->scheduler.lock);
    for (er_node *at = http->performers.head.next; at != &http->performers.head && !by;
         at = at->next) {
        performer *seen = er_of(at, performer, node);
        if (!seen->job && !seen->stop) by = seen;
    }
    bool given = by && give_to(by, p);
    if (given) wake(by);
    er_lock_give(&http->scheduler.lock);
    if (given) return true;
    performer *fresh = by ? NULL : er_alloc_zero(sizeof *fresh);
    if (!fresh) {
        over(p, by ? stopped(p) : unperformed(p, ENOMEM));
        return false;
    }
    fresh->service =
        (er_service){ .name = "errand-http", .run = run, .stop = order_to_stop, .gone = gone };
    fresh->http = http;
    er_session_more(http, &http->lanes_on);
    er_lock_take(&http->scheduler.lock);
    given = give_to(fresh, p);
    if (given) er_list_push(&http->performers, &fresh->node);
    if (given) er_scheduler_opened(&http->scheduler, &http->performing->spots[0]);
    er_lock_give(&http->scheduler.lock);
    int error = given ? er_service_start(http->pool, &fresh->service) : 0;
    if (given && !error) return true;
    er_lock_take(&http->scheduler.lock);
    if (given) p = leave(fresh); /* perhaps another one, or none */
    er_lock_give(&http->scheduler.lock);
    er_free(fresh);
    if (p) over(p, er_load(&p->cancelled) ? stopped(p) : unperformed(p, error));
    er_session_less(http, &http->lanes_on);
    return false;
}

/* Ends those that are idle: all, or as many as are asked back and not ending yet. */
static void stop_idle(errand_http *http, bool asked_back)
{
    er_lock_take(&http->scheduler.lock);
    er_spot *spot = &http->performing->spots[0];
    er_node *end = &http->performers.head;
    unsigned n = spot->asked;
    http->scheduler.carrier_asked = false;
    for (er_node *at = end->next; at != end; at = at->next) n -= er_of(at, performer, node)->asked;
    for (er_node *at = end->next; at != end && (n || !asked_back); at = at->next) {
        performer *by = er_of(at, performer, node);
        if (by->stop || by->job) continue;
        by->stop = true;
        by->asked = n > 0;
        n -= n > 0;
        wake(by);
    }
    if (n) er_scheduler_kept(&http->scheduler, spot, n);
    er_lock_give(&http->scheduler.lock);
}

static void fewer(er_route *route)
{
    stop_idle(er_of(route->scheduler, errand_http, scheduler), true);
}

static const er_carrier performers = { called, begin, fewer };

void er_performers_stop(errand_http *http)
{
    if (http->performing) stop_idle(http, false);
}

/* ---- for the dump ---- */

static perform *of_live(er_live *live) { return er_of(live, perform, live); }
static void release_live(er_live *live) { drop(of_live(live)); }
static int64_t keep_live(er_live *live)
{
    er_add(&of_live(live)->count, 1);
    return 0;
}

static void describe_perform(er_live *live, er_description *d)
{
    perform *p = of_live(live);
    er_lock_take(&p->http->scheduler.lock);
    er_place place = p->place;
    size_t waiting = place == ER_PLACE_LINE ? p->turn.route->waiting : 0;
    bool begun = p->by && p->by->begun;
    er_lock_give(&p->http->scheduler.lock);
    if (place == ER_PLACE_OVER) return;
    d->what = "transfer";
    d->name = "caller's handle";
    d->cancelled = (errand_reason)er_load(&p->cancelled);
    d->since_ns = er_coarse_ns() - (er_pool_now(p->http->pool) - p->began_ns);
    if (place == ER_PLACE_NEW) er_describe(d, "begins");
    else if (place == ER_PLACE_LINE)
        er_describe(d, "in line with %zu, waits for a connection", waiting);
    else er_describe(d, begun ? "curl has it, on a thread of its own" : "waits for a thread");
}

static const er_live_kind perform_kind = {
    .keep = keep_live, .describe = describe_perform, .release = release_live
};

/* ---- the public side ---- */

errand_future *errand_perform(errand_http *http, void *easy, errand_free_fn *free)
{
    if (!http || !easy)
        return er_failed(NULL, errand_failf(EINVAL, http ? "easy is NULL" : "session is NULL"));
    if (er_pool_dead(http->pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    errand_future *f;
    errand_promise *promise = er_promise_new(http->pool, &f);
    perform *p = promise ? er_alloc_zero(sizeof *p) : NULL;
    if (!p) {
        errand_result r = { ENOMEM, easy, free, easy, NULL };
        if (promise) errand_promise_resolve(promise, r);
        else errand_result_free(&r);
        return f;
    }
    er_session_hold(http); /* for p */
    p->count = 1;
    p->http = http;
    p->promise = promise;
    p->easy = easy;
    p->free = free;
    p->began_ns = er_pool_now(http->pool);
    er_add(&http->exchanges, 1);
    p->live = (er_live){ .kind = &perform_kind, .site = __builtin_return_address(0) };
    er_live_add(http->pool, &p->live);
    errand_promise_on_cancel(promise, on_cancel, p);
    int64_t left = errand_time_left(), total = http->defaults.total_ms;
    int64_t at_ns = er_deadline(p->began_ns, left < total ? left : total);
    int error = 0;
    if (at_ns != INT64_MAX) {
        p->timer.fn = on_time;
        p->timed = true;
        er_add(&p->count, 1);
        error = er_timer_arm(http->pool, &p->timer, at_ns);
        if (error) {
            p->timed = false;
            drop(p);
        }
    }
    er_lock_take(&http->scheduler.lock);
    bool closing = http->closing;
    if (!http->performing && !closing)
        http->performing = er_scheduler_carried(&http->scheduler, &performers); /* and keeps it */
    if (!error && !closing && !http->performing) error = ENOMEM;
    bool joins = !error && !closing && !er_load(&p->cancelled);
    p->place = joins ? ER_PLACE_LINE : ER_PLACE_OVER;
    if (joins) {
        p->turn.route = http->performing;
        p->turn.route->users++;
        er_list_push(&http->performs, &p->in_session);
        er_scheduler_join(&http->scheduler, &p->turn, false);
    }
    er_lock_give(&http->scheduler.lock);
    if (closing) over(p, errand_failf(EINVAL, "the session is closed"));
    else if (!joins) over(p, error ? unperformed(p, error) : stopped(p));
    else er_dispatch(&http->lanes[0], NULL);
    return f;
}
