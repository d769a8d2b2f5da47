/* log/log.c -- what the owner of a log does with it.
 *
 *     put --record--> ring of the thread --pass--> backend thread --line--> sinks
 *
 * flush: takes a number and waits until a pass that began afterwards has found everything. It needs
 * no room in a ring.
 *
 * close: first the loggers lose their valid id, which calls check; those that wait for room are
 * woken. The backend writes the rest, and is joined. If it does not end in time, a sink is blocked
 * in a write that cannot be interrupted: the log is left to the backend. If no backend thread could
 * be started, what is in the rings is lost, and close returns that error. */
#include "base/atomic.h"
#include "base/options.h"
#include "log/backend.h"
#include "log/crash.h"
#include "log/fork.h"
#include "log/logger.h"
#include "log/threads.h"

#include <errno.h>
#include <string.h>

static bool no_level(errand_log_level level) { return (int)level < 0 || level > ERRAND_LOG_OFF; }

static er_hub *hub_new(const errand_log_opts *o)
{
    er_hub *hub = er_alloc_aligned(ER_LINE, (sizeof *hub + ER_LINE - 1) & ~(size_t)(ER_LINE - 1));
    if (!hub) return NULL;
    *hub = (er_hub){
        .id = er_hub_new_id(),
        .generation = er_fork_generation(),
        .block_from =
            o->block_from == ERRAND_LOG_DEFAULT ? (int)ERRAND_LOG_WARN : (int)o->block_from,
        .ring = er_ring_size(o->ring ? o->ring : (size_t)256 << 10),
        .exit_ns = o->exit_ms > INT64_MAX / ER_MS ? INT64_MAX : o->exit_ms * ER_MS,
        .seed = er_random(),
        .strict = !er_barrier_ready(),
        .sleep = (int)ER_HUB_ABSENT
    };
    er_list_init(&hub->loggers);
    er_list_init(&hub->flushing);
    er_list_init(&hub->voices);
    er_list_init(&hub->ended);
    return hub;
}

errand_log *errand_log_new_sized(const errand_log_opts *opts, size_t size)
{
    errand_log_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error) error = er_option_ms(&o.exit_ms, 1000);
    if (!error && (no_level(o.level) || no_level(o.block_from) || !er_ring_size(o.ring)))
        error = EINVAL;
    er_hub *hub = error ? NULL : hub_new(&o);
    if (hub) {
        const char *name = o.name ? o.name : "errand";
        hub->log = er_logger_new(hub, name, strlen(name), (int)o.level);
        hub->sinks = er_alloc_zero(ER_LOG_SINKS * sizeof *hub->sinks);
        if (hub->log && hub->sinks && !er_backend_new(hub)) {
            er_logger_add(hub->log, NULL);
            er_exit_watch(hub);
            return hub->log;
        }
        er_backend_free(hub);
        er_free(hub->sinks);
        er_free(hub->log);
        er_free(hub);
    }
    errno = error ? error : ENOMEM;
    return NULL;
}

/* ---- sinks ---- */

static int check(errand_log *log, errand_log_sink_opts *own, const errand_log_sink_opts *opts,
                 size_t size)
{
    int error = log ? er_options(own, sizeof *own, opts, size) : EINVAL;
    if (!error && er_hub_forked(log->hub)) error = ERRAND_EFORKED;
    if (!error && er_load(&log->hub->closing)) error = EBADF;
    return error;
}

static int add_sink(errand_log *log, er_sink *sink)
{
    er_hub *hub = log->hub;
    int error = 0;
    er_lock_take(&hub->lock);
    size_t n = hub->sinks_open;
    if (er_load(&hub->closing)) error = EBADF;
    for (size_t i = 0; i < n && !error; i++)
        error = er_sink_same(&hub->sinks[i], sink) ? EEXIST : 0;
    if (!error && n == ER_LOG_SINKS) error = ENOSPC;
    if (!error) {
        hub->sinks[n] = *sink;
        /* release: the backend sees the sink with the number */
        er_store_release(&hub->sinks_open, n + 1);
        er_loggers_follow_sinks(hub);
    }
    er_lock_give(&hub->lock);
    if (!error) return 0;
    sink->free = NULL;
    er_sink_close(sink);
    return error;
}

