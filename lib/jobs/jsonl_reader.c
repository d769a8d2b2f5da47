/* jobs/jsonl_reader.c -- a chunk is read when it is needed, never further; a line is put
 * together from chunks.
 *
 * Every read waits with poll first, for the file and for the wake descriptor, so that a reader
 * stops at once when it is woken, whatever it reads: a terminal, a pipe without data, a FIFO
 * without a writer (which is why files are opened with O_NONBLOCK: opening such a FIFO would block
 * before there is anything to poll). A line that is too long is read to its end and thrown away
 * piece by piece. */
#include "jobs/jsonl_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)

int er_lines_init(er_lines *lines, const char *const *files, int wake_fd)
{
    static const char *const only_stdin[] = { "-", NULL };
    *lines = (er_lines){ .files = files ? files : only_stdin, .fd = -1, .wake_fd = wake_fd };
    lines->chunk = er_alloc(CHUNK);
    return lines->chunk ? 0 : ENOMEM;
}

static void shut(er_lines *lines)
{
    if (lines->fd > STDIN_FILENO) er_file_close(lines->fd);
    lines->fd = -1;
    lines->file = NULL;
}

void er_lines_free(er_lines *lines)
{
    shut(lines);
    er_free(lines->chunk);
    lines->chunk = NULL;
}

/* More bytes into the chunk, which is used up. *got 0: the end of the file. */
static int fill(er_lines *lines, size_t *got)
{
    int error;
    do {
        error = er_file_wait(lines->fd, lines->wake_fd, INT64_MAX);
        if (!error) error = er_file_read(lines->fd, lines->chunk, CHUNK, got);
    } while (error == EAGAIN || error == EWOULDBLOCK); /* another reader of the pipe was first */
    lines->from = 0;
    lines->to = error ? 0 : *got;
    return error;
}

/* Opens the next file and steps over its byte order mark. */
static int begin(er_lines *lines)
{
    const char *name = *lines->files++;
    lines->number = 0;
    lines->from = lines->to = 0;
    lines->file = strcmp(name, "-") ? name : "stdin";
    int error = 0;
    if (strcmp(name, "-")) error = er_file_open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY, &lines->fd);
    else lines->fd = STDIN_FILENO;
    if (error) lines->fd = -1;
    return error;
}

static bool is_blank(const er_bytes *line)
{
    for (size_t i = 0; i < line->size; i++) {
        if (!strchr(" \t\r", line->at[i]) || !line->at[i]) return false;
    }
    return true;
}

/* One line of the open file. ENODATA: there is none any more. */
static int read_line(er_lines *lines, er_bytes *text, bool *too_long)
{
    bool any = false;
    for (;;) {
        if (lines->from == lines->to) {
            size_t got = 0;
            int error = fill(lines, &got);
            if (error) return error;
            if (!got) return any ? 0 : ENODATA;
        }
        any = true;
        const char *at = lines->chunk + lines->from;
        size_t there = lines->to - lines->from;
        const char *end = memchr(at, '\n', there);
        size_t n = end ? (size_t)(end - at) : there;
        if (!*too_long && n > ER_LINE_MOST + 1 - text->size) { /* + 1: a CR may still go */
            *too_long = true;
            er_bytes_free(text);
        }
        if (!*too_long) er_bytes_add(text, at, n);
        if (text->error) return ENOMEM;
        lines->from += n + (end != NULL);
        if (end) return 0;
    }
}

int er_lines_next(er_lines *lines, er_line *line)
{
    for (;;) {
        if (!lines->file) {
            if (!*lines->files) return ENODATA;
            int error = begin(lines);
            if (error) {
                *line = (er_line){ .file = lines->file, .error = error };
                shut(lines);
                return 0;
            }
        }
        er_bytes text = { 0 };
        bool too_long = false;
        int error = read_line(lines, &text, &too_long);
        if (error) er_bytes_free(&text);
        if (error == ECANCELED || error == ENOMEM) return error;
        if (error == ENODATA) {
            shut(lines);
            continue;
        }
        if (error) { /* a line that a bad disk cut short is no line */
            *line = (er_line){ .file = lines->file, .error = error };
            shut(lines);
            return 0;
        }
        lines->number++;
        if (lines->number == 1 && text.size >= 3 && !memcmp(text.at, "\xef\xbb\xbf", 3))
            er_bytes_drop(&text, 3);
        if (text.size && text.at[text.size - 1] == '\r') text.at[--text.size] = '\0';
        if (text.size > ER_LINE_MOST) {
            too_long = true;
            er_bytes_free(&text);
        }
        if (!too_long && is_blank(&text)) {
            er_bytes_free(&text);
            continue;
        }
        *line = (er_line){ .file = lines->file,
                           .number = lines->number,
                           .text = text.at,
                           .size = text.size,
                           .error = too_long ? EFBIG : 0 };
        return 0;
    }
}
