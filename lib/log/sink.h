/* log/sink.h -- where lines go: a layout, a level and counts of failures. One thread uses it once
 * it is open. */
#ifndef ER_SINK_H
#define ER_SINK_H

#include "log/layout.h"

#define ER_SINK_ROOM ((size_t)131072) /* a line up to this size goes out in one write */
#define ER_SINK_GAPS 16

typedef struct er_sink er_sink;
/* For sinks that take a line at a time: 0 or an errno. text has a NUL in place of its
 * newline. lost: it is a gap. */
typedef int er_sink_fn(er_sink *sink, const er_line *line, uint64_t lost, const char *text,
                       size_t size);

struct er_sink {
    /* -1: none, now */
    int fd;
    /* closed with the sink */
    bool ours;
    /* what is less is not for it; atomic: written under the hub's lock */
    int level;
    /* NULL: none */
    char *name;
    er_layout *layout;
    /* of a regular file, else 0; atomic: added sinks are compared meanwhile */
    uint64_t device, node;
    bool is_stderr;

    /* NULL: bytes to fd, by the buffer */
    er_sink_fn *each;
    /* a callback's */
    errand_log_fn *call;
    void *arg;
    errand_free_fn *free;
    /* syslog's */
    char *ident;

    char *path; /* to be opened again; absolute */
    /* of a regular file: as it was opened, without links; NULL: it has no name */
    char *real;
    /* rotated files */
    unsigned keep;
    /* bytes; 0: any */
    uint64_t most;
    /* this period and the next, on the wall clock; 0: never */
    int64_t period_ns, begun_ns, turn_ns;
    /* bytes in the file */
    uint64_t written;
    /* what failed with the file is not tried before; 0: nothing has failed */
    int64_t again_ns;

    /* the buffer; allocated once, so writing never needs memory */
    char *at;
    /* lead: a newline at its beginning that ends a torn line */
    size_t size, lead;
    /* those in the buffer: what they stand for */
    struct {
        size_t end;
        uint64_t lines;
    } gap[ER_SINK_GAPS];
    unsigned gaps;
    /* what was written ends within a line */
    bool torn;
    uint64_t lost; /* lines it could not take, not in a gap line yet */
    /* why */
    int error;
    /* how often it failed */
    uint64_t failures;
    /* lines it could not take */
    uint64_t failed;
    /* for its own gap lines */
    er_text own;
};

/* Each: 0 or an errno. A sink that failed to open needs no close. opts is of our size. */
int er_sink_open_file(er_sink *sink, const char *path, const errand_log_sink_opts *opts);
int er_sink_open_stderr(er_sink *sink, const errand_log_sink_opts *opts);
int er_sink_open_syslog(er_sink *sink, const char *ident, const char *socket,
                        const errand_log_sink_opts *opts);
int er_sink_open_call(er_sink *sink, errand_log_fn *fn, void *arg, errand_free_fn *free,
                      const errand_log_sink_opts *opts);
void er_sink_close(er_sink *sink);                     /* without writing: er_sink_write first */
bool er_sink_same(const er_sink *a, const er_sink *b); /* both would write the same file */

/* laid out, with its newline */
void er_sink_line(er_sink *sink, const er_line *line, char *text, size_t size);
/* a gap line: how many are missing here */
void er_sink_gap(er_sink *sink, const er_line *now, uint64_t lines);
/* counts lines that it is not given */
void er_sink_miss(er_sink *sink, uint64_t lines, uint64_t gap_lines);
void er_sink_write(er_sink *sink); /* everything in the buffer */
/* the same, and a gap line for those still lost */
void er_sink_last(er_sink *sink, const er_line *now);

#endif