int errand_log_add_file_sized(errand_log *log, const char *path, const errand_log_sink_opts *opts,
                              size_t size)
{
    errand_log_sink_opts own;
    er_sink sink;
    int error = path ? check(log, &own, opts, size) : EINVAL;
    if (!error) error = er_sink_open_file(&sink, path, &own);
    return error ? error : add_sink(log, &sink);
}

int errand_log_add_stderr_sized(errand_log *log, const errand_log_sink_opts *opts, size_t size)
{
    errand_log_sink_opts own;
    er_sink sink;
    int error = check(log, &own, opts, size);
    if (!error) error = er_sink_open_stderr(&sink, &own);
    return error ? error : add_sink(log, &sink);
}

int errand_log_add_syslog_sized(errand_log *log, const char *ident, const char *socket,
                                const errand_log_sink_opts *opts, size_t size)
{
    errand_log_sink_opts own;
    er_sink sink;
    int error = ident ? check(log, &own, opts, size) : EINVAL;
    if (!error) error = er_sink_open_syslog(&sink, ident, socket, &own);
    return error ? error : add_sink(log, &sink);
}

int errand_log_add_callback_sized(errand_log *log, errand_log_fn *fn, void *arg,
                                  errand_free_fn *free, const errand_log_sink_opts *opts,
                                  size_t size)
{
    errand_log_sink_opts own;
    er_sink sink;
    int error = fn ? check(log, &own, opts, size) : EINVAL;
    if (!error) error = er_sink_open_call(&sink, fn, arg, free, &own);
    return error ? error : add_sink(log, &sink);
}

int errand_log_set_sink_level(errand_log *log, const char *sink, errand_log_level level)
{
    if (!log || !sink || no_level(level)) return EINVAL;
    er_hub *hub = log->hub;
    if (er_hub_forked(hub)) return ERRAND_EFORKED;
    er_lock_take(&hub->lock);
    bool closing = er_load(&hub->closing), found = false;
    for (size_t i = 0; !closing && i < hub->sinks_open; i++) { /* they stay until the log closes */
        if (!hub->sinks[i].name || strcmp(hub->sinks[i].name, sink) != 0) continue;
        /* relaxed: a change counts soon, not at once */
        er_store_relaxed(&hub->sinks[i].level, (int)level);
        found = true;
    }
    if (found) er_loggers_follow_sinks(hub);
    er_lock_give(&hub->lock);
    if (closing) return EBADF;
    return found ? 0 : ENOENT;
}

int errand_log_to_stderr(errand_log *log, errand_log_level level)
{
    return errand_log_add_stderr(log, &(errand_log_sink_opts){ .level = level });
}

int errand_log_to_file(errand_log *log, const char *path, errand_log_level level)
{
    return errand_log_add_file(log, path, &(errand_log_sink_opts){ .level = level });
}

/* ---- flush ---- */

static int await(er_hub *hub, uint64_t target, int64_t deadline)
{
    er_hub_waiter me = { .target = target };
    er_lock_take(&hub->lock);
    bool done = er_load(&hub->flush_done) >= target;
    if (!done) er_list_push(&hub->flushing, &me.node);
    er_lock_give(&hub->lock);
    if (done) return 0;
    er_hub_rouse(hub, ER_HUB_NAPPING);
    if (er_park(&me.parker, ER_LOG_CALLED, deadline)) return 0;
    er_lock_take(&hub->lock);
    bool called = me.called;
    if (!called) er_list_remove(&me.node);
    er_lock_give(&hub->lock);
    if (!called) return ETIMEDOUT;
    er_park(&me.parker, ER_LOG_CALLED, INT64_MAX); /* the bit is on its way to this stack */
    return 0;
}

static bool nothing_said(er_hub *hub) { return er_load(&hub->voices_changed) == 0; }

static int start(er_hub *hub)
{
    return er_load(&hub->sleep) == (int)ER_HUB_ABSENT ? er_backend_start(hub) : 0;
}

/* in a callback of its own */
static bool is_here(const er_hub *hub) { return er_speaker_of_thread.serves == hub; }

