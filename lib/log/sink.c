/* log/sink.c -- a buffer before a descriptor, and the counts of lines that could not be written.
 *
 * Lines gather in the buffer and go out in one write. A line that fits into the buffer is never
 * split over two writes, so that lines of several processes appending to one file stay whole; a
 * longer one goes out in a write of its own.
 *
 *     line --> buffer --write--> descriptor;   error: lost += lines not wholly out; then a gap line
 *     line --> callback, syslog;               error: lost++
 *
 * A failed write loses what is in the buffer: keeping it would need memory without end. Lines
 * that had gone out wholly before the error count as written; a newline is always the end of a
 * line, so the others are counted by their newlines. The number lost stands before the next line
 * the sink takes, on a line of its own (after a newline if the error tore a line), and if that
 * one cannot be written, either, it adds up. Only an attempt shows whether a descriptor still
 * fails, so each write is tried. */
#include "log/sink.h"
#include "log/rotate.h"
#include "log/syslog.h"
#include "base/atomic.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static int open_with(er_sink *sink, const char *name, const errand_log_sink_opts *opts,
                     const char *pattern, bool terminal)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment does not change beside threads */
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    bool can = terminal && !(no_colour && *no_colour) && !(term && !strcmp(term, "dumb"));
    bool colour = opts->colour == ERRAND_LOG_COLOUR_ALWAYS ||
                  (opts->colour == ERRAND_LOG_COLOUR_AUTO && can);
    if ((int)opts->level < 0 || opts->level > ERRAND_LOG_OFF || (int)opts->colour < 0 ||
        opts->colour > ERRAND_LOG_COLOUR_ALWAYS || opts->rotate_ms < 0)
        return EINVAL;
    sink->level = (int)opts->level;
    sink->most = opts->rotate_bytes;
    sink->keep = opts->keep ? opts->keep : 5;
    sink->period_ns =
        opts->rotate_ms > INT64_MAX / 1000000 ? INT64_MAX / 2 : opts->rotate_ms * 1000000;
    int error =
        er_layout_new(&sink->layout, opts->form, opts->pattern ? opts->pattern : pattern, colour);
    if (!error) error = er_text_open(&sink->own, 1024, 1024);
    if (opts->name) name = opts->name;
    if (!error && name && !(sink->name = er_copy_text(name))) error = ENOMEM;
    if (!error && !sink->each && !(sink->at = er_alloc(ER_SINK_ROOM))) error = ENOMEM;
    return error;
}

static int failed(er_sink *sink, int error)
{
    sink->free = NULL;
    er_sink_close(sink);
    return error;
}

int er_sink_open_file(er_sink *sink, const char *path, const errand_log_sink_opts *opts)
{
    *sink = (er_sink){ .fd = -1 };
    int error = er_file_absolute(path, &sink->path);
    if (!error) error = er_file_open(sink->path, O_WRONLY | O_APPEND | O_CREAT, &sink->fd);
    er_file_about about = { 0 };
    if (!error) {
        sink->ours = true;
        error = er_file_look(sink->fd, &about);
    }
    if (!error) error = open_with(sink, path, opts, NULL, about.terminal);
    if (!error && about.regular && er_file_real(sink->path, &sink->real) == ENOMEM) error = ENOMEM;
    if (error) return failed(sink, error);
    er_sink_note_file(sink);
    return 0;
}

int er_sink_open_stderr(er_sink *sink, const errand_log_sink_opts *opts)
{
    *sink = (er_sink){ .fd = 2, .is_stderr = true };
    er_file_about about = { 0 };
    er_file_look(2, &about); /* closed: the writes will say so */
    int error = open_with(sink, "stderr", opts, NULL, about.terminal);
    if (error) return failed(sink, error);
    if (about.regular) {
        sink->device = about.device;
        sink->node = about.node;
    }
    sink->most = 0;
    sink->period_ns = 0;
    return 0;
}

static int call(er_sink *sink, const er_line *line, uint64_t lost, const char *text, size_t size)
{
    errand_log_line l = {
        .level = (errand_log_level)line->level,
        .line = line->line,
        .name = line->name,
        .file = line->file,
        .function = line->function,
        .time_ns = line->wall_ns,
        .text = text,
        .size = size,
        .lost = lost
    };
    unsigned generation = er_fork_generation();
    int error = sink->call(sink->arg, &l);
    /* the parent's log is the parent's to flush */
    if (er_fork_generation() != generation) er_exit_child();
    return error;
}

int er_sink_open_call(er_sink *sink, errand_log_fn *fn, void *arg, errand_free_fn *free,
                      const errand_log_sink_opts *opts)
{
    *sink = (er_sink){ .fd = -1, .each = call, .call = fn, .arg = arg, .free = free };
    int error = open_with(sink, NULL, opts, NULL, false);
    return error ? failed(sink, error) : 0;
}

int er_sink_open_syslog(er_sink *sink, const char *ident, const char *socket,
                        const errand_log_sink_opts *opts)
{
    static const char pattern[] = "{name} - {level} - [{function}:{line}] - {message}{fields}";
    *sink = (er_sink){ .fd = -1, .ours = true, .each = er_sink_send_syslog };
    sink->ident = er_copy_text(ident);
    sink->path = er_copy_text(socket ? socket : "/dev/log");
    int error =
        sink->ident && sink->path ? open_with(sink, "syslog", opts, pattern, false) : ENOMEM;
    return error ? failed(sink, error) : 0;
}

