/* log/left_open.c -- a list of pools and sessions that have a log, for the end of the program.
 *
 *     opened --add--> listed --remove, at close--> not listed
 *                        +--exit--> named in a line of its log
 *
 * One lock for the list; it is held across fork, so that a child can add to it. What a parent has
 * added is not reported by its child: there a log that is reopened has another id.
 *
 * The line is logged by a thread of its own, which exit waits for up to 100 ms: a signal handler
 * that calls exit may have interrupted a line of the calling thread, or the holder of a lock. */
#include "log/left_open.h"

#include "base/utf8.h"
#include "log/hub.h"
#include "log/producer.h"

#include <stdio.h>
#include <string.h>

enum { NAMED = 8, PATIENCE_MS = 100 };

static er_lock lock;
static er_list open_list = { { &open_list.head, &open_list.head } };

static void before_fork(void) { er_lock_take(&lock); }
static void after_fork(void) { er_lock_give(&lock); }
__attribute__((constructor)) static void watch_forks(void)
{
    er_fork_hooks(before_fork, after_fork, after_fork);
}

void er_left_open_add(er_left_open *it, errand_log *log, const char *what, const char *name)
{
    *it = (er_left_open){ .what = what };
    if (!log) return;
    it->log_id = er_load(&log->id);
    size_t size = strlen(name);
    if (size >= sizeof it->name) size = er_utf8_whole(name, sizeof it->name - 1);
    memcpy(it->name, name, size);
    er_lock_take(&lock);
    er_list_push(&open_list, &it->node);
    er_lock_give(&lock);
}

void er_left_open_remove(er_left_open *it)
{
    er_lock_take(&lock);
    if (er_listed(&it->node)) er_list_remove(&it->node);
    er_lock_give(&lock);
}

/* ---- the line ---- */

typedef struct report { /* static: its thread may be late */
    errand_log *log;
    char names[NAMED * (sizeof((er_left_open *)0)->name + 24)];
    er_parker done;
} report;

/* How many there are of this log; the first are written to r->names. */
static unsigned list_names(report *r, uint64_t log_id)
{
    unsigned n = 0;
    size_t at = 0;
    r->names[0] = '\0';
    er_list_each(node, &open_list) {
        const er_left_open *it = er_of(node, er_left_open, node);
        if (it->log_id != log_id || n++ >= NAMED) continue;
        int size = snprintf(r->names + at, sizeof r->names - at, "%s%s %s", at ? ", " : "",
                            it->what, it->name);
        if (size > 0 && at + (size_t)size < sizeof r->names) at += (size_t)size;
    }
    if (n > NAMED) snprintf(r->names + at, sizeof r->names - at, " and %u more", n - NAMED);
    return n;
}

static void say(void *arg)
{
    report *r = arg;
    er_log_warn(r->log, "left open at the end of the program: %s", r->names);
    er_unpark(&r->done, 1);
}

static bool take_in_time(void)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (er_lock_try(&lock)) return true;
        er_pause(ER_MS);
    }
    return false;
}

void er_left_open_report(er_hub *hub)
{
    static report r;
    static bool stuck; /* r is another thread's */
    er_thread thread;
    if (stuck || !take_in_time()) return;
    r.log = hub->log;
    unsigned n = list_names(&r, hub->id);
    er_lock_give(&lock);
    if (!n || er_thread_start(&thread, say, &r, "errand-exit", 0)) return;
    if (er_park(&r.done, 1, er_now_ns() + PATIENCE_MS * ER_MS)) {
        er_parker_clear(&r.done, 1);
        er_thread_join(&thread);
    } else {
        stuck = true;
        er_thread_detach(&thread);
    }
}
