/* http/scheduler.c -- limits, FIFO lines, and fairness between routes.
 *
 *   join --> the route's line --its turn--> spot --> done
 *
 * Routes take turns, each serves its own line in order: many requests to one host do not delay
 * those to others. A route may use:
 *   a warm spot   a lane with room has an idle connection to it: costs nothing
 *   a new one     on the lane with the least load, if the route's and the session's charge are
 *                 below their limits, and its host's address is known
 * Where connections are shared (HTTP/2) one that is in use, or in the making, is as warm;
 * transfers are charged, connections not. The charge of a spot is max(running + asked, sockets):
 * a transfer has the connection it runs on, or is owed one; an idle one is charged until it is
 * closed. If only idle connections are in the way, one for each waiting turn is asked back
 * (`asked`) from its lane, oldest first; only that lane can close it.
 *
 * A route is in `ready` unless its line is empty, its own limit is reached or its host is being
 * looked up; a change of these puts it back. What stops all routes (no room on any lane, the
 * session's limit) leaves them there. */
#include "http/scheduler.h"

#include <errno.h>
#include <string.h>

int er_scheduler_init(er_scheduler *s, er_berth *const berths[], unsigned n)
{
    er_list_init(&s->ready);
    er_list_init(&s->unknown);
    er_list_init(&s->spares);
    er_list_init(&s->crowded);
    er_lru_init(&s->routes, ER_SCHEDULER_ROUTES);
    s->loads = er_alloc((s->per_lane + 1) * sizeof *s->loads);
    if (!s->loads) return ENOMEM;
    for (unsigned i = 0; i <= s->per_lane; i++) er_list_init(&s->loads[i]);
    s->n_berths = n;
    for (unsigned i = 0; i < n; i++) {
        er_list_init(&berths[i]->asked);
        berths[i]->index = i;
        er_list_push(&s->loads[0], &berths[i]->in_load);
    }
    return 0;
}

/* ---- routes ---- */

static void free_route(er_lru_item *item)
{
    er_route *o = er_of(item, er_route, item);
    er_found_drop(o->found);
    er_free(o);
}

void er_scheduler_free(er_scheduler *s)
{
    er_lru_item *item;
    while (s->loads && (item = er_lru_pop(&s->routes))) free_route(item);
    er_lru_free(&s->routes);
    er_free(s->loads);
}

static bool is_unused(void *scheduler, er_lru_item *item)
{
    (void)scheduler;
    return !er_of(item, er_route, item)->users;
}

static void make_room(er_scheduler *s)
{
    for (er_lru_item *next, *item = er_lru_make_room(&s->routes, is_unused, s); item; item = next) {
        next = item->chain;
        free_route(item);
    }
}

static er_route *new_route(er_scheduler *s, const char *key, uint64_t hash, const char *host,
                           unsigned port)
{
    size_t spots = s->n_berths * sizeof(er_spot), key_size = strlen(key) + 1;
    size_t host_size = host ? strlen(host) + 1 : 0,
           size = sizeof(er_route) + spots + key_size + host_size;
    er_route *o = er_lru_ready(&s->routes) ? er_alloc_zero(size) : NULL;
    if (!o) return NULL;
    char *texts = (char *)o->spots + spots;
    o->host = host ? memcpy(texts + key_size, host, host_size) : NULL;
    o->port = port;
    o->literal = !host;
    o->scheduler = s;
    er_list_init(&o->line);
    er_list_init(&o->warm);
    er_lru_add(&s->routes, &o->item, memcpy(texts, key, key_size), hash);
    return o;
}

er_route *er_scheduler_route(er_scheduler *s, const char *key, const char *host, unsigned port)
{
    uint64_t hash = er_lru_hash(&s->routes, key, strlen(key));
    er_lru_item *item = er_lru_find(&s->routes, key, hash);
    if (!item) make_room(s);
    er_route *o = item ? er_of(item, er_route, item) : new_route(s, key, hash, host, port);
    if (o) o->users++;
    return o;
}

er_route *er_scheduler_carried(er_scheduler *s, const er_carrier *carrier)
{
    er_route *o = er_scheduler_route(s, "", NULL, 0);
    if (!o) return NULL;
    o->carrier = carrier;
    o->spots[0].route = o;
    return o;
}

void er_scheduler_leave(er_scheduler *s, er_route *o)
{
    if (!--o->users) er_lru_use(&s->routes, &o->item);
}

static void make_ready(er_scheduler *s, er_route *o)
{
    if (o->waiting && !o->looking && !er_listed(&o->in_ready))
        er_list_push(&s->ready, &o->in_ready);
}

