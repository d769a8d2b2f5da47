/* http/send.c -- requests come in, wait for their turn, go to a lane, come back.
 *
 *   send --check, copy--> exchange --> line --turn--> lane --> over: slot free, resolve
 *     |                      ^          ^ | host unknown: look-up     |
 *     +--policy--> run: attempts        | +---------------            +-- redirect --> line
 *
 * Whoever joins a line or frees a slot gives turns (slots.c says to whom) until nobody can go, under the session's lock;
 * outside of it he carries them to their lanes, looks up hosts and asks lanes for idle connections. A lane that frees
 * a slot takes the turns that are for itself right away. Nobody gives turns from inside giving turns: what cannot be
 * carried out is ended, and he looks once more.
 *
 * A lock is held for a few instructions, and never two. Who ends an exchange, and when, stands in exchange.c. */
#include "http/perform.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/options.h"
#include "base/result.h"
#include "http/outcome.h"
#include "http/stage.h"

#include <errno.h>
#include <string.h>

/* ---- the end of an exchange ---- */

static void report(const er_exchange *x, const errand_result *r)
{
    const errand_response *response = r->value;
    if (!errand_log_on(x->http->log, ERRAND_LOG_DEBUG)) return;
    if (r->error) {
        errand_debug(x->http->log, "%s", errand_result_message(r));
        return;
    }
    char *label = er_request_label(x->request);
    errand_debug(x->http->log, "%s: %d in %.1f ms", label ? label : "", response->status, response->timings.total);
    er_free(label);
}

static void tell_end(const er_exchange *x, const errand_result *r)
{
    const errand_response *response = r->value;
    er_stage(x->request, x->number, r->error ? ERRAND_STAGE_FAILED : ERRAND_STAGE_DONE, x->clock_ns,
             errand_response_status(response), r->error);
}

static void over(er_exchange *x, errand_result r)
{
    errand_http *http = x->http;
    er_lock_take(&http->slots.lock);
    x->place = ER_PLACE_OVER;
    if (er_listed(&x->in_session)) er_list_remove(&x->in_session);
    if (x->turn.spot) er_slots_done(&http->slots, &x->turn);
    if (x->turn.origin) er_slots_leave(&http->slots, x->turn.origin);
    er_lock_give(&http->slots.lock);
    if (x->timed && er_timer_disarm(http->pool, &x->timer)) er_exchange_drop(x); /* after `place`: see wait_on */
    report(x, &r);
    if (x->reused) er_add_relaxed(&http->reused, 1); /* relaxed: figures, no more */
    if (x->resends) er_add_relaxed(&http->resent, x->resends);
    if (x->number) tell_end(x, &r);
    if (x->streams) {
        if (!r.error) errand_result_free(&r); /* the reader has it all */
        x->sink->ended(x->sink, r);
    }
    er_exchange_drop_flows(x);
    if (!x->streams) errand_resolve(x->promise, r);
    er_session_fewer(http, &http->exchanges);
    er_exchange_drop(x); /* which holds the session */
}

/* ---- turns ---- */

typedef struct going { /* turns on their way */
    er_list exchanges, performs;
} going;

/* Those whose turn it is, into out, or into mine if it is here; under the lock. */
static void give_turns(errand_http *http, er_lane *here, er_list *mine, going *out)
{
    er_slot_turn *turn;
    er_list_init(&out->exchanges);
    er_list_init(&out->performs);
    while (!http->cancelling && (turn = er_slots_next(&http->slots, http->pool))) {
        if (turn->origin->alone) {
            er_perform_called(turn);
            er_list_push(&out->performs, &turn->node);
            continue;
        }
        er_exchange *x = er_of(turn, er_exchange, turn);
        x->lane = er_of(turn->spot->berth, er_lane, berth);
        x->place = ER_PLACE_LANE;
        if (turn->origin->found) x->found = er_found_keep(turn->origin->found);
        er_list_push(mine && x->lane == here ? mine : &out->exchanges, &x->queued);
    }
}

