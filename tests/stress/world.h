/* tests/stress/world.h -- the objects of a round: pools, each with its clock, limits, policies; and
 * their checks at the end. */
#ifndef WORLD_H
#define WORLD_H

#include "stress/ledger.h"

struct scene;

enum { POOLS = 3, POLICIES = 6, KEYS = 3, SLOTS = 16, PATIENCE_MS = 60000 };

typedef struct place { /* a pool */
    errand_pool *pool;
    errand_pool *alive; /* the same, until it is closed: for the watchdog */
    errand_clock clock;
    int64_t now_ns; /* atomic */
    bool turned;    /* it uses that clock */
    bool closed;
    errand_promise *holder; /* keeps its memory */
    errand_future *held;
    unsigned started, stopped; /* threads, by its hooks */
} place;

typedef struct recipe { /* a policy, and what its functions must keep to; NULL: none */
    errand_policy *policy;
    bool overlaps; /* they may run twice at once */
    bool holds;    /* a permit meanwhile */
} recipe;

typedef struct world {
    unsigned n_pools;
    place places[POOLS];
    bool scant;  /* a pool may run out of threads: waits on a worker have a timeout */
    bool scarce; /* so may memory, and the system's threads */
    bool closes; /* pools close in the middle */
    errand_log *log;
    errand_sem *sem;
    unsigned permits;
    errand_rate *rate;
    errand_breaker *breaker;
    errand_budget *budget;
    errand_singleflight *flight;
    recipe recipes[POLICIES];
    errand_canceller *cancellers[SLOTS]; /* atomic: shared by all threads */
    unsigned hooks;                      /* calls, atomic */
} world;

extern world here;

typedef struct guest {     /* what another program adds to this one */
    void (*open)(dice *d); /* when pools, limits and recipes exist */
    void (*act)(struct scene *s);
    errand_future *(*leaf)(struct scene *s);          /* may be NULL: none is left */
    void (*close)(const place *p, int64_t within_ms); /* before that pool */
    void (*let_go)(void); /* drops its references when no thread is left */
    void (*check)(void);  /* when no pool's memory is left either */
} guest;
extern const guest *world_guest; /* NULL: none */

extern const char *const world_keys[KEYS];
const char *some_key(dice *d);
place *some_place(dice *d);
recipe some_recipe(dice *d, bool simple); /* simple: none that holds a permit */

void world_open(dice *d);
bool world_close_pool(place *p, int64_t within_ms); /* true: by this call, and in time */
/* when all is closed: waits until nothing is under way, and checks the counts */
void world_check_counters(void);
void world_check_threads(void); /* each that was started has been stopped */
void world_free_limits(void);
void world_check_gone(void); /* no pool's memory is left */

/* A then-function that comes late runs on any thread, when pools and limits may be gone. While a
 * thread is inside (false: it may not be), they stay. */
bool world_enter(void);
void world_leave(void);
void world_ends(void);

bool on_worker(void); /* the calling thread is one of a pool's */

/* Naps a quarter of a millisecond. */
void nap(void);

#endif
