/* progress.h -- standard error: messages, and under them what shows how far the run is. Any
 * thread. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "block.h"
#include "options.h"

#include <pthread.h>
#include <stdio.h>

typedef enum progress_form {
    PROGRESS_NONE,
    PROGRESS_BLOCK, /* lines of a terminal, rewritten in place */
    PROGRESS_LINES, /* a line a second */
    PROGRESS_RARE,  /* a line every 10 seconds */
    PROGRESS_JSON   /* an object a second */
} progress_form;

typedef struct progress {
    pthread_mutex_t lock;
    progress_form form;
    bool on;      /* form is not PROGRESS_NONE */
    bool summary; /* in words at the end */
    bool colour;
    FILE *to;
    const char *command;            /* messages begin with it */
    int fixed_columns, fixed_lines; /* of the terminal; 0: it is asked each time */
    double drawn;
    size_t n_shown;        /* lines that stand there, the cursor at the beginning of the last */
    int shown[BLOCK_ROWS]; /* their columns */
} progress;

double progress_now(void); /* seconds */
void progress_begin(progress *p, const run_options *options);
/* as often as you like; at: progress_now() */
void progress_show(progress *p, const snapshot *s, double at);
void progress_say(progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes the block away, and shows the summary; s NULL: nothing was begun. */
void progress_end(progress *p, const snapshot *s, int exit_status);
/* Before the process ends at once: takes the block away unless another thread draws just now. */
void progress_leave(progress *p);

#endif
