/* A log that a test reads. */
#ifndef LOGGED_H
#define LOGGED_H

#include "events.h"

typedef struct logged {
    errand_log *log; /* for errand_pool_opts.log */
    int fd;
    char text[65536];
} logged;

void logged_open(logged *h);
/* a pool that logs to h */
errand_pool *logged_pool(logged *h, const char *name, unsigned workers, unsigned spares);
const char *logged_text(logged *h); /* all lines until now */
unsigned logged_times(logged *h, const char *part);
void logged_close(logged *h);

unsigned times_in(const char *text, const char *part);

#endif
