#!/bin/bash
# The pool: queue, workers, errand_later. See faults.bash.
. "$top_srcdir/tests/model/faults.bash"

fault "the inbox is not checked once the gate has changed" async/runq.c pools \
    -e 's/if (!er_mpsc_holds(&pool->inbox)) continue;/continue;/'
fault "the gate is read before the push" async/runq.c pools \
    -e 's/^    if (!er_mpsc_put(/    uint32_t gate = er_load(\&pool->gate);&/' \
    -e 's/^    uint32_t gate = er_load(&pool->gate);$//'
fault "the closer is not notified of a removed task" async/runq.c pools \
    -e '/^    if (late && er_at_rest(pool)) er_notify_watchers(pool);/d'
fault "a worker of a closed pool takes a late task" async/runq.c pools \
    -e 's/bool closed = pool->phase == ER_CLOSED;/bool closed = false;/'
fault "a parked worker stays the searcher" async/worker.c pools \
    -e 's/^        if (w->searching) w->searching = pool->searching = false;$//'
fault "a taken task is read again without the lock" async/runq.c laters \
    -e 's/if (pick->task) run_task(pick->task);/if (er_job_task(pick->job)) run_task(er_job_task(pick->job));/'
fault "a late task that was put aside is taken back" async/runq.c laters \
    -e 's/bool late = task->queued == ER_ORDINARY/bool late = task->queued != ER_NOT_QUEUED/'
fault "the closer is not notified of an ended guest" async/runq.c pools \
    -e '/^    if (er_at_rest(pool) || pool->phase == ER_CLOSED) er_notify_watchers(pool);/d'
fault "a guest runs in a pool that is closing" async/runq.c pools \
    -e 's/^    bool full = is_full(pool);/    bool full = true;/'
exit $lost