static void make_unready(er_route *o)
{
    if (er_listed(&o->in_ready)) er_list_remove(&o->in_ready);
}

/* ---- the line ---- */

void er_scheduler_join(er_scheduler *s, er_slot_turn *turn, bool first)
{
    er_route *o = turn->route;
    turn->spot = NULL;
    if (first) er_list_push_front(&o->line, &turn->node);
    else er_list_push(&o->line, &turn->node);
    s->waiting++;
    if (!o->waiting++) make_ready(s, o);
}

void er_scheduler_quit(er_scheduler *s, er_slot_turn *turn)
{
    er_list_remove(&turn->node);
    s->waiting--;
    if (!--turn->route->waiting) make_unready(turn->route);
}

/* ---- spots ---- */

static unsigned charge(const er_scheduler *s, const er_spot *spot)
{
    if (s->shared) return spot->running;
    unsigned busy = spot->running + spot->asked;
    return busy > spot->sockets ? busy : spot->sockets;
}

static unsigned idle(const er_scheduler *s, const er_spot *spot)
{
    unsigned busy = (s->shared ? spot->running > 0 : spot->running) + spot->asked;
    return spot->sockets > busy ? spot->sockets - busy : 0;
}

static bool warm(const er_scheduler *s, const er_spot *spot)
{
    return s->shared ? spot->sockets || spot->running : idle(s, spot) > 0;
}

static void list_if(bool wanted, er_list *list, er_node *node, bool front)
{
    if (wanted == er_listed(node)) return;
    if (!wanted) er_list_remove(node);
    else if (front) er_list_push_front(list, node);
    else er_list_push(list, node);
}

/* Changes a spot's numbers, and all that follows from them. */
static void change(er_scheduler *s, er_spot *spot, int running, int sockets, int asked)
{
    er_route *o = spot->route;
    unsigned charged = charge(s, spot), idled = idle(s, spot);
    bool was_warm = er_listed(&spot->warm);
    spot->running += (unsigned)running;
    spot->sockets += (unsigned)sockets;
    spot->asked += (unsigned)asked;
    s->asked += (unsigned)asked;
    s->open += (unsigned)sockets;
    s->idle += idle(s, spot) - idled;
    unsigned now = charge(s, spot);
    o->charge += now - charged;
    s->charge += now - charged;
    list_if(warm(s, spot), &o->warm, &spot->warm, true);
    list_if(idle(s, spot) > 0, &s->spares, &spot->spare, false);
    if (now < charged || (er_listed(&spot->warm) && !was_warm)) make_ready(s, o);
}

static void load(er_scheduler *s, er_berth *berth, int more)
{
    if (!berth) return;
    er_list_remove(&berth->in_load);
    berth->load += (unsigned)more;
    er_list_push_front(&s->loads[berth->load], &berth->in_load); /* the last used first */
    if (berth->load < s->least) s->least = berth->load;
    while (s->least < s->per_lane && er_list_empty(&s->loads[s->least])) s->least++;
}

static er_spot *warm_spot(er_scheduler *s, er_route *o)
{
    er_list_each(at, &o->warm) {
        er_spot *spot = er_of(at, er_spot, warm);
        if (!spot->berth || spot->berth->load < s->per_lane) return spot;
    }
    return NULL;
}

static er_spot *spot_on(er_route *o, er_berth *berth)
{
    er_spot *spot = &o->spots[berth->index];
    if (spot->route) return spot; /* set once: its lane reads it without the lock */
    spot->route = o;
    spot->berth = berth;
    return spot;
}

static er_spot *new_spot(er_scheduler *s, er_route *o)
{
    return o->carrier ? &o->spots[0]
                      : spot_on(o, er_of(s->loads[s->least].head.next, er_berth, in_load));
}

/* ---- asking idle connections back ---- */

static void ask(er_scheduler *s, er_spot *spot)
{
    er_berth *berth = spot->berth;
    if (berth && !er_listed(&spot->in_asked)) er_list_push(&berth->asked, &spot->in_asked);
    if (berth && !er_listed(&berth->crowded)) er_list_push(&s->crowded, &berth->crowded);
    if (!berth) s->carrier_asked = true;
    change(s, spot, 0, 0, 1);
}

static void ask_for(er_scheduler *s, er_route *o, er_list *among,
                    size_t member) /* one for each that waits, less those asked already */
{
    er_node *node;
    if (s->shared) return; /* an idle one is not charged: closing it would free no slot */
    while (s->asked < o->waiting && (node = er_list_first(among)))
        ask(s, (er_spot *)(void *)((char *)node - member));
}

