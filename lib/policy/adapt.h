/* policy/adapt.h -- how many calls at once a server bears: a number that follows from how calls
 * end. Arithmetic alone: no lock, no clock. */
#ifndef ER_ADAPT_H
#define ER_ADAPT_H

#include <errand/result.h>

#include <stdbool.h>
#include <stdint.h>

enum { ER_ADAPT_SAMPLES = 64 };

/* What an end says of the number of calls. */
typedef enum er_bearing {
    ER_BORE_UNKNOWN, /* nothing */
    ER_BORE_WELL,    /* the server bore it */
    ER_BORE_SUCCESS, /* so, and its time tells how easily */
    ER_BORE_NOT      /* there were too many */
} er_bearing;

typedef struct er_adapt {
    unsigned least, most, size; /* size: the number */
    uint64_t well;              /* ends since it has grown last */
    unsigned ceiling;           /* the last decrease was above it. UINT_MAX: unknown */
    unsigned patience;          /* rounds at the ceiling before it is passed */
    bool slow_start;            /* it has not shrunk yet */
    int64_t shrunk_ns;          /* calls that began before, or then, do not count */
    int64_t full_ns;            /* the last known moment at which as many were under way */
    unsigned n;                 /* of times_us */
    unsigned slow;              /* medians in a row that were too long */
    uint32_t usual_us;          /* the median at a size that is borne. 0: unknown */
    uint32_t times_us[ER_ADAPT_SAMPLES];
    uint64_t increases, decreases;
} er_adapt;

/* 1 <= least <= begin <= most <= INT_MAX */
void er_adapt_init(er_adapt *a, unsigned least, unsigned begin, unsigned most);

/* What an end says. NULL: it was cancelled. The table is in errand/sem.h. */
er_bearing er_bearing_of(const errand_result *how);

/* As many calls as may be are under way, or another one waits. */
static inline void er_adapt_full(er_adapt *a, int64_t now_ns)
{
    if (a->full_ns < now_ns) a->full_ns = now_ns;
}

/* A call has ended. size may change. */
void er_adapt_ended(er_adapt *a, er_bearing how, int64_t began_ns, int64_t now_ns);

#endif
