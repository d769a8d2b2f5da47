/* log/line.h -- a line of text made from a record, piece by piece, so that the longest needs no memory. */
#ifndef ER_LINE_H
#define ER_LINE_H

#include "base/os.h"

#include <errand/log.h>

typedef struct er_line {
    void (*out)(void *arg, const char *at, size_t size); /* takes the pieces                    */
    void  *arg;
    size_t size;
    int64_t second;      /* since 1970, of the text below                                       */
    char   time[24];     /* the last record's time: most are of the same second                 */
    char   piece[4096];
} er_line;

void er_line_init(er_line *line, void (*out)(void *arg, const char *at, size_t size), void *arg);

/* Hands out "time - name - LEVEL - [function:line] - message\n". No control character stands between the first byte and
 * the newline. */
void er_line_write(er_line *line, int64_t wall_ns, const char *name, int level, const errand_log_site *site,
                   const char *message, size_t size);

#endif