void er_sink_close(er_sink *sink)
{
    if (sink->free) sink->free(sink->arg);
    if (sink->ours && sink->fd >= 0) er_file_close(sink->fd);
    er_free(sink->layout);
    er_free(sink->name);
    er_free(sink->path);
    er_free(sink->real);
    er_free(sink->ident);
    er_free(sink->at);
    er_text_close(&sink->own);
    *sink = (er_sink){ .fd = -1 };
}

/* By name, too: a file that is just rotating has another inode at each check. */
bool er_sink_same(const er_sink *a, const er_sink *b)
{
    if (a->is_stderr && b->is_stderr) return true;
    if (a->real && b->real && !strcmp(a->real, b->real)) return true;
    uint64_t node = er_load_relaxed(&a->node); /* relaxed: a comparison, no more */
    return node && node == er_load_relaxed(&b->node) &&
           er_load_relaxed(&a->device) == er_load_relaxed(&b->device);
}

/* ---- writing ---- */

static void note_failure(er_sink *sink, uint64_t failed_lines, uint64_t gap_lines, int error)
{
    sink->lost += failed_lines + gap_lines;
    sink->failed += failed_lines;
    sink->failures++;
    sink->error = error;
}

static void note_written(er_sink *sink, const char *at, size_t put)
{
    sink->written += put;
    if (put) sink->torn = at[put - 1] != '\n';
}

void er_sink_write(er_sink *sink)
{
    size_t put = 0;
    if (!sink->size) return;
    int error = er_file_write(sink->fd, sink->at, sink->size, &put);
    note_written(sink, sink->at, put);
    if (error) {
        uint64_t lines = 0, gap_lines = 0;
        for (size_t i = put < sink->lead ? sink->lead : put; i < sink->size; i++)
            lines += sink->at[i] == '\n';
        for (unsigned i = 0; i < sink->gaps; i++) {
            if (sink->gap[i].end <= put) continue;
            lines--;
            gap_lines += sink->gap[i].lines;
        }
        note_failure(sink, lines, gap_lines, error);
    }
    sink->size = sink->lead = 0;
    sink->gaps = 0;
}

/* lost: what the line stands for; 0: itself. */
static void add(er_sink *sink, const er_line *line, uint64_t lost, char *text, size_t size)
{
    if (sink->each) {
        text[size - 1] = '\0'; /* they get no newline, the next sink does */
        int error = sink->each(sink, line, lost, text, size - 1);
        text[size - 1] = '\n';
        if (error) note_failure(sink, !lost, lost, error);
        return;
    }
    if (er_sink_may_rotate(sink) && er_sink_rotates(sink, line->wall_ns, size)) {
        er_sink_write(sink);
        er_sink_rotate(sink, line->wall_ns);
    }
    if (size > ER_SINK_ROOM - sink->size || (lost && sink->gaps == ER_SINK_GAPS))
        er_sink_write(sink);
    if (size > ER_SINK_ROOM) {
        size_t put = 0;
        int error = er_file_write(sink->fd, text, size, &put);
        note_written(sink, text, put);
        if (error) note_failure(sink, !lost, lost, error);
        return;
    }
    memcpy(sink->at + sink->size, text, size);
    sink->size += size;
    if (lost) {
        sink->gap[sink->gaps].end = sink->size;
        sink->gap[sink->gaps++].lines = lost;
    }
}

static void add_gap(er_sink *sink, const er_line *now, uint64_t lines, const char *reason)
{
    er_text_clear(&sink->own);
    er_layout_gap(sink->layout, &sink->own, now->wall_ns, now->name, lines, reason);
    add(sink, now, lines, sink->own.at, sink->own.size);
}

static void log_lost(er_sink *sink, const er_line *now)
{
    if (!sink->lost) return;
    if (sink->size) er_sink_write(sink); /* the gap's place is after these, if they are written */
    uint64_t lost = sink->lost;
    char reason[160];
    snprintf(reason, sizeof reason, "%.150s", errand_strerror(sink->error));
    sink->lost = 0; /* the line stands for them now */
    if (sink->torn && !sink->each) sink->at[sink->lead++, sink->size++] = '\n';
    add_gap(sink, now, lost, reason);
}

static int follow(er_sink *sink, const er_line *line)
{
    return er_sink_may_rotate(sink) && !sink->size ? er_sink_follow(sink, line->wall_ns) : 0;
}

void er_sink_line(er_sink *sink, const er_line *line, char *text, size_t size)
{
    int error = follow(sink, line);
    if (error) {
        note_failure(sink, 1, 0, error);
        return;
    }
    log_lost(sink, line);
    add(sink, line, 0, text, size);
}

void er_sink_gap(er_sink *sink, const er_line *now, uint64_t lines)
{
    int error = follow(sink, now);
    if (error) {
        note_failure(sink, 0, lines, error);
        return;
    }
    log_lost(sink, now);
    add_gap(sink, now, lines, NULL);
}

void er_sink_miss(er_sink *sink, uint64_t lines, uint64_t gap_lines)
{
    note_failure(sink, lines, gap_lines, EFAULT);
}

void er_sink_last(er_sink *sink, const er_line *now)
{
    er_sink_write(sink);
    if (follow(sink, now)) return;
    log_lost(sink, now);
    er_sink_write(sink);
}
