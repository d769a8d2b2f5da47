/* log/crash.c -- flushes the lines logged before a process ends, by a fault or by exit.
 *
 * The ending thread asks the backends to flush, with nothing but atomic steps, a futex and short
 * pauses: so it may be in a signal handler. All flushes are requested first, then awaited, so that
 * one time limit holds for all logs. A backend is a thread of its own and still runs; if it is the
 * thread that dies or exits (in a callback), it writes what it has and makes one more pass itself.
 *
 * Fault: at most a second, then the previous handler gets the signal. If that repairs the fault,
 * the log goes on, and the next fault comes here again.
 *
 * Exit: a list has each log that is not closed. The system runs this library's destructor after the
 * program's atexit handlers and after its static objects' destructors, so that their lines are
 * written, too, and what is open then is left open (left_open.c). The lock of the list, and of a
 * hub without a thread, is tried only: a signal handler that calls exit may have interrupted its
 * holder. */
#include "log/crash.h"
#include "base/atomic.h"
#include "log/backend.h"
#include "log/left_open.h"
#include "log/threads.h"

#include <errno.h>

enum { WATCHED = 16 };

static er_hub *watched[WATCHED]; /* atomic */

static er_lock lock;
static er_list alive = { { &alive.head, &alive.head } };

static void before_fork(void) { er_lock_take(&lock); }
static void after_fork(void) { er_lock_give(&lock); }
__attribute__((constructor)) static void watch_forks(void)
{
    er_fork_hooks(before_fork, after_fork, after_fork);
}

/* The number that flush_done must reach; 0: there is nothing to wait for. */
static uint64_t ask(er_hub *hub)
{
    if (er_hub_forked(hub) || er_load(&hub->sleep) == (int)ER_HUB_ABSENT) return 0;
    if (er_speaker_of_thread.serves == hub) {
        er_backend_drain(hub);
        return 0;
    }
    uint64_t target = er_add(&hub->flush_asked, 1) + 1;
    er_hub_rouse(hub, ER_HUB_NAPPING);
    return target;
}

static void await(const er_hub *hub, uint64_t target, int64_t deadline)
{
    for (int64_t pause = 20000; er_load(&hub->flush_done) < target && er_now_ns() < deadline;
         pause *= 2)
        er_pause(pause < ER_MS ? pause : ER_MS);
}

/* ---- a fault ---- */

static void save_all(void)
{
    er_hub *hub[WATCHED];
    uint64_t target[WATCHED];
    int64_t deadline = er_now_ns() + 1000 * ER_MS;
    for (size_t i = 0; i < WATCHED; i++) {
        hub[i] = er_load(&watched[i]);
        target[i] = hub[i] ? ask(hub[i]) : 0;
    }
    for (size_t i = 0; i < WATCHED; i++) {
        if (target[i]) await(hub[i], target[i], deadline);
    }
}

void er_crash_forget(er_hub *hub)
{
    for (size_t i = 0; i < WATCHED; i++) {
        er_hub *seen = hub;
        er_cas_strong(&watched[i], &seen, NULL);
    }
}

int errand_log_on_crash(errand_log *log)
{
    if (!log) return EINVAL;
    er_hub *hub = log->hub;
    if (er_hub_forked(hub)) return ERRAND_EFORKED;
    if (er_load(&hub->closing)) return EBADF;
    for (size_t i = 0; i < WATCHED; i++) {
        if (er_load(&watched[i]) == hub) return 0;
    }
    for (size_t i = 0; i < WATCHED; i++) {
        er_hub *none = NULL;
        if (er_cas_strong(&watched[i], &none, hub)) return er_on_fault(save_all);
    }
    return ENOSPC;
}

/* ---- exit ---- */

void er_exit_watch(er_hub *hub)
{
    er_lock_take(&lock);
    er_list_push(&alive, &hub->alive);
    er_lock_give(&lock);
}

void er_exit_forget(er_hub *hub)
{
    er_lock_take(&lock);
    if (er_listed(&hub->alive)) er_list_remove(&hub->alive);
    er_lock_give(&lock);
}

static bool take(er_lock *taken) /* or not, if its holder keeps it for so long */
{
    for (int i = 0; i < 100; i++) {
        if (er_lock_try(taken)) return true;
        er_pause(ER_MS);
    }
    return false;
}

static void ask_at_exit(er_hub *hub)
{
    hub->exit_target = 0;
    if (er_hub_forked(hub) || !hub->exit_ns || !er_load(&hub->voices_changed)) return;
    if (er_load(&hub->sleep) == (int)ER_HUB_ABSENT) { /* its thread could not be started so far */
        if (!take(&hub->lock)) return;
        er_lock_give(&hub->lock);
        if (er_backend_start(hub)) return;
    }
    hub->exit_target = ask(hub);
}

/* The highest priority there is for a program: where this is linked in statically, it runs after
 * the program's own, too. */
__attribute__((destructor(101))) static void flush_all(void)
{
    er_list asked;
    int64_t now = er_now_ns();
    er_list_init(&asked);
    for (er_node *n = &alive.head; n;) {
        /* a log may be closed meanwhile, by another thread: that takes it out of either list */
        if (!take(&lock)) break;
        n = er_list_pop(&alive);
        if (n) er_list_push(&asked, n);
        er_lock_give(&lock);
        if (!n) break;
        er_hub *hub = er_of(n, er_hub, alive);
        if (!er_hub_forked(hub) && hub->exit_ns) er_left_open_report(hub);
        ask_at_exit(hub);
    }
    for (er_node *n = &asked.head; n;) {
        if (!take(&lock)) break;
        n = er_list_pop(&asked);
        er_lock_give(&lock);
        er_hub *hub = n ? er_of(n, er_hub, alive) : NULL;
        if (hub && hub->exit_target) {
            int64_t end = hub->exit_ns == INT64_MAX ? INT64_MAX : now + hub->exit_ns;
            await(hub, hub->exit_target, end);
        }
    }
}
