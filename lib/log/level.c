/* log/level.c -- loggers by dotted name, and the levels they inherit.
 *
 * Each logger holds the level that counts for it, ready to be looked at; a change goes through all of them, under the hub's
 * lock. A name's parent is the longest of its beginnings, at a dot, that has a logger with a level of its own; else the log. */
#include "base/atomic.h"
#include "log/hub.h"
#include "log/logger.h"

#include <errno.h>
#include <string.h>

static errand_log *logger_at(er_node *node) { return er_of(node, errand_log, node); }

static int level_for(const er_hub *hub, const errand_log *log)
{
    if (log->own_level != ERRAND_LOG_DEFAULT) return log->own_level;
    const errand_log *nearest = hub->log;
    size_t longest = 0;
    for (er_node *n = hub->loggers.head.next; n != &hub->loggers.head; n = n->next) {
        const errand_log *other = logger_at(n);
        size_t size = strlen(other->name);
        if (other == hub->log || other == log || other->own_level == ERRAND_LOG_DEFAULT || size <= longest) continue;
        if (strncmp(other->name, log->name, size) != 0 || log->name[size] != '.') continue;
        nearest = other;
        longest = size;
    }
    return nearest->own_level == ERRAND_LOG_DEFAULT ? (int)ERRAND_LOG_INFO : nearest->own_level;
}

errand_log *er_logger_new(er_hub *hub, const char *name, int level)
{
    size_t size = strlen(name) + 1;
    errand_log *log = er_alloc_zero(sizeof *log + size);
    if (!log) return NULL;
    log->hub = hub;
    log->id = hub->id;
    log->own_level = level;
    memcpy(log->name, name, size);
    return log;
}

void er_logger_add(errand_log *log) /* under the lock */
{
    er_list_push(&log->hub->loggers, &log->node);
    log->head.level = level_for(log->hub, log);
}

static errand_log *find(er_hub *hub, const char *name)
{
    for (er_node *n = hub->loggers.head.next; n != &hub->loggers.head; n = n->next) {
        if (logger_at(n) != hub->log && !strcmp(logger_at(n)->name, name)) return logger_at(n);
    }
    return NULL;
}

errand_log *errand_log_named(errand_log *log, const char *name)
{
    int error = !log || !name || !*name ? EINVAL : er_hub_forked(log->hub) ? ERRAND_EFORKED : 0;
    if (error) {
        errno = error;
        return NULL;
    }
    er_hub *hub = log->hub;
    errand_log *made = er_logger_new(hub, name, ERRAND_LOG_DEFAULT);
    er_lock_take(&hub->lock);
    errand_log *found = find(hub, name);
    bool closed = er_load(&hub->closing);
    if (!found && made && !closed) er_logger_add(found = made);
    er_lock_give(&hub->lock);
    if (found != made) er_free(made);
    if (!found || closed) errno = closed ? EBADF : ENOMEM;
    return closed ? NULL : found;
}

void errand_log_set_level(errand_log *log, errand_log_level level)
{
    if (!log || (int)level < 0 || level > ERRAND_LOG_OFF || er_hub_forked(log->hub)) return;
    er_hub *hub = log->hub;
    er_lock_take(&hub->lock);
    log->own_level = (int)level;
    for (er_node *n = hub->loggers.head.next; n != &hub->loggers.head; n = n->next)
        er_store(&logger_at(n)->head.level, level_for(hub, logger_at(n)));
    er_lock_give(&hub->lock);
}
