/* http/dispatch.c -- carries out the turns that the scheduler grants.
 *
 *   line --turn--> lane | carrier
 *          host unknown: look-up --> line again, or all that wait for it end
 *
 * A thread that joins a line or frees a slot grants turns (chosen by scheduler.c) under the
 * session's lock until none is left. After releasing the lock it hands them to their lanes, looks
 * up hosts and asks lanes for idle connections. A lane that frees a slot takes its own turns right
 * away. Dispatch is not re-entrant: what cannot be carried out is ended, and go() grants again. */
#include "http/dispatch.h"

#include "http/outcome.h"

#include <errno.h>
#include <netdb.h>

bool er_dispatch_grant(errand_http *http, er_lane *here, er_list *mine, er_dispatched *out)
{
    er_scheduler *scheduler = &http->scheduler;
    er_slot_turn *turn;
    bool shut = er_pool_shut(http->pool);
    er_list_init(&out->exchanges);
    er_list_init(&out->carried);
    while (!http->cancelling && (turn = er_scheduler_next(scheduler, http->pool))) {
        if (turn->route->carrier) {
            turn->route->carrier->called(turn);
            er_list_push(&out->carried, &turn->node);
            continue;
        }
        er_exchange *x = er_of(turn, er_exchange, turn);
        x->lane = er_of(turn->spot->berth, er_lane, berth);
        x->place = ER_PLACE_LANE;
        /* its lane ends it: nothing goes out any more */
        if (shut) er_exchange_cancel(x, ERRAND_BY_SHUTDOWN);
        if (turn->route->found) x->found = er_found_keep(turn->route->found);
        er_list_push(mine && x->lane == here ? mine : &out->exchanges, &x->queued);
    }
    return !er_list_empty(&out->exchanges) || !er_list_empty(&out->carried) ||
           !er_list_empty(&scheduler->unknown) || !er_list_empty(&scheduler->crowded) ||
           scheduler->carrier_asked;
}

static void fail_waiters(errand_http *http, er_route *route, const er_found *found, int error)
{
    er_list turns;
    er_node *node;
    er_lock_take(&http->scheduler.lock);
    er_scheduler_lost(&http->scheduler, route, &turns);
    for (node = turns.head.next; node != &turns.head; node = node->next) {
        er_exchange *x = er_of(node, er_exchange, turn.node);
        x->place = ER_PLACE_OVER; /* ours to end */
        x->resolving = true;
    }
    er_lock_give(&http->scheduler.lock);
    while ((node = er_list_pop(&turns))) {
        er_exchange *x = er_of(node, er_exchange, turn.node);
        x->over(x, error ? er_outcome_failed(x, error, "the host cannot be looked up")
                         : er_outcome_lost(x, &found->addresses));
    }
}

/* The caller's resolver was not called any more: its pool is closing. */
static bool is_cancelled(const er_addresses *addresses)
{
    return addresses->error == EAI_SYSTEM && addresses->system == ECANCELED;
}

/* found is counted, or NULL */
static void looked_up(errand_http *http, er_route *route, er_found *found, int error)
{
    if (!error && is_cancelled(&found->addresses)) error = ECANCELED;
    if (error || found->addresses.error) {
        fail_waiters(http, route, found, error);
        er_found_drop(found);
        return;
    }
    er_lock_take(&http->scheduler.lock);
    er_scheduler_found(&http->scheduler, route, found);
    er_lock_give(&http->scheduler.lock);
}

static void go(errand_http *http, er_lane *here, er_list *mine);

static void look_up_done(er_ask *ask, er_found *found)
{
    er_route *route = er_of(ask, er_route, ask);
    errand_http *http = er_of(route->scheduler, errand_http, scheduler);
    looked_up(http, route, found, found ? 0 : ENOMEM);
    go(http, NULL, NULL);
    er_session_less(http, &http->look_ups);
}

static void look_up(errand_http *http, er_route *route)
{
    er_found *found = NULL;
    route->ask.done = look_up_done;
    er_session_more(http, &http->look_ups);
    found = er_fixed_hosts_find(http->fixed_hosts, route->host, route->port);
    int error = 0;
    if (!found) error = er_resolver_ask(http->resolver, route->host, &route->ask, &found);
    if (error == EINPROGRESS) return;
    looked_up(http, route, found, error);
    er_session_less(http, &http->look_ups);
}

/* Carries out *out, look-ups and requests for idle connections. True: more turns may be granted. */
static bool carry_out(errand_http *http, er_dispatched *out)
{
    er_node *node;
    bool again = false;
    while ((node = er_list_pop(&out->exchanges))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        again |= !er_lane_add(x->lane, x);
    }
    while ((node = er_list_pop(&out->carried))) {
        er_slot_turn *turn = er_of(node, er_slot_turn, node);
        again |= !turn->route->carrier->begin(turn);
    }
    for (;;) {
        er_lock_take(&http->scheduler.lock);
        er_route *route = er_scheduler_unknown(&http->scheduler);
        er_berth *berth = er_scheduler_crowded(&http->scheduler);
        bool fewer = http->scheduler.carrier_asked;
        er_lock_give(&http->scheduler.lock);
        if (fewer) http->performing->carrier->fewer(http->performing);
        if (berth) er_lane_look(er_of(berth, er_lane, berth));
        if (route) look_up(http, route);
        if (!route && !berth && !fewer) return again;
        again |= route || fewer;
    }
}

static void go(errand_http *http, er_lane *here, er_list *mine)
{
    bool again;
    do {
        er_dispatched out;
        er_lock_take(&http->scheduler.lock);
        bool left = er_dispatch_grant(http, here, mine, &out);
        er_lock_give(&http->scheduler.lock);
        again = left && carry_out(http, &out);
    } while (again);
}

void er_dispatch_carry_out(errand_http *http, er_dispatched *out)
{
    if (carry_out(http, out)) go(http, NULL, NULL);
}

void er_dispatch(er_lane *lane, er_list *mine) { go(lane->http, lane, mine); }

/* Moves x to a lane that has a thread and room. False: there is none. */
static bool take_elsewhere(errand_http *http, er_exchange *x)
{
    er_scheduler *scheduler = &http->scheduler;
    for (unsigned i = 0; i < http->n_lanes; i++) {
        er_lane *lane = &http->lanes[i];
        if (!er_lane_begun(lane)) continue;
        er_lock_take(&scheduler->lock);
        bool moves = er_scheduler_move(scheduler, &x->turn, &lane->berth);
        if (moves) x->lane = lane;
        er_lock_give(&scheduler->lock);
        if (!moves) continue;
        er_lane_add(lane, x); /* the result does not matter: turns are granted after refuse */
        return true;
    }
    return false;
}

void er_dispatch_refuse(er_lane *lane, er_list *refused, int error)
{
    er_node *node;
    while ((node = er_list_pop(refused))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        /* a pool that shuts down cancels, and has no other thread */
        bool cancelled = er_exchange_cancelled(x) != ERRAND_BY_NONE;
        if (!cancelled && (error == EAGAIN || error == ENOMEM) && take_elsewhere(lane->http, x))
            continue;
        x->over(x, cancelled ? er_outcome_stopped(x)
                             : er_outcome_failed(x, error, "no thread for transfers"));
    }
}
