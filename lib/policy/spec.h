/* policy/spec.h -- a spec: a tree of operations that says how long to wait, when to stop,
 * or what to try again.
 *
 * A spec has one owner. A function that takes specs consumes them, also when it fails. Making a
 * spec never returns NULL: without memory it gives the one spec that stands for that, which is
 * never freed. A wrong argument is noted where it is given, and errand_policy_new returns it. A
 * policy that is made from another one shares its specs, so they are counted. */
#ifndef ER_SPEC_H
#define ER_SPEC_H

#include "base/os.h"

#include <errand/policy.h>

#define ER_SPEC_OPS 64 /* operations of one spec: its depth is bounded by that as well */

typedef enum er_op { /* the high byte is the kind of spec */
                     ER_BACKOFF_NONE = 0x000,
                     ER_BACKOFF_FIXED,
                     ER_BACKOFF_RANDOM,
                     ER_BACKOFF_INCREMENTING,
                     ER_BACKOFF_EXPONENTIAL,
                     ER_BACKOFF_RANDOM_EXPONENTIAL,
                     ER_BACKOFF_FIBONACCI,
                     ER_BACKOFF_DECAY,
                     ER_BACKOFF_DECORRELATED,
                     ER_BACKOFF_CUSTOM,
                     ER_BACKOFF_JITTER, /* these have children */
                     ER_BACKOFF_ADDED,
                     ER_BACKOFF_RANDOMIZED,
                     ER_BACKOFF_CAPPED,
                     ER_BACKOFF_SUM,
                     ER_BACKOFF_MAX,
                     ER_BACKOFF_CHAIN,
                     ER_BACKOFF_POLL,

                     ER_STOP_NEVER = 0x100,
                     ER_STOP_AFTER_ATTEMPT,
                     ER_STOP_AFTER_DELAY,
                     ER_STOP_BEFORE_DELAY,
                     ER_STOP_CUSTOM,
                     ER_STOP_ANY, /* these have children */
                     ER_STOP_ALL,

                     ER_RETRY_IF_TRANSIENT = 0x200,
                     ER_RETRY_IF_FAILED,
                     ER_RETRY_IF_KIND,
                     ER_RETRY_IF_ERROR,
                     ER_RETRY_IF_STATUS_RANGE,
                     ER_RETRY_IF_MESSAGE,
                     ER_RETRY_IF_MESSAGE_LIKE,
                     ER_RETRY_IF_VALUE,
                     ER_RETRY_IF_CUSTOM,
                     ER_RETRY_IF_CAUSE, /* these have children */
                     ER_RETRY_IF_NOT,
                     ER_RETRY_IF_ANY,
                     ER_RETRY_IF_ALL
} er_op;

typedef struct er_spec {
    er_op op;
    uint32_t n;        /* operations in this one and below it */
    uint32_t count;    /* owners: policies that share it */
    bool is_taken;     /* it is part of another spec, or a policy's */
    const char *wrong; /* as why_not says it; NULL: nothing */
    int64_t a, b, c;
    double f;
    void (*fn)(void);
    void *arg;
    void *data; /* a copy of what the caller gave, freed with the spec */
    struct er_spec *child, *next;
} er_spec;

struct errand_backoff {
    er_spec spec;
};
struct errand_stop {
    er_spec spec;
};
struct errand_retry_if {
    er_spec spec;
};

/* A copy of *op, alone; owns op->data, also when there is no memory. */
er_spec *er_spec_new(const er_spec *op);
er_spec *er_spec_no_memory(void);
/* False: it has an owner already. */
bool er_spec_take(er_spec *spec);
/* Appends child to the children of parent. Consumes both, and returns parent, or the spec that
 * stands for no memory. A child that has an owner already stays there, and parent is wrong. */
er_spec *er_spec_add(er_spec *parent, er_spec *child);

er_spec *er_spec_keep(er_spec *spec); /* NULL is harmless, as for the next */
void er_spec_free(er_spec *spec);

/* What errand_policy_new says about it; NULL: nothing. *error is EINVAL, ENOMEM or 0. */
const char *er_spec_wrong(const er_spec *spec, int *error);

/* Whether one of its operations is op. NULL has none. */
bool er_spec_has(const er_spec *spec, er_op op);

#endif
