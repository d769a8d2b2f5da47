/* snapshot.h -- how far a run has come, at one moment. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <errand-http.h>

typedef struct snapshot {
    errand_jobs_stats stats;
    errand_jobs_failure failures[ERRAND_JOBS_FAILURES]; /* the most frequent first */
    size_t n_failures;
    uint64_t total; /* 0: not known */
    bool tokens;    /* are counted; set after snapshot_begin() */
    double seconds; /* since the run began */
    double rate;    /* jobs a second: of the last seconds */
    double began, looked;
    uint64_t seen;
} snapshot;

/* Times are seconds of any clock that does not go back. */
void snapshot_begin(snapshot *s, double now);
/* jobs may be NULL: the stats that s has */
void snapshot_take(snapshot *s, errand_jobs *jobs, uint64_t total, double now);

double snapshot_eta(const snapshot *s);     /* seconds; below 0: not known */
double snapshot_average(const snapshot *s); /* jobs a second, of the whole run */

/* What a class of failures is called: "HTTP 503"; of the last, for all others, "others". */
const char *snapshot_code(const errand_jobs_failure *failure, char *buffer, size_t size);

#endif
