/* policy/breaker.h -- what a run asks of a breaker. */
#ifndef ER_BREAKER_H
#define ER_BREAKER_H

#include "policy/keyed.h"

struct er_breaker_member;

/* The inside of an errand_breaker_call: one attempt, from its allow to its report. Zeroed: none,
 * and reporting it does nothing. */
typedef struct er_breaker_call {
    struct er_breaker_member *member; /* pinned; keeps the breaker */
    int64_t began_ns;
    uint32_t era;     /* the member's when lent: counts in no other */
    uint32_t probe;   /* 1..3; 0: an ordinary call */
    uint64_t lending; /* which lending of that probe */
} er_breaker_call;

typedef enum er_verdict { ER_CALL_WELL, ER_CALL_FAILED, ER_CALL_UNKNOWN } er_verdict;

/* What an end says of the other side. The table is in errand/breaker.h. NULL: ER_CALL_UNKNOWN. */
er_verdict er_verdict_of(const errand_result *how);

/* 0: go on, and report. ERRAND_EOPEN: *again_ms (may be NULL) is in how many ms it is worth asking
 * again (-1: it is forced open). EINVAL, ENOMEM, ERRAND_EFORKED. */
int er_breaker_allow(errand_breaker *breaker, const char *key, er_breaker_call *call,
                     int64_t *again_ms);
/* Reports an outcome, once: ER_CALL_UNKNOWN for a cancel. How long it took is measured here
 * (slow_ms). Zeroes *call. */
void er_breaker_report(er_breaker_call *call, er_verdict verdict);

errand_breaker *er_breaker_keep(errand_breaker *breaker);

#endif
