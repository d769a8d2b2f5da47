/* jobs/jsonl_reader.h -- the lines of many files, one after the other, in bounded
 * memory. Used by one thread. */
#ifndef ER_JSONL_READER_H
#define ER_JSONL_READER_H

#include "base/bytes.h"

#define ER_LINE_MOST ((size_t)16 << 20) /* bytes of a line, its end not counted */

typedef struct er_line {
    const char *file; /* as it was named; "stdin" for "-" */
    /* in that file, from 1, blank lines counted; 0: it is about the file, see error */
    uint64_t number;
    char *text; /* yours to er_free; NULL with an error */
    size_t size;
    /* 0; EFBIG: a longer line, skipped; of number 0: why the file cannot be read any further */
    int error;
} er_line;

typedef struct er_lines {
    const char *const *files; /* the next one; ..., NULL */
    const char *file;         /* the one that is open; NULL: none */
    int fd, wake_fd;
    uint64_t number;
    char *chunk; /* what was read: from..to is not used yet */
    size_t from, to;
} er_lines;

/* files as errand_jobs_opts has them; a readable wake_fd ends any waiting. 0 or ENOMEM. */
int er_lines_init(er_lines *lines, const char *const *files, int wake_fd);
void er_lines_free(er_lines *lines);

/* The next line that is not blank, or the next file that cannot be read, into *line: 0. ENODATA:
 * that was all. ECANCELED: woken. ENOMEM. */
int er_lines_next(er_lines *lines, er_line *line);

#endif
