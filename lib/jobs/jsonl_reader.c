/* jobs/jsonl_reader.c -- a chunk is read when it is needed, never further; a line is put
 * together from chunks.
 *
 *     file --read--> chunk --> lines          or: file --read--> packed --er_decode--> chunk -->
 * lines
 *
 * Every read waits with poll first, for the file and for the wake descriptor, so that a reader
 * stops at once when it is woken, whatever it reads: a terminal, a pipe without data, a FIFO
 * without a writer (which is why files are opened with O_NONBLOCK: opening such a FIFO would block
 * before there is anything to poll). A line that is too long is read to its end and thrown away
 * piece by piece.
 *
 * A file is opened up to its first line, by which its format is found out. Its first two bytes say
 * whether it is gzip's; then what was read is moved into `packed`. The wake descriptor is also
 * looked at before each chunk that is unpacked, as one read may unpack to a thousand of them. Bytes
 * that were unpacked before a fault are lines like others; the fault comes behind them. */
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

void er_lines_shut(er_lines *lines)
{
    if (lines->fd > STDIN_FILENO) er_file_close(lines->fd);
    lines->fd = -1;
    lines->file = NULL;
    er_decoder_free(lines->gunzip);
    lines->gunzip = NULL;
    lines->fault = 0;
    lines->over = lines->inside = false;
    lines->packed_size = lines->from = lines->to = 0;
}

void er_lines_free(er_lines *lines)
{
    er_lines_shut(lines);
    er_free(lines->chunk);
    er_free(lines->packed);
    lines->chunk = lines->packed = NULL;
}

/* *got 0: the end of the file. */
static int read_some(er_lines *lines, char *at, size_t room, size_t *got)
{
    int error;
    do {
        error = er_file_wait(lines->fd, lines->wake_fd, INT64_MAX);
        if (!error) error = er_file_read(lines->fd, at, room, got);
    } while (error == EAGAIN || error == EWOULDBLOCK); /* another reader of the pipe was first */
    return error;
}

static int unpack(er_lines *lines, char *at, size_t room, size_t *got)
{
    *got = 0;
    if (lines->fault) return lines->fault;
    while (!*got) {
        int error = 0;
        if (lines->packed_size) {
            error = er_file_wait(lines->wake_fd, -1, 0);
            if (!error) return ECANCELED;
        } else {
            error = read_some(lines, lines->packed, CHUNK, &lines->packed_size);
            lines->packed_at = lines->packed;
            if (error) lines->packed_size = 0;
            if (!error && !lines->packed_size) return er_decoder_end(lines->gunzip);
            if (error) return error;
        }
        error = er_decode(lines->gunzip, &lines->packed_at, &lines->packed_size, at, room, got);
        if (error && !*got) return error;
        lines->fault = error;
    }
    return 0;
}

/* More bytes behind those in the chunk, which has room. *got 0: the end of the file. */
static int fill(er_lines *lines, size_t *got)
{
    *got = 0;
    if (lines->over) return 0;
    if (lines->from == lines->to) lines->from = lines->to = 0;
    char *at = lines->chunk + lines->to;
    size_t room = CHUNK - lines->to;
    int error = lines->gunzip ? unpack(lines, at, room, got) : read_some(lines, at, room, got);
    if (error) return error;
    lines->to += *got;
    lines->over = !*got;
    return 0;
}

/* The chunk begins like a gzip file: it becomes what is to be unpacked. */
static int begin_gzip(er_lines *lines)
{
    er_codings gzip = { 0 };
    er_codings_add(&gzip, "gzip");
    char *spare = lines->packed ? lines->packed : er_alloc(CHUNK);
    lines->gunzip = spare ? er_decoder_new(&gzip) : NULL;
    lines->packed = lines->chunk;
    lines->chunk = spare;
    if (!lines->gunzip) { /* with no chunk either, nothing more is read */
        if (!spare) {
            lines->chunk = lines->packed;
            lines->packed = NULL;
        }
        return ENOMEM;
    }
    lines->packed_at = lines->packed + lines->from;
    lines->packed_size = lines->to - lines->from;
    lines->from = lines->to = 0;
    return 0;
}

bool er_line_is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!strchr(" \t\r", text[i]) || !text[i]) return false;
    }
    return true;
}