static void come_to_nothing(errand_http *http, er_origin *origin, const er_found *found, int error)
{
    er_list turns;
    er_node *node;
    er_lock_take(&http->slots.lock);
    er_slots_lost(&http->slots, origin, &turns);
    for (node = turns.head.next; node != &turns.head; node = node->next) {
        er_exchange *x = er_of(node, er_exchange, turn.node);
        x->place = ER_PLACE_OVER; /* ours to end */
        x->resolving = true;
    }
    er_lock_give(&http->slots.lock);
    while ((node = er_list_pop(&turns))) {
        er_exchange *x = er_of(node, er_exchange, turn.node);
        over(x, error ? er_outcome_failed(x, error, "the host cannot be looked up")
                      : er_outcome_lost(x, &found->addresses));
    }
}

static void looked_up(errand_http *http, er_origin *origin, er_found *found, int error) /* found is counted, or NULL */
{
    if (error || found->addresses.error) {
        come_to_nothing(http, origin, found, error);
        er_found_drop(found);
        return;
    }
    er_lock_take(&http->slots.lock);
    er_slots_found(&http->slots, origin, found);
    er_lock_give(&http->slots.lock);
}

static void go(errand_http *http, er_lane *here, er_list *mine);

static void heard(er_ask *ask, er_found *found)
{
    er_origin *origin = er_of(ask, er_origin, ask);
    errand_http *http = er_of(origin->slots, errand_http, slots);
    looked_up(http, origin, found, found ? 0 : ENOMEM);
    go(http, NULL, NULL);
    er_session_let_go(http);
}

static void look_up(errand_http *http, er_origin *origin)
{
    er_found *found = NULL;
    origin->ask.heard = heard;
    er_session_hold(http);
    int error = er_resolver_ask(http->resolver, origin->host, &origin->ask, &found);
    if (error == EINPROGRESS) return;
    looked_up(http, origin, found, error);
    er_session_let_go(http);
}

/* What giving turns has left to be done. True: then there may be more turns to give. */
static bool carry_out(errand_http *http, going *out)
{
    er_node *node;
    bool again = false;
    while ((node = er_list_pop(&out->exchanges))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        er_lane_add(x->lane, x);
    }
    while ((node = er_list_pop(&out->performs))) again |= !er_perform_begin(http, er_of(node, er_slot_turn, node));
    for (;;) {
        er_lock_take(&http->slots.lock);
        er_origin *origin = er_slots_unknown(&http->slots);
        er_berth *berth = er_slots_crowded(&http->slots);
        bool fewer = http->slots.alone_asked;
        er_lock_give(&http->slots.lock);
        if (fewer) er_performers_fewer(http);
        if (berth) er_lane_look(er_of(berth, er_lane, berth));
        if (origin) look_up(http, origin);
        if (!origin && !berth && !fewer) return again;
        again |= origin || fewer;
    }
}

/* Nothing is left to be done; under the lock. */
static bool at_rest(const errand_http *http, const going *out)
{
    return er_list_empty(&out->exchanges) && er_list_empty(&out->performs) && er_list_empty(&http->slots.unknown) &&
           er_list_empty(&http->slots.crowded) && !http->slots.alone_asked;
}

static void go(errand_http *http, er_lane *here, er_list *mine)
{
    bool again;
    do {
        going out;
        er_lock_take(&http->slots.lock);
        give_turns(http, here, mine, &out);
        bool rest = at_rest(http, &out);
        er_lock_give(&http->slots.lock);
        again = !rest && carry_out(http, &out);
    } while (again);
}

void er_session_go(er_lane *lane, er_list *mine) { go(lane->http, lane, mine); }

void er_session_refuse(er_lane *lane, er_list *refused, int error)
{
    errand_http *http = lane->http;
    er_node *node;
    er_session_hold(http);
    while ((node = er_list_pop(refused))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        over(x, er_outcome_failed(x, error, "no thread for transfers"));
    }
    go(http, NULL, NULL);
    er_session_let_go(http);
}

void er_session_rest(er_exchange *x)
{
    er_slots *slots = &x->http->slots;
    er_lock_take(&slots->lock);
    er_slots_done(slots, &x->turn);
    er_slots_leave(slots, x->turn.origin);
    x->turn.origin = NULL;
    er_lock_give(&slots->lock);
}

