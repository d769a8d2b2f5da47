/* log/syslog.c -- lines as datagrams to the system's log: <priority>time
 * ident[pid]: text (RFC 3164).
 *
 * The socket is opened with the first line and again after an error, so that a syslog daemon that
 * starts later, or restarts, gets the lines from then on. */
#include "base/clock.h"
#include "base/utf8.h"
#include "log/syslog.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define USER      (1 << 3) /* facility */
#define MOST      8192     /* bytes of a datagram */
#define HEAD_ROOM 256

static int severity(int level)
{
    static const int of[] = { 6, 7, 7, 6, 4, 3, 3 };
    return of[level];
}

int er_sink_send_syslog(er_sink *sink, const er_line *line, uint64_t lost, const char *text,
                        size_t size)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char data[HEAD_ROOM + MOST + ER_TEXT_MARK], when[24];
    er_wall_text(line->wall_ns, when);
    int month = (when[5] - '0') * 10 + when[6] - '0', day = (when[8] - '0') * 10 + when[9] - '0';
    if (month < 1 || month > 12) month = 1;
    int n = snprintf(data, HEAD_ROOM, "<%d>%.3s %2d %.8s %.128s[%ld]: ",
                     USER | severity(lost ? ERRAND_LOG_WARN : line->level),
                     months + 3 * (month - 1), day, when + 11, sink->ident, (long)getpid());
    size_t used = (size_t)n, fits = size;
    if (size > MOST) fits = er_utf8_whole(text, MOST);
    memcpy(data + used, text, fits);
    used += fits;
    if (fits < size) used += er_text_mark(data + used, size - fits);
    int error = ENOTCONN;
    for (int turn = 0; turn < 2 && error; turn++) {
        if (sink->fd < 0) error = er_datagram_open(sink->path, &sink->fd);
        if (sink->fd < 0) return error;
        error = er_datagram_send(sink->fd, data, used);
        if (!error || error == EAGAIN || error == EMSGSIZE || error == ENOBUFS) return error;
        er_file_close(sink->fd);
        sink->fd = -1;
    }
    return error;
}
