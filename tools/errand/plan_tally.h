/* plan_tally.h -- what errand plan counts. */
#ifndef PLAN_TALLY_H
#define PLAN_TALLY_H

#include "id_set.h"
#include "name_counts.h"
#include "options.h"

#include <errand-http.h>

enum { PLAN_ERRORS = 20, PLAN_TWICE = 5 };

typedef struct plan_file {
    char *name;
    uint64_t jobs, bad; /* lines; jobs: those that a run sends */
    bool unread;        /* it cannot be read, or not to its end */
} plan_file;

typedef struct plan_error { /* one of the first */
    char *file, *message;
    uint64_t line; /* 0: it is about the file */
} plan_error;

typedef struct plan_twice { /* an id that came before */
    char *id;               /* JSON */
    uint64_t first, then;   /* places: see plan_place_ */
} plan_twice;

typedef struct plan_tally {
    plan_file *files;
    size_t n_files;
    uint64_t jobs, bad, unread, harmful, keyed, bytes, tokens;
    uint64_t done, done_failed, done_unknown;
    name_counts hosts, methods; /* marked: not harmless to repeat */
    id_set ids;
    uint64_t n_twice;
    plan_twice twice[PLAN_TWICE];
    plan_error errors[PLAN_ERRORS];
    bool full; /* no memory for names of files: there is no plan */
} plan_tally;

void plan_tally_add(plan_tally *t, const errand_jobs_line *line);
void plan_tally_free(plan_tally *t);

/* A line of a file, in 64 bits. */
static inline uint64_t plan_place_line(uint64_t place) { return place & ((UINT64_C(1) << 40) - 1); }
const char *plan_place_file(const plan_tally *t, uint64_t place);

/* How long rates make all jobs take, if each is sent once and uses the tokens that it asks for. */
typedef struct plan_time {
    double seconds; /* negative: there is no rate */
    option_id by;   /* OPTION_RATE, OPTION_RATE_TOTAL or OPTION_TOKENS, the slowest of them */
    const name_count *host; /* with OPTION_RATE, the one with the most jobs; else NULL */
} plan_time;

plan_time plan_time_of(plan_tally *t, const run_options *o);

#endif
