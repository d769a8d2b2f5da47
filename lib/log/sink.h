/* log/sink.h -- where lines go: a descriptor with a buffer, a level and troubles of its own. One thread uses it. */
#ifndef ER_SINK_H
#define ER_SINK_H

#include "base/os.h"

typedef struct er_sink_line er_sink_line;

typedef struct er_sink {
    int           fd;
    bool          ours;     /* closed with the sink                                                     */
    int           level;    /* what is less is not for it                                               */
    char         *at;       /* the buffer; allocated once, so writing never needs memory                */
    size_t        size;     /* bytes in it                                                              */
    size_t        begin;    /* where the line that is being added begins                                */
    er_sink_line *lines;    /* what is in the buffer, line by line                                      */
    size_t        count;
    bool          open;     /* a line is being added                                                    */
    bool          skipping; /* ... whose beginning is lost, so its rest is                              */
    bool          torn;     /* what was written ends within a line                                      */
    uint64_t      lost;     /* lines it could not take and has not told yet                             */
    int           error;    /* why                                                                      */
    uint64_t      failures; /* how often a write failed                                                 */
} er_sink;

int  er_sink_open(er_sink *sink, const char *path, int level); /* a file, for appending; 0 or an errno    */
int  er_sink_borrow(er_sink *sink, int fd, int level);         /* somebody else's descriptor              */
void er_sink_close(er_sink *sink);                             /* without writing: er_sink_write first    */

/* A line: begin, its pieces (the last ends with the only newline), end. *failed becomes true by the next er_sink_write
 * if it could not be taken. */
void er_sink_begin(er_sink *sink, bool *failed);
void er_sink_add(er_sink *sink, const char *at, size_t size);
void er_sink_end(er_sink *sink);

void er_sink_gap(er_sink *sink, uint64_t lines); /* a line that says how many are missing here */

void er_sink_write(er_sink *sink); /* everything in the buffer */
void er_sink_last(er_sink *sink);  /* the same, and what it could not take so far, if that was not told yet */

#endif