er_spot *er_scheduler_asked(er_scheduler *s, er_berth *berth, unsigned *n)
{
    er_node *node = er_list_pop(&berth->asked);
    (void)s;
    if (!node) return NULL;
    er_spot *spot = er_of(node, er_spot, in_asked);
    *n = spot->asked;
    return spot;
}

void er_scheduler_kept(er_scheduler *s, er_spot *spot, unsigned n)
{
    change(s, spot, 0, 0, -(int)n);
}

er_berth *er_scheduler_crowded(er_scheduler *s)
{
    er_node *node = er_list_pop(&s->crowded);
    return node ? er_of(node, er_berth, crowded) : NULL;
}

/* ---- the next turn ---- */

static bool known(const er_route *o, errand_pool *clock)
{
    if (o->literal || !o->found) return o->literal;
    if (o->fresh) return true;
    return o->found->serial > o->scheduler->forgotten && o->found->until_ns > er_pool_now(clock);
}

static er_slot_turn *take(er_scheduler *s, er_route *o, er_spot *spot)
{
    er_slot_turn *turn = er_of(er_list_first(&o->line), er_slot_turn, node);
    er_scheduler_quit(s, turn);
    turn->spot = spot;
    change(s, spot, 1, 0, 0);
    load(s, spot->berth, 1);
    if (er_listed(&o->in_ready)) { /* to the end: other routes come first now */
        make_unready(o);
        make_ready(s, o);
    }
    return turn;
}

er_slot_turn *er_scheduler_next(er_scheduler *s, errand_pool *clock)
{
    er_node *node;
    while ((node = er_list_first(&s->ready))) {
        er_route *o = er_of(node, er_route, in_ready);
        er_spot *spot = warm_spot(s, o);
        if (spot && !s->shared) return take(s, o, spot);
        if (!o->carrier && s->least >= s->per_lane) return NULL;
        if (!o->carrier && o->charge >= s->per_host) {
            ask_for(s, o, &o->warm, offsetof(er_spot, warm)); /* on lanes without room */
            make_unready(o);
            continue;
        }
        if (s->charge >= s->limit) {
            ask_for(s, o, &s->spares, offsetof(er_spot, spare));
            return NULL;
        }
        if (spot) return take(s, o, spot);
        if (known(o, clock)) {
            if (o->fresh) o->fresh--;
            return take(s, o, new_spot(s, o));
        }
        make_unready(o);
        o->looking = true;
        o->users++;
        er_list_push(&s->unknown, &o->unknown);
    }
    return NULL;
}

er_route *er_scheduler_unknown(er_scheduler *s)
{
    er_node *node = er_list_pop(&s->unknown);
    return node ? er_of(node, er_route, unknown) : NULL;
}

void er_scheduler_found(er_scheduler *s, er_route *o, er_found *found)
{
    er_found_drop(o->found);
    o->found = found;
    o->fresh = o->waiting;
    o->looking = false;
    make_ready(s, o);
    er_scheduler_leave(s, o);
}

void er_scheduler_lost(er_scheduler *s, er_route *o, er_list *turns)
{
    o->looking = false;
    s->waiting -= o->waiting;
    o->waiting = 0;
    er_list_take_all(turns, &o->line);
    er_scheduler_leave(s, o);
}

bool er_scheduler_move(er_scheduler *s, er_slot_turn *turn, er_berth *to)
{
    if (to->load >= s->per_lane) return false;
    er_scheduler_done(s, turn);
    turn->spot = spot_on(turn->route, to);
    change(s, turn->spot, 1, 0, 0);
    load(s, to, 1);
    return true;
}

void er_scheduler_done(er_scheduler *s, er_slot_turn *turn)
{
    er_spot *spot = turn->spot;
    turn->spot = NULL;
    load(s, spot->berth, -1);
    change(s, spot, -1, 0, 0);
}

void er_scheduler_end(er_scheduler *s, er_slot_turn *turn)
{
    if (turn->spot) er_scheduler_done(s, turn);
    if (turn->route) er_scheduler_leave(s, turn->route);
    turn->route = NULL;
}

void er_scheduler_opened(er_scheduler *s, er_spot *spot)
{
    spot->route->users++;
    change(s, spot, 0, 1, 0);
}

void er_scheduler_closed(er_scheduler *s, er_spot *spot, bool asked)
{
    change(s, spot, 0, -1, asked ? -1 : 0);
    er_scheduler_leave(s, spot->route);
}
