/* log/sink.c -- a buffer before a descriptor, and the bookkeeping of what did not get through.
 *
 * Lines gather in the buffer and go out in one write. A line that fits into the buffer is never split over two writes,
 * so that lines of several processes appending to one file stay whole; a longer one goes out in pieces.
 *
 *     begin, add, end --> buffer --write--> descriptor;   error: lost += lines not wholly out, told by the next write
 *
 * A failed write loses what is in the buffer: keeping it would need memory without end. Lines that had gone out wholly
 * before the error count as written. The number lost stands before the next line the sink takes, on a line of its own
 * (after a newline if the error tore a line), and if that one does not get through, it adds up. Nothing tells a
 * failing descriptor from a healthy one but the attempt, so each write is a new one. */
#include "log/sink.h"

#include <errand/result.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ROOM  ((size_t)65536)
#define LINES ((size_t)512)

struct er_sink_line {
    size_t end;     /* just behind its newline in the buffer; 0: being added */
    uint64_t lines; /* how many it stands for: a gap tells of several        */
    bool *failed;   /* NULL: nobody asks                                     */
};

int er_sink_borrow(er_sink *sink, int fd, int level)
{
    *sink = (er_sink){ .fd = fd, .level = level };
    sink->at = er_alloc(ROOM);
    sink->lines = er_alloc(LINES * sizeof *sink->lines);
    if (sink->at && sink->lines) return 0;
    er_sink_close(sink);
    return ENOMEM;
}

int er_sink_open(er_sink *sink, const char *path, int level)
{
    int fd;
    int error = er_file_open(path, O_WRONLY | O_APPEND | O_CREAT, &fd);
    if (error) return error;
    error = er_sink_borrow(sink, fd, level);
    sink->ours = true;
    if (error) er_file_close(fd);
    return error;
}

void er_sink_close(er_sink *sink)
{
    if (sink->ours) er_file_close(sink->fd);
    er_free(sink->at);
    er_free(sink->lines);
    *sink = (er_sink){ .fd = -1 };
}

/* The first bytes, which end with a line unless they are all there is. */
static void write_first(er_sink *sink, size_t size)
{
    size_t put = 0;
    if (!size) return;
    int error = er_file_write(sink->fd, sink->at, size, &put);
    if (put) sink->torn = sink->at[put - 1] != '\n';
    if (!error) {
        memmove(sink->at, sink->at + size, sink->size - size);
        sink->size -= size;
        sink->begin = 0;
        if (sink->open) sink->lines[0] = sink->lines[sink->count - 1];
        sink->count = sink->open ? 1 : 0;
        return;
    }
    for (size_t i = 0; i < sink->count; i++) {
        er_sink_line *line = &sink->lines[i];
        if (line->end && line->end <= put) continue;
        sink->lost += line->lines;
        if (line->failed) *line->failed = true;
    }
    sink->failures++;
    sink->error = error;
    sink->skipping = sink->open; /* a line without its head is worth nothing */
    sink->size = sink->count = sink->begin = 0;
}

static void begin_line(er_sink *sink, uint64_t lines, bool *failed)
{
    if (sink->count == LINES) write_first(sink, sink->size);
    sink->lines[sink->count++] = (er_sink_line){ .end = 0, .lines = lines, .failed = failed };
    sink->begin = sink->size;
    sink->open = true;
    sink->skipping = false;
}

static void add_gap(er_sink *sink, uint64_t lines, int error)
{
    char text[256];
    int n = snprintf(text, sizeof text, "... %llu line%s lost here%s%.128s", (unsigned long long)lines,
                     lines == 1 ? "" : "s", error ? ": " : "", error ? errand_strerror(error) : "");
    begin_line(sink, lines, NULL);
    er_sink_add(sink, text, (size_t)n);
    er_sink_add(sink, "\n", 1);
    er_sink_end(sink);
}

static void tell_lost(er_sink *sink)
{
    if (sink->count == LINES) write_first(sink, sink->size); /* may be what loses them */
    if (!sink->lost) return;
    uint64_t lost = sink->lost;
    sink->lost = 0;                                /* the line stands for them now */
    if (sink->torn) sink->at[sink->size++] = '\n'; /* the buffer is empty after a failure */
    add_gap(sink, lost, sink->error);
}

void er_sink_begin(er_sink *sink, bool *failed)
{
    tell_lost(sink);
    begin_line(sink, 1, failed);
}

void er_sink_add(er_sink *sink, const char *at, size_t size)
{
    while (size && !sink->skipping) {
        if (size > ROOM - sink->size && sink->begin) {
            write_first(sink, sink->begin); /* the lines before this one */
            continue;
        }
        if (sink->size == ROOM) {
            write_first(sink, ROOM);
            continue;
        }
        size_t n = size < ROOM - sink->size ? size : ROOM - sink->size;
        memcpy(sink->at + sink->size, at, n);
        sink->size += n;
        at += n;
        size -= n;
    }
}

void er_sink_end(er_sink *sink)
{
    if (!sink->skipping) sink->lines[sink->count - 1].end = sink->size;
    sink->open = sink->skipping = false;
    sink->begin = sink->size;
}

void er_sink_gap(er_sink *sink, uint64_t lines)
{
    tell_lost(sink);
    add_gap(sink, lines, 0);
}

void er_sink_write(er_sink *sink) { write_first(sink, sink->size); }

void er_sink_last(er_sink *sink)
{
    tell_lost(sink);
    er_sink_write(sink);
}
