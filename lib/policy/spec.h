/* policy/spec.h -- specs: small programs in prefix form. An operation says how many there are in it and below it; its children follow it,
 * one after the other. So putting specs together is copying them behind one another. */
#ifndef ER_SPEC_H
#define ER_SPEC_H

#include "base/os.h"

#include <errand/policy.h>

enum { ER_SPEC_LONG = 1, ER_SPEC_EMPTY = 2 }; /* errand_spec.bad */

typedef enum er_wait_op {
    ER_WAIT_NONE = 1,
    ER_WAIT_FIXED,
    ER_WAIT_RANDOM,
    ER_WAIT_INCREMENTING,
    ER_WAIT_EXPONENTIAL,
    ER_WAIT_RANDOM_EXPONENTIAL,
    ER_WAIT_FIBONACCI,
    ER_WAIT_DECAY,
    ER_WAIT_DECORRELATED,
    ER_WAIT_BY,
    ER_WAIT_JITTER, /* these have children */
    ER_WAIT_ADDED,
    ER_WAIT_CAPPED,
    ER_WAIT_SUM,
    ER_WAIT_MAX,
    ER_WAIT_CHAIN,
    ER_WAIT_POLL
} er_wait_op;

typedef enum er_stop_op {
    ER_STOP_NEVER = 1,
    ER_STOP_ATTEMPTS,
    ER_STOP_AFTER,
    ER_STOP_BEFORE,
    ER_STOP_BY,
    ER_STOP_ANY,
    ER_STOP_ALL
} er_stop_op;

typedef enum er_when_op {
    ER_WHEN_TRANSIENT = 1,
    ER_WHEN_FAILED,
    ER_WHEN_KINDS,
    ER_WHEN_CODES,
    ER_WHEN_STATUS,
    ER_WHEN_MESSAGE,
    ER_WHEN_MESSAGE_LIKE,
    ER_WHEN_VALUE,
    ER_WHEN_BY,
    ER_WHEN_NOT,
    ER_WHEN_ANY,
    ER_WHEN_ALL
} er_when_op;

/* What is wrong with a spec that is not empty, as why_not says it; NULL: nothing. */
const char *er_wait_wrong(const errand_wait_spec *wait);
const char *er_stop_wrong(const errand_stop_spec *stop);
const char *er_when_wrong(const errand_when_spec *when);

/* Whether one of its operations is op. */
bool er_spec_has(const errand_spec *spec, uint32_t op);

/* Copies what a when-spec points to, in place. False: no memory, nothing to be freed. */
bool er_when_copy(errand_when_spec *when);
void er_when_free(errand_when_spec *when);

#endif
