/* http/slots.h -- who may go out, when, and on which lane. Knows neither curl nor threads; the session's lock guards all of it.
 *
 * An origin is where connections go to: scheme, host and port. A spot is an origin on a lane: connections cannot change lanes. */
#ifndef ER_SLOTS_H
#define ER_SLOTS_H

#include "http/resolve.h"

typedef struct er_berth { /* what is known of a lane here */
    er_node  in_load, crowded;
    unsigned index, load; /* transfers it has */
    er_list  asked;       /* spots that are asked to close idle connections */
} er_berth;

typedef struct er_spot {
    struct er_origin *origin;
    er_berth         *berth;   /* NULL: of an origin that is alone */
    unsigned          running; /* transfers */
    unsigned          sockets; /* open connections, idle ones too */
    unsigned          asked;   /* of them, to be closed */
    er_node           warm, spare, in_asked;
    er_node           known;   /* the lane's thread alone, with the next two (known.h) */
    unsigned          users;   /* transfers that may need its addresses */
    uint64_t          told;    /* the addresses that the lane's curl has; 0: perhaps none */
} er_spot;

typedef struct er_origin {
    er_node   in_bucket, in_ready, unknown, unused;
    size_t    users;   /* turns and sockets: then it is not forgotten */
    er_list   line;    /* turns that wait */
    size_t    waiting;
    unsigned  charge;  /* of the limits: for each spot its connections, open and owed */
    bool      literal; /* its host is an address */
    bool      looking; /* up its host */
    bool      alone;   /* its turns have no berth: each gets a thread of its own (the caller's own handles) */
    er_found *found;
    size_t    fresh;   /* so many waited for it, and may go by it however short it lasts */
    er_ask    ask;
    struct er_slots *slots;
    const char *host;  /* to look up */
    unsigned  port;
    er_list   warm;    /* spots with an idle connection, or with a shared one, if only in the making */
    char     *key;
    er_spot   spots[]; /* one for each lane */
} er_origin;

typedef struct er_slot_turn { /* somebody's place; lives in what waits */
    er_node    node;
    er_origin *origin;
    er_spot   *spot; /* NULL: it waits, or is nowhere */
} er_slot_turn;

enum { ER_SLOTS_BUCKETS = 256, ER_SLOTS_ORIGINS = 1024 };

typedef struct er_slots {
    er_lock  lock; /* the session's */
    unsigned limit, per_host, per_lane, n_berths;
    bool     shared;  /* connections carry many transfers (HTTP/2): transfers are counted, not connections */
    unsigned charge, open, idle, asked;
    bool     alone_asked; /* threads of the alone are to end, for others want their connections */
    size_t   waiting, origins;
    unsigned least;   /* no lane has less load */
    er_list  ready;   /* origins of whose line the first may be able to go, in turn */
    er_list  unknown; /* origins whose host is to be looked up */
    er_list  crowded; /* berths that have been asked to close some */
    er_list  spares;  /* spots with an idle connection, of the longest standing first */
    er_list  unused;  /* origins nobody needs, the first to be forgotten first */
    er_list *loads;   /* berths by load */
    er_list  buckets[ER_SLOTS_BUCKETS];
} er_slots;

int  er_slots_init(er_slots *slots, er_berth *const berths[], unsigned n); /* limits are set before. 0 or ENOMEM */
void er_slots_free(er_slots *slots);

/* The origin of that key, made if need be, for one more user. host NULL: an address. NULL: no memory. */
er_origin *er_slots_origin(er_slots *slots, const char *key, const char *host, unsigned port);
er_origin *er_slots_alone(er_slots *slots); /* the one of turns without a berth: its only spot stands for all their threads */
void       er_slots_leave(er_slots *slots, er_origin *origin); /* one user less */

void er_slots_join(er_slots *slots, er_slot_turn *turn, bool first); /* at the end of its origin's line, or its beginning */
void er_slots_quit(er_slots *slots, er_slot_turn *turn);             /* out of the line, unserved */

/* Who may go now, out of its line and counted at its spot. NULL: nobody. What it finds in the way it leaves behind to be seen to:
 * origins in `unknown`, spots in their berths' `asked`. */
er_slot_turn  *er_slots_next(er_slots *slots, errand_pool *clock);
er_origin *er_slots_unknown(er_slots *slots); /* the next to be looked up; NULL: none */
er_berth *er_slots_crowded(er_slots *slots);  /* a lane that has been asked since this was last called; NULL: none */

void er_slots_found(er_slots *slots, er_origin *origin, er_found *found); /* counted; the look-up has ended well */
void er_slots_lost(er_slots *slots, er_origin *origin, er_list *turns);   /* or not: all that wait come out of the line */

bool er_slots_move(er_slots *slots, er_slot_turn *turn,
                   er_berth *to);                        /* to another lane, before it begins. False: no room there */
void er_slots_done(er_slots *slots, er_slot_turn *turn); /* its transfer is over */
void er_slots_opened(er_slots *slots, er_spot *spot);
void er_slots_closed(er_slots *slots, er_spot *spot, bool asked); /* asked: it is one of those that er_slots_asked told of */

/* For the lane: the next spot of which it is to close idle connections, and how many; NULL: none. Each is told as closed, or, if
 * there is no such any more, as kept. */
er_spot *er_slots_asked(er_slots *slots, er_berth *berth, unsigned *n);
void     er_slots_kept(er_slots *slots, er_spot *spot, unsigned n);

#endif
