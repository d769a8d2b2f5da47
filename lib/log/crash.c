/* log/crash.c -- what was said before a process dies.
 *
 * The thread that dies asks the backend to flush, as anybody may, with nothing but atomic steps, a futex and short pauses; the
 * backend is a thread of its own and still well. Should it be the one that dies, it writes what it has and makes one more pass
 * itself. Whatever is broken, after a second the signal goes on. */
#include "base/atomic.h"
#include "log/hub.h"

#include <errno.h>

enum { WATCHED = 16, MS = 1000 };

static er_hub *watched[WATCHED]; /* atomic */

static void ask(er_hub *hub)
{
    if (er_hub_forked(hub) || er_load(&hub->sleep) == (int)ER_HUB_ABSENT) return;
    if (er_thread_is_me(&hub->thread)) {
        er_backend_drain(hub);
        return;
    }
    uint64_t target = er_add(&hub->flush_asked, 1) + 1;
    er_hub_rouse(hub, ER_HUB_NAPPING);
    for (int i = 0; i < MS && er_load(&hub->flush_done) < target; i++) er_pause(ER_MS);
}

static void save_all(void)
{
    for (size_t i = 0; i < WATCHED; i++) {
        er_hub *hub = er_load(&watched[i]);
        if (hub) ask(hub);
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