static void wait_on(er_exchange *x, int64_t at_ns) /* the timer is armed again */
{
    errand_http *http = x->http;
    er_exchange_arm(x, at_ns);
    er_lock_take(&http->slots.lock);
    bool gone = x->place == ER_PLACE_OVER; /* meanwhile: who ended it found no timer to disarm */
    er_lock_give(&http->slots.lock);
    if (gone && er_timer_disarm(http->pool, &x->timer)) er_exchange_drop(x);
}

void er_session_again(er_exchange *x, er_where *where)
{
    errand_http *http = x->http;
    if (x->number) er_stage(x->request, x->number, ERRAND_STAGE_REDIRECT, x->clock_ns, x->response->status, 0);
    er_found *found = x->found;
    int64_t now = er_pool_now(http->pool);
    er_lock_take(&http->slots.lock);
    er_slots_done(&http->slots, &x->turn);
    er_slots_leave(&http->slots, x->turn.origin);
    x->turn.origin = er_slots_origin(&http->slots, where->key, where->host, where->port);
    x->found = NULL;
    x->seated_ns = 0;
    x->sent = false;
    x->asked_ns = now;
    bool joins = x->turn.origin && !er_exchange_told(x);
    x->place = joins ? ER_PLACE_LINE : ER_PLACE_OVER;
    if (joins) er_slots_join(&http->slots, &x->turn, true);
    bool looks = joins && er_swap(&x->look, 0); /* its lane has not come to it, and the timer is not armed */
    if (looks) er_exchange_keep(x);
    er_lock_give(&http->slots.lock);
    er_found_drop(found);
    er_where_free(where);
    if (looks) {
        wait_on(x, now);
        er_exchange_drop(x);
    }
    if (!joins) over(x, x->turn.origin ? er_outcome_stopped(x) : er_outcome_failed(x, ENOMEM, NULL));
}

/* ---- being told to end ---- */

static void take_out_of_line(er_exchange *x) /* under the lock */
{
    er_slots_quit(&x->http->slots, &x->turn);
    x->place = ER_PLACE_OVER; /* the caller's to end */
    x->resolving = x->turn.origin->looking;
}

void er_session_tell(er_exchange *x, errand_reason reason)
{
    if (!er_exchange_tell(x, reason)) return;
    errand_http *http = x->http;
    er_lock_take(&http->slots.lock);
    er_place place = x->place;
    er_lane *lane = x->lane;
    if (place == ER_PLACE_LINE) take_out_of_line(x);
    er_lock_give(&http->slots.lock);
    if (place == ER_PLACE_LINE) over(x, er_outcome_stopped(x));
    else if (place == ER_PLACE_LANE) er_lane_leave(lane, x);
}

static void on_cancel(void *arg)
{
    er_exchange *x = arg;
    errand_reason reason = errand_promise_cancelled(x->promise);
    er_session_tell(x, reason == ERRAND_BY_NOBODY ? ERRAND_BY_CALLER : reason);
}

/* ---- what a sink or source has to say ---- */

static er_exchange *of_valve(er_valve *valve) { return er_of(valve, er_exchange, valve); }

static void wake(er_exchange *x) /* so that its lane sees `resumed` */
{
    errand_http *http = x->http;
    er_lock_take(&http->slots.lock);
    er_lane *lane = x->place == ER_PLACE_LANE ? x->lane : NULL;
    er_lock_give(&http->slots.lock);
    if (lane) er_lane_look(lane);
}

static void nobody_reads(er_valve *valve) { er_session_tell(of_valve(valve), ERRAND_BY_CALLER); }

static void finished(er_valve *valve, int error)
{
    er_exchange *x = of_valve(valve);
    if (error) {
        errand_result_free(&x->result);
        x->result = er_outcome_failed(x, error, NULL);
    }
    over(x, x->result);
}

