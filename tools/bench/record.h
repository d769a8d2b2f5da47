/* record.h -- what came of one measure, and its lines. */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include "measures.h"

typedef enum peer_kind {
    OF_TASKS,
    OF_TASKS_AND_TIMERS,
    OF_TRIPS,
    OF_GATES,
    OF_LOGS,
    OF_LOOPS,
    OF_WEB
} peer_kind;

typedef struct bench_peer {
    const char *name;
    peer_kind kind;         /* what it can be compared in */
    const bench_side *side; /* NULL: configure did not find it */
} bench_peer;

enum { PEERS = 13, MAX_PAIRS = 99, FIRST = 3 };
extern const bench_peer bench_peers[PEERS];

typedef struct record {
    size_t pairs;
    load_run errand[MAX_PAIRS], best[MAX_PAIRS];
    bool tried[PEERS];
    size_t done[PEERS]; /* first rounds */
    load_run first[PEERS][FIRST];
    int best_peer; /* -1: none */
} record;

typedef struct tally {
    size_t lines, missed, failed;
} tally;

double record_median(const load_run *runs, size_t n, line_figure which);

/* One JSON line on standard output for each of the measure's. */
void record_write(const measure *m, const record *r, tally *t);
void record_write_failure(const measure *m, tally *t); /* errand itself could not */

#endif
