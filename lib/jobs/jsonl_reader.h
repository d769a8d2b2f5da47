/* jobs/jsonl_reader.h -- the lines of many files, one after the other, in bounded memory; what is
 * packed with gzip is unpacked. Used by one thread. */
#ifndef ER_JSONL_READER_H
#define ER_JSONL_READER_H

#include "base/bytes.h"
#include "http/decoder.h"

#define ER_LINE_MOST ((size_t)16 << 20) /* bytes of a line, its end not counted */

typedef struct er_line {
    const char *file; /* as it was named; "stdin" for "-" */
    /* in that file, from 1, blank lines counted; 0: it is about the file, see error */
    uint64_t number;
    char *text; /* yours to er_free; NULL with an error */
    size_t size;
    /* 0; EFBIG: a longer line, skipped; of number 0: why the file cannot be read any further */
    int error;
    char *why; /* the error in words, yours to er_free; NULL: as errand_strerror has it */
} er_line;

typedef struct er_lines {
    const char *const *files; /* the next one; ..., NULL */
    const char *file;         /* the one that is open; NULL: none */
    int fd, wake_fd;
    uint64_t number;
    char *chunk; /* what was read: from..to is not used yet */
    size_t from, to;
    bool over;          /* its end has been read; a terminal must not be asked again */
    bool inside;        /* a piece of a line has been taken, but not its end */
    er_decoder *gunzip; /* NULL: the file is read as it is */
    char *packed;       /* its bytes: packed_at, packed_size of them, are not unpacked yet */
    const char *packed_at;
    size_t packed_size;
    int fault; /* of the gzip data, behind what is in the chunk */
} er_lines;

/* files as errand_jobs_opts has them; a readable wake_fd ends any waiting. 0 or ENOMEM. */
int er_lines_init(er_lines *lines, const char *const *files, int wake_fd);
void er_lines_free(er_lines *lines);

/* Opens the next file and waits for its first line that is not blank. 0: lines->file is open, or it
 * cannot be read, and *line says why. ENODATA: there is no file any more. ECANCELED: woken. ENOMEM.
 */
int er_lines_open(er_lines *lines, er_line *line);
void er_lines_shut(er_lines *lines); /* the file that is open */

/* What has been read of the open file and not been taken; its first line, unless that is longer
 * than a chunk. */
const char *er_lines_ahead(const er_lines *lines, size_t *size);

/* The next piece of a line, to the end of the line or of the chunk; *ended: its LF, or the end of
 * the file, is behind it. lines->number is the number of the line once it has ended. The piece is
 * there until the next call. 0; ENODATA: the file is at its end; ECANCELED; ENOMEM; else it cannot
 * be read any further. */
int er_lines_piece(er_lines *lines, const char **at, size_t *size, bool *ended);

/* The next line that is not blank, without its end, into *line. As above, but that errors of the
 * file come in *line, with 0, and close it. */
int er_lines_line(er_lines *lines, er_line *line);
/* The same for those that call er_lines_piece: puts the error of the file into *line. */
int er_lines_broken(er_lines *lines, int error, er_line *line);

bool er_line_is_blank(const char *text, size_t size);

#endif