/* The chunk has a whole line that is not blank, or no room for more. */
static bool has_line(const er_lines *lines)
{
    if (lines->to == CHUNK) return true;
    const char *at = lines->chunk + lines->from, *end = lines->chunk + lines->to, *next;
    for (; at < end && (next = memchr(at, '\n', (size_t)(end - at))); at = next + 1) {
        if (!er_line_is_blank(at, (size_t)(next - at))) return true;
    }
    return false;
}

static int look_ahead(er_lines *lines)
{
    size_t got = 1;
    int error = 0;
    while (!error && got && lines->to < 2) {
        error = fill(lines, &got);
        if (lines->to && lines->chunk[0] != '\x1f') break;
    }
    if (!error && lines->to >= 2 && !memcmp(lines->chunk, "\x1f\x8b", 2)) error = begin_gzip(lines);
    while (!error && got && !has_line(lines)) error = fill(lines, &got);
    /* a line of what came before a fault is still to be had; er_lines_piece meets the fault again
     */
    if (error && error != ENOMEM && error != ECANCELED && lines->gunzip && lines->to) {
        lines->fault = error;
        error = 0;
    }
    if (!error && lines->to >= 3 && !memcmp(lines->chunk, "\xef\xbb\xbf", 3)) lines->from = 3;
    return error;
}

int er_lines_broken(er_lines *lines, int error, er_line *line)
{
    if (error == ECANCELED || error == ENOMEM || error == ENODATA) return error;
    const char *fault = er_decoder_fault(error);
    *line = (er_line){ .file = lines->file, .error = error };
    if (fault) {
        bool cut = lines->gunzip && error == er_decoder_end(lines->gunzip);
        er_bytes why = { 0 };
        er_bytes_format(&why, "the gzip data %s; what came before was read",
                        cut ? "breaks off" : "is damaged, or something else follows it");
        line->error = EBADMSG;
        line->why = er_bytes_take(&why);
    }
    er_lines_shut(lines);
    return 0;
}

int er_lines_open(er_lines *lines, er_line *line)
{
    if (!*lines->files) return ENODATA;
    const char *name = *lines->files++;
    lines->number = 0;
    lines->from = lines->to = 0;
    lines->file = strcmp(name, "-") ? name : "stdin";
    int error = 0;
    if (strcmp(name, "-")) error = er_file_open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY, &lines->fd);
    else lines->fd = STDIN_FILENO;
    if (error) lines->fd = -1;
    else error = look_ahead(lines);
    return error ? er_lines_broken(lines, error, line) : 0;
}

const char *er_lines_ahead(const er_lines *lines, size_t *size)
{
    *size = lines->to - lines->from;
    return lines->chunk + lines->from;
}

int er_lines_piece(er_lines *lines, const char **at, size_t *size, bool *ended)
{
    size_t got = 1;
    if (lines->from == lines->to) {
        int error = fill(lines, &got);
        if (error) return error;
        if (!got && !lines->inside) return ENODATA;
    }
    *at = lines->chunk + lines->from;
    size_t there = lines->to - lines->from;
    const char *end = memchr(*at, '\n', there);
    *size = end ? (size_t)(end - *at) : there;
    *ended = end || !got;
    lines->from += *size + (end != NULL);
    lines->inside = !*ended;
    if (*ended) lines->number++;
    return 0;
}

/* A line that a bad disk cut short is no line. */
static int read_line(er_lines *lines, er_bytes *text, bool *too_long)
{
    for (bool ended = false; !ended;) {
        const char *at;
        size_t size;
        int error = er_lines_piece(lines, &at, &size, &ended);
        if (error) return error;
        if (!*too_long && size > ER_LINE_MOST + 1 - text->size) { /* + 1: a CR may still go */
            *too_long = true;
            er_bytes_free(text);
        }
        if (!*too_long) er_bytes_add(text, at, size);
        if (text->error) return ENOMEM;
    }
    return 0;
}

int er_lines_line(er_lines *lines, er_line *line)
{
    for (;;) {
        er_bytes text = { 0 };
        bool too_long = false;
        int error = read_line(lines, &text, &too_long);
        if (error) er_bytes_free(&text);
        if (error) return er_lines_broken(lines, error, line);
        if (text.size && text.at[text.size - 1] == '\r') text.at[--text.size] = '\0';
        if (text.size > ER_LINE_MOST) {
            too_long = true;
            er_bytes_free(&text);
        }
        if (!too_long && er_line_is_blank(text.at, text.size)) {
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
