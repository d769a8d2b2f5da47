/* total.h -- how many jobs there will be, counted beside the run, a piece at a time. */
#ifndef TOTAL_H
#define TOTAL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct total {
    const char *const *files; /* the next one; NULL: nothing to be counted */
    int fd;
    bool blank; /* so far, of the line that is being read */
    bool known;
    uint64_t lines;
} total;

/* files as run_options has them. The total stays unknown if one of them is no regular file: a pipe
 * can be read once only. */
void total_begin(total *t, const char *const *files);
void total_go_on(total *t); /* for some milliseconds */
void total_end(total *t);

#endif
