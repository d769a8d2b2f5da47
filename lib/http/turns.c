/* http/turns.c -- what becomes of a turn once slots have said whose it is.
 *
 *   line --turn--> lane | performer        host unknown: look-up --> line again, or all that wait for it end
 *
 * Whoever joins a line or frees a slot gives turns (slots.c says to whom) until nobody can go, under the session's lock;
 * outside of it he carries them to their lanes, looks up hosts and asks lanes for idle connections. A lane that frees
 * a slot takes the turns that are for itself right away. Nobody gives turns from inside giving turns: what cannot be
 * carried out is ended, and he looks once more. */
#include "http/turns.h"

#include "http/outcome.h"

#include <errno.h>

bool er_turns_give(errand_http *http, er_lane *here, er_list *mine, er_turns *out)
{
    er_slots *slots = &http->slots;
    er_slot_turn *turn;
    bool shut = er_pool_shut(http->pool);
    er_list_init(&out->exchanges);
    er_list_init(&out->performs);
    while (!http->cancelling && (turn = er_slots_next(slots, http->pool))) {
        if (turn->origin->alone) {
            er_perform_called(turn);
            er_list_push(&out->performs, &turn->node);
            continue;
        }
        er_exchange *x = er_of(turn, er_exchange, turn);
        x->lane = er_of(turn->spot->berth, er_lane, berth);
        x->place = ER_PLACE_LANE;
        if (shut) er_exchange_tell(x, ERRAND_BY_SHUTDOWN); /* its lane ends it: nothing goes out any more */
        if (turn->origin->found) x->found = er_found_keep(turn->origin->found);
        er_list_push(mine && x->lane == here ? mine : &out->exchanges, &x->queued);
    }
    return !er_list_empty(&out->exchanges) || !er_list_empty(&out->performs) || !er_list_empty(&slots->unknown) ||
           !er_list_empty(&slots->crowded) || slots->alone_asked;
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
        x->over(x, error ? er_outcome_failed(x, error, "the host cannot be looked up")
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
static bool carry_out(errand_http *http, er_turns *out)
{
    er_node *node;
    bool again = false;
    while ((node = er_list_pop(&out->exchanges))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        again |= !er_lane_add(x->lane, x);
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

static void go(errand_http *http, er_lane *here, er_list *mine)
{
    bool again;
    do {
        er_turns out;
        er_lock_take(&http->slots.lock);
        bool left = er_turns_give(http, here, mine, &out);
        er_lock_give(&http->slots.lock);
        again = left && carry_out(http, &out);
    } while (again);
}

void er_turns_carry_out(errand_http *http, er_turns *out)
{
    if (carry_out(http, out)) go(http, NULL, NULL);
}

void er_session_go(er_lane *lane, er_list *mine) { go(lane->http, lane, mine); }

/* To a lane that has a thread, and room. */
static bool take_elsewhere(errand_http *http, er_exchange *x)
{
    er_slots *slots = &http->slots;
    for (unsigned i = 0; i < http->n_lanes; i++) {
        er_lane *lane = &http->lanes[i];
        if (!er_lane_begun(lane)) continue;
        er_lock_take(&slots->lock);
        bool moves = er_slots_move(slots, &x->turn, &lane->berth);
        if (moves) x->lane = lane;
        er_lock_give(&slots->lock);
        if (!moves) continue;
        er_lane_add(lane, x); /* who calls refuse gives turns afterwards, whatever has become of x */
        return true;
    }
    return false;
}

void er_session_refuse(er_lane *lane, er_list *refused, int error)
{
    er_node *node;
    while ((node = er_list_pop(refused))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        bool told = er_exchange_told(x) != ERRAND_BY_NOBODY; /* in a pool that shuts down there is none to be had */
        if (!told && (error == EAGAIN || error == ENOMEM) && take_elsewhere(lane->http, x)) continue;
        x->over(x, told ? er_outcome_stopped(x) : er_outcome_failed(x, error, "no thread for transfers"));
    }
}
