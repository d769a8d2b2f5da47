/* async/cleanup.c -- a clean-up of a scope: what is to be done, and doing it within a time.
 *
 * A function without a time limit of its own kind (free, fn, the free function of a value) may
 * block for any time, so with a deadline it runs on a thread of its own:
 *
 *     BEGUN --its thread: returned--> RETURNED    the closing thread reads the outcome, frees it
 *           --closing thread: late--> LEFT        its thread frees it, and ends
 *
 * Both change the state by compare-and-swap, so one of them alone frees it. The thread wakes the
 * closing thread only after RETURNED; that waits for the wake-up before it goes on, so its parker
 * is there. Without a deadline, or a thread, the function runs on the closing thread.
 *
 * Each runs in a frame that shields, with its time. A `close` function keeps its time itself, and a
 * future is waited for, so both stay on the closing thread. */
#include "async/cleanup.h"

#include "async/park.h"
#include "async/task.h"

#include <errno.h>
#include <string.h>

enum { BEGUN, RETURNED, LEFT };

er_cleanup *er_cleanup_new(const errand_cleanup *what)
{
    size_t size = what->name ? strlen(what->name) + 1 : 0;
    er_cleanup *c = er_alloc_zero(sizeof *c + size);
    if (!c) return NULL;
    c->what = *what;
    if (size) c->what.name = memcpy(c->name, what->name, size);
    return c;
}

void *er_cleanup_resource(const er_cleanup *c)
{
    if (c->f) return c->f;
    return c->value.owner ? c->value.value : c->what.resource;
}

void er_cleanup_free(er_cleanup *c)
{
    c->value.free = NULL;
    errand_result_free(&c->value);
    er_free(c);
}

void *er_cleanup_skip(er_cleanup *c)
{
    void *resource = er_cleanup_resource(c);
    if (c->what.fn && c->what.free) {
        c->what.free(resource);
        resource = NULL;
    }
    er_cleanup_free(c);
    return resource;
}

static errand_result call(er_cleanup *c)
{
    errand_result r = errand_ok(NULL, NULL);
    errand_frame frame;
    errand_enter(&frame, c->within_ms, true);
    if (c->what.fn) r = c->what.fn(c->what.resource);
    if (er_is_later(&r)) r = errand_await(r.owner);
    if (c->what.free) c->what.free(c->what.resource);
    errand_result_free(&c->value);
    errand_leave(&frame);
    if (!r.error) errand_result_free(&r);
    return r;
}

static void on_thread(void *arg)
{
    er_cleanup *c = arg;
    c->outcome = call(c);
    er_parker *waiter = &c->wait->parker; /* before *c is the other thread's */
    uint32_t begun = BEGUN;
    if (er_cas(&c->state, &begun, RETURNED)) {
        er_unpark(waiter, ER_WAKE);
        return;
    }
    errand_result_free(&c->outcome);
    er_cleanup_free(c);
}

static errand_result late(int64_t within_ms)
{
    errand_result r =
        errand_fail_as(ETIMEDOUT, ERRAND_KIND_TIMEOUT, -1, true,
                       "has not ended within %lld ms, and is left behind", (long long)within_ms);
    return r;
}

static errand_result call_within(er_cleanup *c, errand_pool *pool, int64_t deadline_ns, bool *left)
{
    er_thread thread;
    er_wait wait = { .input = NULL };
    c->wait = &wait;
    bool limited = deadline_ns != INT64_MAX;
    if (!limited || er_thread_start(&thread, on_thread, c, "errand-close", 0)) {
        errand_result r = call(c);
        er_cleanup_free(c);
        return r;
    }
    uint32_t bits = er_pool_park(&wait, ER_WAKE, pool, deadline_ns);
    uint32_t begun = BEGUN;
    if (!(bits & ER_WAKE) && er_cas(&c->state, &begun, LEFT)) {
        er_thread_detach(&thread);
        *left = true;
        return errand_fail(ETIMEDOUT);
    }
    if (!(bits & ER_WAKE)) er_park(&wait.parker, ER_WAKE, INT64_MAX); /* it is about to come */
    er_thread_join(&thread);
    errand_result r = c->outcome;
    er_cleanup_free(c);
    return r;
}

static errand_result end_future(errand_future *f, int64_t ms, bool failed, bool *left)
{
    bool limited = ms != ERRAND_FOREVER;
    int64_t patience_ms = limited ? ms / 2 : ms, rest_ms = limited ? ms - ms / 2 : ms;
    bool late = !failed && errand_wait(f, patience_ms) == ETIMEDOUT;
    bool ended = errand_done(f);
    if (!ended) errand_cancel(f);
    if (!ended && errand_wait(f, failed ? ms : rest_ms)) {
        errand_drop(f);
        *left = true;
        return errand_fail(ETIMEDOUT);
    }
    errand_result r = errand_await(f);
    if (!ended && er_result_cancelled(&r)) { /* as it was asked to */
        errand_result_free(&r);
        if (late)
            r = errand_failf(ETIMEDOUT, "has not ended within %lld ms, and was cancelled",
                             (long long)patience_ms);
    }
    if (!r.error) errand_result_free(&r);
    return r;
}

errand_result er_cleanup_do(er_cleanup *c, errand_pool *pool, int64_t deadline_ns, bool failed,
                            bool *left)
{
    errand_frame frame;
    int64_t ms = er_ms_until(pool ? er_pool_now(pool) : er_now_ns(), deadline_ns);
    c->within_ms = ms;
    *left = false;
    errand_result r = errand_ok(NULL, NULL);
    errand_enter(&frame, ERRAND_FOREVER, true);
    if (!c->f && !c->what.close && !c->what.fn && !c->what.free && !c->value.free) {
        er_cleanup_free(c);
    } else if (c->f || c->what.close) {
        if (c->f) r = end_future(c->f, ms, failed, left);
        else r = errand_fail(c->what.close(c->what.resource, ms));
        er_cleanup_free(c);
    } else {
        r = call_within(c, pool, deadline_ns, left);
    }
    errand_leave(&frame);
    if (*left) r = late(ms);
    return r;
}
