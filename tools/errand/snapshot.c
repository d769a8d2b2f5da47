/* snapshot.c -- counts as the jobs have them, and what follows from two looks: each look at the
 * rate is weighed by how long ago it was. */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>

void snapshot_begin(snapshot *s, double now) { *s = (snapshot){ .began = now, .looked = now }; }

static void look(snapshot *s, double now)
{
    uint64_t done = s->stats.total_processed;
    double passed = now - s->looked, all = now - s->began;
    s->seconds = all;
    if (passed < 0.2) return;
    double here = (double)(done - s->seen) / passed;
    double weight = all < 5 ? passed / all : passed / (passed + 5);
    s->rate += weight * (here - s->rate);
    s->seen = done;
    s->looked = now;
}

static int more_first(const void *a, const void *b)
{
    uint64_t n = ((const errand_jobs_failure *)a)->count,
             m = ((const errand_jobs_failure *)b)->count;
    return (n < m) - (n > m);
}

void snapshot_take(snapshot *s, errand_jobs *jobs, uint64_t total, double now)
{
    if (jobs) {
        errand_jobs_stats_get(jobs, &s->stats);
        s->n_failures = 0;
        while (s->n_failures < ERRAND_JOBS_FAILURES &&
               !errand_jobs_failures(jobs, s->n_failures, &s->failures[s->n_failures]))
            s->n_failures++;
    }
    qsort(s->failures, s->n_failures, sizeof s->failures[0], more_first);
    if (!total) total = s->stats.known_total;
    s->total = total > s->stats.skipped ? total - s->stats.skipped : 0;
    look(s, now);
}

double snapshot_eta(const snapshot *s)
{
    if (s->total <= s->stats.total_processed || s->rate <= 0.01) return -1;
    return (double)(s->total - s->stats.total_processed) / s->rate;
}

double snapshot_average(const snapshot *s)
{
    return s->seconds > 0 ? (double)s->stats.total_processed / s->seconds : 0;
}

const char *snapshot_code(const errand_jobs_failure *failure, char *buffer, size_t size)
{
    if (failure->error) return errand_error_name(failure->error, buffer, size);
    snprintf(buffer, size, "others");
    return buffer;
}
