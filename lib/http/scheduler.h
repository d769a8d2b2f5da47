/* http/scheduler.h -- which request goes out next, and on which lane. Knows neither curl nor
 * threads; the session's lock guards all of it.
 *
 * A route is an origin (scheme, host and port) with its connections and the requests that wait for
 * one. A spot is a route on a lane: connections cannot change lanes. */
#ifndef ER_SCHEDULER_H
#define ER_SCHEDULER_H

#include "http/resolve.h"

#include "base/lru.h"

typedef struct er_berth { /* the scheduler's part of a lane */
    er_node in_load, crowded;
    unsigned index, load; /* transfers it has */
    er_list asked;        /* spots that are asked to close idle connections */
} er_berth;

typedef struct er_spot {
    struct er_route *route;
    er_berth *berth;  /* NULL: its route has a carrier */
    unsigned running; /* transfers */
    unsigned sockets; /* open connections, idle ones too */
    unsigned asked;   /* of them, to be closed */
    er_node warm, spare, in_asked;
    er_node known;          /* the lane's thread alone, with the next two (dns_cache.h) */
    unsigned users;         /* transfers that may need its addresses */
    uint64_t cached_serial; /* of the addresses in the lane's curl; 0: perhaps none */
} er_spot;

typedef struct er_route {
    er_lru_item item;
    er_node in_ready, unknown;
    size_t users; /* turns and sockets; it is kept while there are any */
    er_list line; /* turns that wait */
    size_t waiting;
    unsigned charge; /* against the limits: each spot's connections, open and owed */
    bool literal;    /* its host is an address */
    bool looking;    /* its host is being looked up */
    const struct er_carrier *carrier; /* NULL: its turns go to lanes */
    er_found *found;
    size_t fresh; /* n turns that waited for `found` may use it, even if it has expired */
    er_ask ask;
    struct er_scheduler *scheduler;
    const char *host; /* to look up */
    unsigned port;
    er_list warm;    /* spots with an idle connection, or a shared one, even one being made */
    er_spot spots[]; /* one for each lane */
} er_route;

typedef struct er_slot_turn { /* a place in a line; part of what waits */
    er_node node;
    er_route *route;
    er_spot *spot; /* NULL: not granted */
} er_slot_turn;

/* Carries the turns of a route in place of lanes: each gets a thread of its own (the
 * caller's own handles). */
typedef struct er_carrier {
    void (*called)(er_slot_turn *turn); /* the turn is granted; under the session's lock */
    bool (*begin)(er_slot_turn *turn);  /* then, no lock held. False: has ended, slot freed */
    void (*fewer)(er_route *route);     /* closes idle connections asked back; no lock held */
} er_carrier;

enum { ER_SCHEDULER_ROUTES = 1024 };

typedef struct er_scheduler {
    er_lock lock; /* the session's */
    unsigned limit, per_host, per_lane, n_berths;
    /* connections carry many transfers (HTTP/2): transfers are counted, not connections */
    bool shared;
    unsigned charge, open, idle, asked;
    bool carrier_asked; /* the carrier is to close idle connections */
    size_t waiting;
    unsigned least;     /* the least load of a lane */
    er_list ready;      /* routes that may be granted a turn, round-robin */
    er_list unknown;    /* routes that need their host looked up */
    er_list crowded;    /* berths that have been asked to close idle connections */
    er_list spares;     /* spots with an idle connection, the longest idle first */
    er_list *loads;     /* berths by load */
    uint64_t forgotten; /* addresses with this serial, or a lower one, are not used any more */
    er_lru routes;      /* those without users are evicted, the least recently used first */
} er_scheduler;

/* limits are set before. 0 or ENOMEM */
int er_scheduler_init(er_scheduler *scheduler, er_berth *const berths[], unsigned n);
void er_scheduler_free(er_scheduler *scheduler);

/* Returns the route of `key`, made if needed, for one more user. host NULL: it is an address. NULL:
 * no memory. */
er_route *er_scheduler_route(er_scheduler *scheduler, const char *key, const char *host,
                             unsigned port);
/* Returns the route for the turns that `carrier` carries: its only spot stands for all their
 * threads. */
er_route *er_scheduler_carried(er_scheduler *scheduler, const er_carrier *carrier);
void er_scheduler_leave(er_scheduler *scheduler, er_route *route); /* one user less */

/* at the end of its route's line, or its beginning */
void er_scheduler_join(er_scheduler *scheduler, er_slot_turn *turn, bool first);
/* out of the line, unserved */
void er_scheduler_quit(er_scheduler *scheduler, er_slot_turn *turn);

/* Returns the next turn, out of its line and counted at its spot. NULL: none can be granted. Lists
 * what is in the way: routes in `unknown`, spots in their berths' `asked`. */
er_slot_turn *er_scheduler_next(er_scheduler *scheduler, errand_pool *clock);
er_route *er_scheduler_unknown(er_scheduler *scheduler); /* the next to be looked up; NULL: none */
/* a lane that has been asked since this was last called; NULL: none */
er_berth *er_scheduler_crowded(er_scheduler *scheduler);

/* The look-up has succeeded; takes over a count of found. Or it has failed: moves all of the line
 * into *turns. */
void er_scheduler_found(er_scheduler *scheduler, er_route *route, er_found *found);
void er_scheduler_lost(er_scheduler *scheduler, er_route *route, er_list *turns);

/* to another lane, before it begins. False: no room there */
bool er_scheduler_move(er_scheduler *scheduler, er_slot_turn *turn, er_berth *to);
void er_scheduler_done(er_scheduler *scheduler, er_slot_turn *turn); /* its transfer is over */
/* A turn that is not in the line is over: gives back its spot and its route, if it has them. */
void er_scheduler_end(er_scheduler *scheduler, er_slot_turn *turn);
void er_scheduler_opened(er_scheduler *scheduler, er_spot *spot);
void er_scheduler_closed(er_scheduler *scheduler, er_spot *spot, bool asked); /* asked: as below */

/* For the lane: returns the next spot with idle connections to close, and how many; NULL: none.
 * Report each as closed (asked), or as kept if there are not that many any more. */
er_spot *er_scheduler_asked(er_scheduler *scheduler, er_berth *berth, unsigned *n);
void er_scheduler_kept(er_scheduler *scheduler, er_spot *spot, unsigned n);

#endif
