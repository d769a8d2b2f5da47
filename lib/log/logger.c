/* log/logger.c -- loggers by dotted name, and the levels they inherit.
 *
 * Each logger holds the level that counts for it, its own or else its parent's: "http" is the
 * parent of "http.lane", and the log itself that of "http". A missing parent is made with its
 * child, so the names are a tree, and a change of a level goes through what is below and inherits
 * it, not through all names.
 *
 * A line that no sink takes is not put: the level that a call reads is the higher of the logger's
 * and the least of the sinks'. A log without sinks takes what its loggers take.
 *
 * A name is found by its hash, two bits of it for each step down (Chris Wellons, "hash tries"): the
 * table is never rebuilt, and nothing is allocated but the logger. The hash is seeded. All under
 * the hub's lock. */
#include "log/logger.h"
#include "base/atomic.h"
#include "base/hash.h"

#include <errno.h>
#include <string.h>

errand_log *er_logger_new(er_hub *hub, const char *name, size_t size, int level)
{
    errand_log *log = er_alloc_zero(sizeof *log + size + 1);
    if (!log) return NULL;
    log->hub = hub;
    log->id = hub->id;
    log->own_level = level;
    memcpy(log->name, name, size);
    return log;
}

static int level_of(const errand_log *log)
{
    if (log->own_level != ERRAND_LOG_DEFAULT) return log->own_level;
    return log->parent ? log->parent->level : (int)ERRAND_LOG_INFO;
}

static void set_level(errand_log *log, int level)
{
    int least = log->hub->sinks_level;
    log->level = level;
    er_store(&log->head.level, level > least ? level : least);
}

void er_logger_add(errand_log *log, errand_log *parent) /* under the lock */
{
    er_list_push(&log->hub->loggers, &log->node);
    log->parent = parent;
    if (parent) {
        log->sibling = parent->child;
        parent->child = log;
    }
    set_level(log, level_of(log));
}

/* Where the logger of that name stands, or is to stand. */
static errand_log **place_of(er_hub *hub, const char *name, size_t size)
{
    uint64_t hash = er_hash(hub->seed, name, size);
    errand_log **at = &hub->names;
    for (; *at; at = &(*at)->chain[hash >> 62], hash = hash << 2 | hash >> 62) {
        if (!strncmp((*at)->name, name, size) && !(*at)->name[size]) break;
    }
    return at;
}

/* The logger of these bytes, made if need be as a child of this one. NULL: no memory,
 * or the log is closed. */
static errand_log *get(er_hub *hub, errand_log *parent, const char *name, size_t size)
{
    er_lock_take(&hub->lock);
    errand_log *found = *place_of(hub, name, size);
    er_lock_give(&hub->lock);
    errand_log *made = found ? NULL : er_logger_new(hub, name, size, ERRAND_LOG_DEFAULT);
    if (!made) return found;
    er_lock_take(&hub->lock);
    errand_log **place = place_of(hub, name, size);
    if (!*place && !er_load(&hub->closing)) er_logger_add(*place = made, parent);
    found = *place;
    er_lock_give(&hub->lock);
    if (found != made) er_free(made);
    return found;
}

errand_log *errand_log_named(errand_log *log, const char *name)
{
    int error = log && name && *name ? 0 : EINVAL;
    if (!error && er_hub_forked(log->hub)) error = ERRAND_EFORKED;
    if (!error && er_load(&log->hub->closing)) error = EBADF;
    errand_log *at = error ? NULL : log->hub->log;
    for (const char *dot = name; at && dot; dot = *dot ? dot + 1 : NULL) {
        dot += strcspn(dot, ".");
        if (dot != name) at = get(log->hub, at, name, (size_t)(dot - name));
    }
    if (!at && !error) error = er_load(&log->hub->closing) ? EBADF : ENOMEM;
    if (error) errno = error;
    return at;
}

/* The next below `top` in order; not what is below `at` unless it inherits. */
static errand_log *next_below(const errand_log *top, errand_log *at, bool down)
{
    if (down && at->child) return at->child;
    while (at != top && !at->sibling) at = at->parent;
    return at == top ? NULL : at->sibling;
}

void errand_log_set_level(errand_log *log, errand_log_level level)
{
    if (!log || (int)level < 0 || level > ERRAND_LOG_OFF || er_hub_forked(log->hub)) return;
    er_lock_take(&log->hub->lock);
    log->own_level = (int)level;
    for (errand_log *at = log; at;) {
        bool inherits = at == log || at->own_level == ERRAND_LOG_DEFAULT;
        if (inherits) set_level(at, level_of(at));
        at = next_below(log, at, inherits);
    }
    er_lock_give(&log->hub->lock);
}

void er_loggers_follow_sinks(er_hub *hub)
{
    int least = hub->sinks_open ? (int)ERRAND_LOG_OFF : 0;
    for (size_t i = 0; i < hub->sinks_open; i++) {
        int level = er_load_relaxed(&hub->sinks[i].level); /* relaxed: written under the lock */
        if (level < least) least = level;
    }
    hub->sinks_level = least;
    er_list_each(n, &hub->loggers)
        set_level(er_of(n, errand_log, node), er_of(n, errand_log, node)->level);
}
