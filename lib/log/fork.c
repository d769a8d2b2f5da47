/* log/fork.c -- a log in a child process, reopened.
 *
 * Of the parent's state only the sinks stay: their files are opened again; the parent writes what
 * was in their buffers. All else begins as in a new log: locks that vanished threads may have held,
 * the rings, the counts. Memory that the parent's backend may have been moving is leaked. */
#include "log/fork.h"
#include "base/atomic.h"
#include "log/backend.h"
#include "log/rotate.h"
#include "log/threads.h"

#include <errno.h>

static int revive_sinks(er_hub *hub)
{
    int error = 0;
    for (size_t i = 0; i < hub->sinks_open; i++) {
        er_sink *sink = &hub->sinks[i];
        sink->size = sink->lead = 0;
        sink->gaps = 0;
        sink->torn = false;
        sink->lost = sink->failures = sink->failed = 0;
        if (sink->each && sink->ours && sink->fd >= 0) {
            er_file_close(sink->fd);
            sink->fd = -1;
        }
        int e = er_sink_reopen(sink);
        if (!error) error = e;
    }
    return error;
}

int er_hub_revive(er_hub *hub)
{
    if (er_load(&hub->closing)) return EBADF;
    er_backend *before = hub->backend;
    if (er_backend_new(hub)) {
        hub->backend = before;
        return ENOMEM;
    }
    er_voices_drop(hub);
    hub->lock = (er_lock){ 0 };
    hub->parker = hub->closer = (er_parker){ 0 };
    er_list_init(&hub->flushing);
    hub->starting = hub->running = hub->abandoned = hub->finished = false;
    hub->start_again_ns = 0;
    hub->failures_reported = 0;
    hub->late = hub->written = hub->discarded = hub->failed = hub->failures = 0;
    hub->flush_asked = hub->flush_done = hub->reopen_asked = hub->voices_changed = 0;
    hub->sleep = (int)ER_HUB_ABSENT;
    hub->strict = !er_barrier_ready();
    hub->id = er_hub_new_id();
    er_list_each(n, &hub->loggers) er_of(n, errand_log, node)->id = hub->id;
    hub->generation = er_fork_generation();
    return revive_sinks(hub);
}