static void on_time(er_timer *timer)
{
    er_exchange *x = er_of(timer, er_exchange, timer);
    errand_http *http = x->http;
    int64_t now = er_pool_now(x->pool), next = INT64_MAX;
    if (er_pool_shut(x->pool)) { /* then all timers are called */
        er_session_tell(x, ERRAND_BY_SHUTDOWN);
    } else if (er_deadline(x->began_ns, x->total_ms) <= now) {
        er_session_tell(x, ERRAND_BY_TOTAL);
    } else {
        er_limit late = ER_LIMIT_NONE;
        er_lock_take(&http->slots.lock);
        er_place place = x->place;
        er_lane *lane = x->lane;
        if (place == ER_PLACE_LANE) er_store(&x->look, 1); /* under the lock: or it is in the line again, unseen */
        if (place == ER_PLACE_LINE || place == ER_PLACE_NEW) late = er_exchange_overdue(x, now, &next);
        if (place == ER_PLACE_LINE && late) take_out_of_line(x);
        er_lock_give(&http->slots.lock);
        if (place == ER_PLACE_LANE) {
            er_lane_look(lane);
        } else if (place == ER_PLACE_LINE && late) {
            over(x, er_outcome_late(x, late));
        } else if (place != ER_PLACE_OVER) {
            wait_on(x, late ? now + ER_MS : next);
        }
    }
    er_exchange_drop(x); /* the timer's */
}

/* 0, or why it was not armed. */
static int arm(er_exchange *x)
{
    int64_t left = errand_time_left(), next; /* of the task that we are in: an attempt, or the caller's own */
    if (left == 0) return ERRAND_ELATE;
    if (left < x->total_ms) x->total_ms = left;
    x->timer.fn = on_time;
    er_limit late = er_exchange_overdue(x, x->began_ns, &next);
    if (late) next = x->began_ns; /* one of them is 0 */
    x->timed = next != INT64_MAX;
    int error = er_exchange_arm(x, next);
    if (error) x->timed = false;
    return error;
}

static errand_result refusal(int error, const er_bytes *why)
{
    return why && why->at && !why->error ? errand_failf(error, "%s", why->at) : errand_fail(error);
}

static errand_future *failed(errand_pool *pool, errand_result r)
{
    errand_future *f;
    errand_promise *promise = errand_promise_new(pool, &f);
    if (promise) errand_resolve(promise, r);
    else errand_result_free(&r);
    return f;
}

static errand_result closed(void) { return errand_failf(EINVAL, "the session is closed"); }

/* One attempt. */
static errand_future *start(errand_http *http, er_request *request, bool in_run)
{
    errand_future *f;
    errand_promise *promise = errand_promise_new(http->pool, &f);
    if (!promise) return f;
    er_exchange *x = er_exchange_new(request, http->pool);
    if (!x) {
        errand_resolve(promise, errand_fail(ENOMEM));
        return f;
    }
    er_session_hold(http); /* x's */
    x->http = http;
    x->let_go = er_session_let_go;
    x->promise = promise;
    x->over = over;
    x->wake = wake;
    x->valve.end = nobody_reads;
    x->valve.finished = finished;
    x->number = er_stages_number(http->defaults.stages);
    if (x->number) er_stage(request, x->number, ERRAND_STAGE_QUEUED, x->clock_ns, 0, 0);
    er_add(&http->exchanges, 1);
    errand_on_cancel(promise, on_cancel, x);
    int error = arm(x);
    if (x->total_ms <= 0) er_exchange_tell(x, ERRAND_BY_TOTAL); /* none at all: not a race with the timer */
    const er_where *where = &request->where;
    going out;
    er_lock_take(&http->slots.lock);
    bool refused = in_run ? http->cancelling : http->closing;
    if (!refused) x->turn.origin = er_slots_origin(&http->slots, where->key, where->host, where->port);
    if (!error && !refused && !x->turn.origin) error = ENOMEM;
    if (!refused) er_list_push(&http->all, &x->in_session);
    bool joins = !error && !refused && !er_exchange_told(x);
    x->place = joins ? ER_PLACE_LINE : ER_PLACE_OVER;
    if (joins) er_slots_join(&http->slots, &x->turn, false);
    give_turns(http, NULL, NULL, &out);
    bool rest = at_rest(http, &out);
    er_lock_give(&http->slots.lock);
    if (refused) over(x, in_run ? er_fail_by(ECANCELED, ERRAND_BY_SHUTDOWN) : closed());
    else if (!joins) over(x, error ? er_outcome_failed(x, error, NULL) : er_outcome_stopped(x));
    if (!rest && carry_out(http, &out)) go(http, NULL, NULL);
    return f;
}

