/* progress.h -- standard error: messages, and under them a line of progress that is rewritten
 * in place. Any thread. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "options.h"

#include <errand-http.h>
#include <pthread.h>
#include <time.h>

typedef struct progress {
    pthread_mutex_t lock;
    bool on, in_place, colour;
    int shown; /* columns of the line that stands there */
    double began, drawn, looked, rate;
    uint64_t seen;
} progress;

void progress_begin(progress *p, when wanted, bool quiet);
/* as often as you like; total 0: not known */
void progress_show(progress *p, const errand_jobs_stats *stats, uint64_t total);
void progress_say(progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_end(progress *p); /* takes the line away */

#endif
