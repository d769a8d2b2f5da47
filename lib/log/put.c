/* log/put.c -- a line's way into the ring, or into the count of the lost.
 *
 * The text is made here and now, in a buffer on the stack or, if it is longer, in memory of its own; without memory,
 * or longer than the ring's longest record, it is cut and says so. The lock is held for the copy and a few words. Each
 * line is either put or lost, and both are counted in `said` in one order; the backend counts `told` in the same
 * order.
 *
 * Full ring. Below WARN: lost. Else the writer waits, parked, and is called whenever the backend has given room back.
 * Who was passed over a few times is `first`: until it has its room nobody else gets any. Nobody waits without a
 * backend, and closing calls all; who still finds no room then is lost.
 *
 * A line that finds no backend starts it. If that fails, lines stay in the ring as far as it goes, and a later one
 * tries again. A child process takes no lock and only counts. */
#include "log/log.h"
#include "base/atomic.h"
#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PASSED_OVER 3

static const errand_log_site nowhere = { ERRAND_LOG_INFO, 0, "", "?" };

typedef struct message {
    const char *at;
    size_t size;
    char mark[40]; /* "...[cut N bytes]", or nothing */
    size_t mark_size;
} message;

static bool put_record(errand_log *log, const er_log_record *r, const message *m) /* under the lock */
{
    size_t before = log->lost.any ? sizeof log->lost : 0;
    char *at = er_ring_reserve(&log->ring, sizeof *r + before + m->size + m->mark_size);
    if (!at) return false;
    er_log_record *put = (er_log_record *)(void *)at;
    *put = *r;
    put->lost_before = before;
    at += sizeof *r;
    if (before) memcpy(at, &log->lost, before);
    memcpy(at + before, m->at, m->size);
    memcpy(at + before + m->size, m->mark, m->mark_size);
    er_ring_commit(&log->ring);
    if (before) log->lost = (er_log_counts){ 0 };
    log->said++;
    return true;
}

/* Under the lock, which it gives away while it waits. False: there will be no room. */
static bool wait_for_room(errand_log *log, const er_log_record *r, const message *m)
{
    er_log_waiter me = { .called = false };
    bool in = false;
    log->blocked++;
    for (int turn = 0; !in && log->state != ER_LOG_NONE && !log->closing; turn++) {
        if (turn >= PASSED_OVER && !log->first) log->first = &me;
        me.called = false;
        er_list_push(&log->for_room, &me.node);
        bool unpark = er_log_rouse(log, ER_LOG_NAPPING);
        er_lock_give(&log->lock);
        if (unpark) er_unpark(&log->parker, ER_LOG_CALLED);
        er_park(&me.parker, ER_LOG_CALLED, INT64_MAX);
        er_parker_clear(&me.parker, ER_LOG_CALLED);
        er_lock_take(&log->lock);
        in = (!log->first || log->first == &me) && put_record(log, r, m);
    }
    if (log->first == &me) log->first = NULL;
    log->blocked--;
    return in;
}

static void put_message(errand_log *log, const er_log_record *r, const message *m)
{
    er_lock_take(&log->lock);
    bool in = !log->first && put_record(log, r, m);
    if (!in && r->level >= ERRAND_LOG_WARN) in = wait_for_room(log, r, m);
    if (!in) {
        log->lost.of[r->level]++;
        log->lost.any = true;
        log->said++;
        er_add(&log->dropped, 1);
    }
    bool start = log->state == ER_LOG_NONE && !log->closing;
    if (start && log->start_again_ns) start = er_now_ns() >= log->start_again_ns;
    if (start) log->state = ER_LOG_STARTING;
    bool hurry = !in || er_ring_used(&log->ring) > log->ring.size / 2;
    bool unpark = er_log_rouse(log, hurry ? ER_LOG_NAPPING : ER_LOG_ASLEEP);
    if (unpark && log->closing) { /* the lock keeps the log alive: close waits only for those who are blocked */
        er_unpark(&log->parker, ER_LOG_CALLED);
        unpark = false;
    }
    er_lock_give(&log->lock);
    if (unpark) er_unpark(&log->parker, ER_LOG_CALLED);
    if (start) er_log_start(log);
}

/* Keeps the first bytes, not in the middle of a UTF-8 character, and says how many of `whole` are missing. */
static void cut(message *m, size_t keep, size_t whole)
{
    size_t back = 0;
    while (back < 3 && back < keep && ((unsigned char)m->at[keep - back] & 0xc0) == 0x80) back++;
    if (((unsigned char)m->at[keep - back] & 0xc0) == 0x80) back = 0; /* it is no UTF-8 */
    m->size = keep - back;
    m->mark_size = (size_t)snprintf(m->mark, sizeof m->mark, "...[cut %zu bytes]", whole - m->size);
}

void errand_log_put(errand_log *log, const errand_log_site *site, const char *fmt, ...)
{
    if (!log) return;
    int error = errno; /* %m prints it, and the caller keeps it */
    er_log_record r = { .site = site ? site : &nowhere };
    r.level = (int)r.site->level;
    if (r.level <= ERRAND_LOG_DEFAULT) r.level = ERRAND_LOG_INFO;
    else if (r.level > ERRAND_LOG_ERROR) r.level = ERRAND_LOG_ERROR;
    if (r.level < er_load_relaxed(&log->head.level)) return; /* relaxed: a change counts soon, not at once */
    er_add_relaxed(&log->attempted, 1);                      /* a count alone */
    if (er_log_forked(log)) {
        er_add_relaxed(&log->dropped, 1);
        return;
    }
    r.wall_ns = er_wall_ns();

    char text[512], *longer = NULL;
    message m = { .at = text };
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = fmt ? vsnprintf(text, sizeof text, fmt, args) : snprintf(text, sizeof text, "(null)");
    if (n < 0) { /* %ls with what is no text, or more than 2 GiB */
        n = snprintf(text, sizeof text, "(cannot be formatted: %.400s)", fmt);
    }
    m.size = (size_t)n;
    if (m.size >= sizeof text) {
        size_t longest = er_ring_longest(&log->ring) - sizeof r - sizeof(er_log_counts);
        size_t keep = m.size <= longest ? m.size : longest - sizeof m.mark;
        longer = er_alloc(keep + 2);
        if (longer) {
            m.at = longer;
            errno = error;
            n = vsnprintf(longer, keep + 2, fmt, again); /* one more than is kept, to see where a character ends */
            if (n < 0 || (size_t)n < keep) m.size = n < 0 ? 0 : (size_t)n; /* somebody changes what it prints */
            else if (keep < m.size) cut(&m, keep, m.size);
        } else {
            cut(&m, sizeof text - 2, m.size);
        }
    }
    va_end(again);
    va_end(args);

    put_message(log, &r, &m);
    er_free(longer);
    errno = error;
}