int errand_log_flush(errand_log *log, int64_t within_ms)
{
    if (!log || within_ms < 0) return EINVAL;
    er_hub *hub = log->hub;
    if (er_hub_forked(hub)) return ERRAND_EFORKED;
    if (er_load(&hub->closing)) return EBADF;
    if (is_here(hub)) return EDEADLK;
    if (nothing_said(hub)) return 0;
    int64_t deadline = er_deadline(er_now_ns(), within_ms);
    int error = start(hub);
    if (!error) error = await(hub, er_add(&hub->flush_asked, 1) + 1, deadline);
    if (error) return error;
    er_lock_take(&hub->lock);
    uint64_t failures = er_load(&hub->failures);
    if (failures != hub->failures_reported) error = EIO;
    hub->failures_reported = failures;
    er_lock_give(&hub->lock);
    return error;
}

int errand_log_reopen(errand_log *log, int64_t within_ms)
{
    if (!log || within_ms < 0) return EINVAL;
    er_hub *hub = log->hub;
    if (er_hub_forked(hub)) return er_hub_revive(hub);
    if (er_load(&hub->closing)) return EBADF;
    if (is_here(hub)) return EDEADLK;
    int64_t deadline = er_deadline(er_now_ns(), within_ms);
    int error = start(hub);
    if (error) return error;
    er_lock_take(&hub->lock); /* the backend sees both or none */
    uint64_t target = er_add(&hub->flush_asked, 1) + 1;
    hub->reopen_asked = target;
    er_lock_give(&hub->lock);
    error = await(hub, target, deadline);
    er_lock_take(&hub->lock);
    if (!error) error = hub->reopen_error;
    er_lock_give(&hub->lock);
    return error;
}

/* ---- close ---- */

static void end(er_hub *hub)
{
    er_exit_forget(hub);
    er_backend_end(hub);
}

static int join(er_hub *hub, int64_t within_ms)
{
    er_park(&hub->closer, ER_LOG_CALLED, er_deadline(er_now_ns(), within_ms));
    er_exit_forget(hub);
    er_lock_take(&hub->lock);
    er_thread thread = hub->thread;
    bool finished = hub->finished;
    hub->abandoned = !finished; /* from here on the hub is the backend's */
    er_lock_give(&hub->lock);
    if (!finished) {
        er_thread_detach(&thread);
        return ETIMEDOUT;
    }
    er_thread_join(&thread);
    er_backend_end(hub);
    return 0;
}

int errand_log_close(errand_log *log, int64_t within_ms)
{
    if (!log) return 0;
    er_hub *hub = log->hub;
    if (within_ms < 0 || log != hub->log) return EINVAL;
    bool forked = er_hub_forked(hub);
    if (!forked && is_here(hub)) return EDEADLK;
    if (!forked) er_lock_take(&hub->lock);
    bool before = er_load(&hub->closing);
    er_store(&hub->closing, true);
    er_list_each(n, &hub->loggers) er_store(&er_of(n, errand_log, node)->id, ER_LOG_CLOSED);
    if (!forked) er_lock_give(&hub->lock);
    if (before) return 0;
    if (forked) {
        end(hub);
        return 0;
    }
    er_crash_forget(hub);
    er_voice_call_all(hub);
    int error = nothing_said(hub) ? 0 : start(hub);
    bool running;
    for (unsigned turns = 0;; er_relax(&turns)) { /* another thread may be starting it */
        er_lock_take(&hub->lock);
        bool starting = hub->starting;
        running = hub->running;
        if (!starting && !running) hub->finished = true;
        er_lock_give(&hub->lock);
        if (!starting) break;
    }
    if (!running) {
        end(hub);
        return error;
    }
    er_hub_rouse(hub, ER_HUB_NAPPING);
    return join(hub, within_ms);
}

int errand_log_stats_sized(errand_log *log, errand_log_stats *out, size_t size)
{
    if (!log) return EINVAL;
    errand_log_stats stats = { 0 };
    er_hub_stats(log->hub, &stats);
    return er_options_give(out, size, &stats, sizeof stats);
}
