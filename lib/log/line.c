/* log/line.c -- the text pattern, and why nobody can forge a line.
 *
 * Control characters go out as \xNN: those below a blank (newline, return, escape, tab ...), DEL, and the C1 set in its
 * UTF-8 form (C2 80 to C2 9F: CSI and its like, which terminals obey). All other bytes pass, so UTF-8 stays readable. A
 * newline is therefore always the end of a line, for readers and for the sinks, which count on it.
 *
 * Breaking a time down costs more than all the rest, so it is done once a second; milliseconds are put in by hand. A
 * change of daylight time falls between two seconds, so that is exact. */
#include "log/line.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static const char *const level_names[] = { "INFO", "TRACE", "DEBUG", "INFO", "WARN", "ERROR" };

static void hand_out(er_line *line)
{
    if (line->size) line->out(line->arg, line->piece, line->size);
    line->size = 0;
}

static void add(er_line *line, const char *at, size_t size)
{
    while (size) {
        if (line->size == sizeof line->piece) hand_out(line);
        size_t n = sizeof line->piece - line->size;
        if (n > size) n = size;
        memcpy(line->piece + line->size, at, n);
        line->size += n;
        at += n;
        size -= n;
    }
}

static size_t plain(const unsigned char *at, size_t size) /* how many bytes pass as they are */
{
    for (size_t i = 0; i < size; i++) {
        if (at[i] < 0x20 || at[i] == 0x7f) return i;
        if (at[i] == 0xc2 && i + 1 < size && at[i + 1] >= 0x80 && at[i + 1] <= 0x9f) return i;
    }
    return size;
}

static void add_escaped(er_line *line, const char *at, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    while (size) {
        size_t n = plain((const unsigned char *)at, size);
        add(line, at, n);
        at += n;
        size -= n;
        /* C2 is followed by a byte that must go out as digits, too */
        for (size_t i = size && (unsigned char)*at == 0xc2 ? 2 : size ? 1 : 0; i; i--) {
            unsigned byte = (unsigned char)*at;
            const char text[4] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };
            add(line, text, sizeof text);
            at++;
            size--;
        }
    }
}

static void add_time(er_line *line, int64_t wall_ns)
{
    if (wall_ns < 0 || wall_ns / 1000000000 != line->second) {
        er_wall_text(wall_ns, line->time);
        line->second = wall_ns < 0 ? -1 : wall_ns / 1000000000;
    }
    size_t n = strlen(line->time);
    if (wall_ns >= 0 && n > 3) {
        int ms = (int)(wall_ns / 1000000 % 1000);
        line->time[n - 3] = (char)('0' + ms / 100);
        line->time[n - 2] = (char)('0' + ms / 10 % 10);
        line->time[n - 1] = (char)('0' + ms % 10);
    }
    add(line, line->time, n);
}

void er_line_init(er_line *line, void (*out)(void *arg, const char *at, size_t size), void *arg)
{
    *line = (er_line){ .out = out, .arg = arg, .second = -1 };
}

void er_line_write(er_line *line, int64_t wall_ns, const char *name, int level, const errand_log_site *site,
                   const char *message, size_t size)
{
    char number[32];
    const char *function = site->function ? site->function : "?";
    add_time(line, wall_ns);
    add(line, " - ", 3);
    add_escaped(line, name, strlen(name));
    add(line, " - ", 3);
    add(line, level_names[level], strlen(level_names[level]));
    add(line, " - [", 4);
    add_escaped(line, function, strlen(function));
    add(line, number, (size_t)snprintf(number, sizeof number, ":%d] - ", site->line));
    add_escaped(line, message, size);
    add(line, "\n", 1);
    hand_out(line);
}
