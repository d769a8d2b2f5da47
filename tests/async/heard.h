/* A log that a test reads. */
#ifndef HEARD_H
#define HEARD_H

#include "events.h"

typedef struct heard {
    errand_log *log; /* for errand_pool_opts.log */
    int fd;
    char text[65536];
} heard;

void heard_open(heard *h);
/* a pool that logs to h */
errand_pool *heard_pool(heard *h, const char *name, unsigned workers, unsigned spares);
const char *heard_text(heard *h); /* all lines until now */
unsigned heard_times(heard *h, const char *part);
void heard_close(heard *h);

unsigned times_in(const char *text, const char *part);

#endif
