/* policy/backoff.h -- how long to wait before another attempt. */
#ifndef ER_BACKOFF_H
#define ER_BACKOFF_H

#include "policy/spec.h"

/* What a wait is computed from. The same number, seed and `before` give the same wait, except for
 * user functions. */
typedef struct er_wait_from {
    uint64_t seed;
    int64_t before;                  /* the wait before this one; -1: none */
    const errand_attempt_info *info; /* of the attempt that has ended: its number counts */
} er_wait_from;
int64_t er_backoff_wait(const errand_backoff *backoff, const er_wait_from *from);
/* The same from initial, max, multiplier and jitter. */
int64_t er_backoff_of(const errand_policy_opts *how, int64_t initial, const er_wait_from *from);

#endif
