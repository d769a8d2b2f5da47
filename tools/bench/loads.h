/* loads.h -- what a side is made to do while the clock runs. Each begins in a fresh process
 * and warms its side up. */
#ifndef BENCH_LOADS_H
#define BENCH_LOADS_H

#include "side.h"

typedef struct load_size {
    unsigned workers, producers;
    size_t n;
    unsigned lanes, in_flight; /* of requests */
} load_size;

typedef struct load_run {
    double cost;        /* in the unit of the measure           */
    double p99;         /* of the same, where many were timed   */
    double cpu;         /* ms of processor in the measured part */
    double p999;        /* and p999                             */
    double arm, cancel; /* parts of the cost, of timers         */
    double each;        /* us of processor a request            */
    double peak;        /* MiB of memory, at its peak           */
} load_run;

/* False: this side cannot. */
typedef bool load_fn(const bench_side *side, const load_size *size, load_run *run);

/* n no-op tasks queued by `producers` threads and awaited: ns a task */
load_fn load_burst;
/* a task that blocks 20 ms for each parked worker, all at once: ms */
load_fn load_ramp;
/* n times: submit one and await it, back to back: us each */
load_fn load_trips;
/* the same, idle for 1 ms before each */
load_fn load_trips_idle;
/* ms of processor in the 2 s after a burst of n */
load_fn load_idle;
/* n made and armed at random deadlines, then all cancelled: ns each, together */
load_fn load_timers;
/* n sleeps, one at a time: ms later than asked */
load_fn load_late;
/* n timers armed: bytes each, errand's pointer to it included */
load_fn load_memory;
/* errand's timer alone, which lives in what waits; memory for the others: bytes */
load_fn load_timer_size;
/* n errand_then on one another behind a promise that is resolved then: ns a link */
load_fn load_chain;
/* errand_all of n promises that are resolved then: ns each */
load_fn load_all;
/* n times a permit is tried for, had and given back: ns each */
load_fn load_gate;
/* n permits granted while `workers` wait for one all the time: ns each */
load_fn load_line;
/* n turns of a rate that has them free, a future each: ns each */
load_fn load_turns;
/* n times a lease of an idle resource is had and given back: ns each */
load_fn load_lease;
/* the same with a permit of errand's semaphore that has a holder */
load_fn load_permit;
/* n loans of eight resources to `producers` threads, 1 ms each: the longest wait over the median */
load_fn load_fair;
/* errand_run with an empty policy over errand_submit, n each: ratio */
load_fn load_policy;
/* n runs asleep in backoff: bytes each; processor in a second of it */
load_fn load_asleep;

/* Logs: */
/* n lines by all producers together until the file has them: ns a line */
/* bursts of 20 calls with 20 us between them, by each producer: ns a call, less what an empty
 * loop takes; p99 and p999: of single calls, raw */
load_fn load_log_latency;
load_fn load_log_throughput;
/* n calls below the level: ns each */
load_fn load_log_disabled;
/* wake-ups in the 2 s after a burst of n */
load_fn load_log_idle;

#endif
