/* log/log.c -- what the owner of a log does with it.
 *
 *     put --record--> ring --batch--> backend thread --line--> sinks
 *
 * flush: every line said is told in the end, written or lost, in the order they were said; so it waits until `told` is
 * what `said` was. It needs no room in the ring.
 *
 * close: asks the backend to write the rest, and waits for it. If it does not come back in time, a sink is stuck in a
 * write that nobody can interrupt: the log is left to the backend, thread and memory. Without a backend (no thread
 * could be had) what is in the ring is lost, and close says why.
 *
 * fork: in a child, close frees what is the log's: no pointer in it is ever moved by the backend, so all of them are
 * sound whatever the backend was doing at that moment. */
#include "log/log.h"
#include "base/atomic.h"
#include "base/clock.h"
#include "base/options.h"

#include <errno.h>

errand_log *errand_log_new_sized(const errand_log_opts *opts, size_t size)
{
    errand_log_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error && ((int)o.level < 0 || o.level > ERRAND_LOG_OFF)) error = EINVAL;
    errand_log *log = error ? NULL : er_alloc_zero(sizeof *log);
    if (log) {
        log->head.level = o.level == ERRAND_LOG_DEFAULT ? ERRAND_LOG_INFO : (int)o.level;
        log->generation = er_fork_generation();
        er_list_init(&log->for_room);
        er_list_init(&log->for_told);
        log->name = er_copy_text(o.name ? o.name : "errand");
        error = er_ring_open(&log->ring, o.ring ? o.ring : (size_t)1 << 20);
        if (!error && log->name) return log;
        er_log_destroy(log);
    }
    errno = error ? error : ENOMEM;
    return NULL;
}

static int add_sink(errand_log *log, const char *path, errand_log_level level)
{
    if (!log || (int)level < 0 || level > ERRAND_LOG_OFF) return EINVAL;
    if (er_log_forked(log)) return ERRAND_EFORKED;
    er_sink sink;
    int error = path ? er_sink_open(&sink, path, (int)level) : er_sink_borrow(&sink, 2, (int)level);
    if (error) return error;
    er_lock_take(&log->lock);
    size_t i = log->sinks_open;
    if (i < ER_LOG_SINKS) {
        log->sinks[i] = sink;
        er_store_release(&log->sinks_open, i + 1); /* release: the backend sees the sink with the number */
    }
    er_lock_give(&log->lock);
    if (i < ER_LOG_SINKS) return 0;
    er_sink_close(&sink);
    return ENOSPC;
}

int errand_log_to_stderr(errand_log *log, errand_log_level level) { return add_sink(log, NULL, level); }

int errand_log_to_file(errand_log *log, const char *path, errand_log_level level)
{
    return path ? add_sink(log, path, level) : EINVAL;
}

void errand_log_set_level(errand_log *log, errand_log_level level)
{
    if (!log || (int)level < 0 || level > ERRAND_LOG_OFF) return;
    er_store(&log->head.level, level == ERRAND_LOG_DEFAULT ? (int)ERRAND_LOG_INFO : (int)level);
}

int errand_log_flush(errand_log *log, int64_t within_ms)
{
    if (!log || within_ms < 0) return EINVAL;
    if (er_log_forked(log)) return ERRAND_EFORKED;
    int64_t deadline = er_deadline(er_now_ns(), within_ms);
    int error = 0;
    er_lock_take(&log->lock);
    uint64_t target = log->said;
    while (log->told < target && !error) {
        if (log->state == ER_LOG_NONE) {
            log->state = ER_LOG_STARTING;
            er_lock_give(&log->lock);
            error = er_log_start(log);
            er_lock_take(&log->lock);
            continue;
        }
        er_log_waiter me = { .target = target };
        er_list_push(&log->for_told, &me.node);
        bool unpark = er_log_rouse(log, ER_LOG_NAPPING);
        er_lock_give(&log->lock);
        if (unpark) er_unpark(&log->parker, ER_LOG_CALLED);
        bool called = er_park(&me.parker, ER_LOG_CALLED, deadline);
        er_lock_take(&log->lock);
        if (called) continue;
        if (!me.called) {
            er_list_remove(&me.node);
            error = ETIMEDOUT;
        } else { /* the bit is on its way to this stack */
            er_lock_give(&log->lock);
            er_park(&me.parker, ER_LOG_CALLED, INT64_MAX);
            er_lock_take(&log->lock);
        }
    }
    if (!error) {
        uint64_t failures = er_load(&log->failures);
        if (failures != log->failures_heard) error = EIO;
        log->failures_heard = failures;
    }
    er_lock_give(&log->lock);
    return error;
}

int errand_log_close(errand_log *log, int64_t within_ms)
{
    if (!log) return 0;
    if (within_ms < 0) return EINVAL;
    if (er_log_forked(log)) {
        er_log_destroy(log);
        return 0;
    }
    int64_t deadline = er_deadline(er_now_ns(), within_ms);
    int error = 0;
    er_list ready;
    er_list_init(&ready);
    er_lock_take(&log->lock);
    log->closing = true;
    er_log_call(&ready, &log->for_room, UINT64_MAX);
    bool start = log->state == ER_LOG_NONE && log->told < log->said;
    if (start) log->state = ER_LOG_STARTING;
    bool unpark = er_log_rouse(log, ER_LOG_NAPPING);
    bool running = log->state != ER_LOG_NONE;
    er_lock_give(&log->lock);
    er_log_wake(&ready);
    if (unpark) er_unpark(&log->parker, ER_LOG_CALLED);
    if (start) error = er_log_start(log);
    if (!running || error) {
        er_log_destroy(log);
        return error;
    }

    er_park(&log->closer, ER_LOG_CALLED, deadline);
    er_lock_take(&log->lock);
    er_thread thread = log->thread;
    bool finished = log->finished;
    log->abandoned = !finished; /* from here on the log is the backend's */
    er_lock_give(&log->lock);
    if (!finished) {
        er_thread_detach(&thread);
        return ETIMEDOUT;
    }
    er_thread_join(&thread);
    er_log_destroy(log);
    return 0;
}

int errand_log_stats_sized(errand_log *log, errand_log_stats *out, size_t size)
{
    if (!log) return EINVAL;
    errand_log_stats stats = { .failed = er_load(&log->failed) };
    stats.written = er_load(&log->written);
    stats.dropped = er_load(&log->dropped);
    stats.attempted = er_load(&log->attempted); /* last: never less than the sum */
    return er_options_give(out, size, &stats, sizeof stats);
}