/* ---- runs: one request under a policy ---- */

typedef struct run {
    unsigned count; /* the task, who starts it */
    errand_http *http;
    er_request *request;
    er_node node; /* session's lock, with the rest */
    errand_canceller *stop;
    bool ended;
} run;

static void drop_run(run *r)
{
    if (er_sub(&r->count, 1) == 1) er_free(r);
}

static errand_result attempt(void *arg)
{
    run *r = arg;
    return errand_later(start(r->http, r->request, true));
}

static void end_run(void *arg)
{
    run *r = arg;
    errand_http *http = r->http;
    er_lock_take(&http->slots.lock);
    errand_canceller *stop = r->stop;
    r->stop = NULL;
    r->ended = true;
    if (er_listed(&r->node)) er_list_remove(&r->node);
    er_lock_give(&http->slots.lock);
    errand_canceller_free(stop);
    er_request_drop(r->request);
    drop_run(r);
    er_session_less(http, &http->runs);
}

void er_runs_cancel(errand_http *http)
{
    er_node *node;
    er_lock_take(&http->slots.lock);
    while ((node = er_list_pop(&http->running))) {
        run *r = er_of(node, run, node);
        errand_canceller *stop = r->stop;
        r->stop = NULL;
        er_lock_give(&http->slots.lock);
        er_cell_cancel((errand_future *)(void *)stop, ERRAND_BY_SHUTDOWN);
        errand_canceller_free(stop);
        er_lock_take(&http->slots.lock);
    }
    er_lock_give(&http->slots.lock);
}

static errand_future *start_run(errand_http *http, er_request *request, const errand_policy *policy)
{
    run *r = er_alloc(sizeof *r);
    if (!r) return failed(http->pool, errand_fail(ENOMEM));
    er_session_more(http, &http->runs);
    if (er_load(&http->closing)) {
        er_free(r);
        er_session_less(http, &http->runs);
        return failed(http->pool, closed());
    }
    er_request_keep(request);
    *r = (run){ .count = 2, .http = http, .request = request };
    const char *host = strstr(request->where.key, "://") + 3; /* and port: what the policy's limits go by */
    errand_task task = { .fn = attempt, .arg = r, .free = end_run, .name = "http request", .key = host };
    errand_future *f = errand_run_task(http->pool, policy, &task);
    errand_canceller *stop = errand_canceller_of(f);
    er_lock_take(&http->slots.lock);
    if (!r->ended) {
        er_list_push(&http->running, &r->node);
        r->stop = stop;
        stop = NULL;
    }
    er_lock_give(&http->slots.lock);
    errand_canceller_free(stop);
    drop_run(r);
    return f;
}

/* ---- the public side ---- */

errand_future *er_send(errand_http *http, const errand_request *given)
{
    er_bytes why = { 0 };
    er_request *request = NULL;
    int error = er_request_new(&request, given, &http->defaults, &why);
    if (error) {
        errand_future *f = failed(http->pool, refusal(error, &why));
        er_bytes_free(&why);
        return f;
    }
    er_session_hold(http); /* pump may still be busy for others when ours is long over */
    const errand_policy *policy = given->policy ? given->policy : http->policy;
    errand_future *f = policy ? start_run(http, request, policy) : start(http, request, false);
    er_request_drop(request);
    er_session_let_go(http);
    return f;
}

errand_future *errand_get(errand_http *http, const char *url)
{
    errand_request request = { .url = url };
    return errand_send(http, &request);
}

errand_future *errand_post_json(errand_http *http, const char *url, struct json_object *body)
{
    /* JSON's null is NULL to json-c, and is not the same as no body */
    errand_request request = { .method = "POST", .url = url, .json = body };
    static const char *const json[] = { "Content-Type: application/json", NULL };
    if (!body) {
        request.body = (errand_bytes){ "null", 4 };
        request.headers = json;
    }
    return errand_send(http, &request);
}
