/* policy/rate.h -- waiting for a turn without a future: the turn lives in what waits,
 * which keeps the rate. */
#ifndef ER_RATE_H
#define ER_RATE_H

#include "policy/keyed.h"

struct er_rate_member;

/* Nanoseconds with a 32-bit fraction: a rate of 700 million a second does not become a billion. */
__extension__ typedef __int128 er_instant;

/* A waiter for a turn. Zeroed at first but for came and weight; to be used again after came, or
 * after er_rate_leave was true.
 *   came  it no longer waits: 0, it is its turn; ECANCELED, the pool has shut down or er_rate_leave
 *         came in between; another error, its timer could not be armed again after a pause. On the
 *         timer thread, no lock held: short, never blocks. */
typedef struct er_turn {
    void (*came)(struct er_turn *self, int error);
    uint64_t weight; /* that many turns at once; 0: 1 */
    er_timer timer;  /* the rest is rate.c's */
    errand_rate *rate;
    struct er_rate_member *member; /* NULL: it does not wait */
    er_node node, gapped;
    uint64_t gap;
    er_instant after; /* without what pauses and settling have moved it by */
    int64_t armed_ns; /* for when its timer is armed; it may come earlier */
    /* its timer is being armed: until then it neither comes nor leaves */
    bool arming;
} er_turn;

/* 0: it is its turn now. EINPROGRESS: came will be called, unless er_rate_leave comes first.
 * ERRAND_ELATE: its turn would come after deadline_ns, which is on the clock of pool (INT64_MAX:
 * none); nothing was taken. EINVAL (an overlong key, or the pool is closed), ENOMEM, EAGAIN,
 * ECANCELED, ERRAND_EFORKED. */
int er_rate_enter(errand_rate *rate, const char *key, errand_pool *pool, int64_t deadline_ns,
                  er_turn *turn);

/* Gives the turn back. True: came will not be called. False: it has been or is being called. */
bool er_rate_leave(er_turn *turn);

/* As errand_rate_pause. *number is 1 if this began the first pause of its key, 2 of the second ...;
 * 0: none began. */
ER_SHARED int er_rate_pause(errand_rate *rate, const char *key, int64_t ms, uint64_t *number);
ER_SHARED bool er_rate_paused(errand_rate *rate, const char *key);

/* As errand_rate_quota. *number is 1 if this is the first window of its key that is used up by
 * half, 2 for the second ...; 0: it is no such window, or not for the first time. quota->remaining
 * becomes what is left with all turns given out. */
ER_SHARED int er_rate_quota(errand_rate *rate, const char *key, errand_quota *quota,
                            uint64_t *number);
ER_SHARED bool er_rate_learns(const errand_rate *rate); /* ERRAND_AUTO_PACE */

/* Adds which rate it waits for, when its turn is, and the key. Nothing if it does not wait. */
void er_rate_describe(errand_rate *rate, const er_turn *turn, er_description *d);

ER_SHARED errand_rate *er_rate_keep(errand_rate *rate);
errand_pool *er_rate_pool(const errand_rate *rate);
const char *er_rate_name(const errand_rate *rate);

#endif
