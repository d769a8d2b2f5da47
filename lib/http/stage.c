/* http/stage.c -- calls a session's hook with the events of all its exchanges, in order.
 *
 *   lane, sender --post--> events --notifier, a task--> the caller's function
 *
 * There is one notifier at a time: started with the first event, it goes on until there is none. An
 * event is a copy: method and url as they are shown, so that nothing of the exchange has to last.
 * Counted: the session, and a notifier under way. */
#include "http/stage.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/list.h"
#include "async/current.h"
#include "async/park.h"
#include "async/submit.h"

#include <string.h>

struct er_stages {
    unsigned count;
    errand_pool *pool; /* kept */
    errand_stage_fn *fn;
    void *arg;
    uint64_t numbers;

    er_lock lock; /* guards what follows */
    er_list events;
    bool notifying;
    er_parker *flusher;
};

typedef struct event {
    er_node node;
    errand_stage_info view;
    char text[]; /* method NUL url NUL message NUL */
} event;

er_stages *er_stages_new(errand_pool *pool, errand_stage_fn *fn, void *arg)
{
    er_stages *stages = er_alloc_zero(sizeof *stages);
    if (!stages) return NULL;
    stages->count = 1;
    stages->pool = pool;
    er_pool_keep(pool);
    stages->fn = fn;
    stages->arg = arg;
    er_list_init(&stages->events);
    return stages;
}

void er_stages_drop(er_stages *stages)
{
    if (!stages || er_sub(&stages->count, 1) != 1) return;
    er_node *node;
    while ((node = er_list_pop(&stages->events))) er_free(er_of(node, event, node));
    er_pool_release(stages->pool);
    er_free(stages);
}

uint64_t er_stages_number(er_stages *stages)
{
    return stages ? er_add(&stages->numbers, 1) + 1 : 0;
}

static void call_hook(er_stages *stages, bool at_last)
{
    er_lock_take(&stages->lock);
    er_node *node;
    while ((node = er_list_pop(&stages->events))) {
        er_lock_give(&stages->lock);
        event *one = er_of(node, event, node);
        stages->fn(&one->view, stages->arg);
        er_end_in_child();
        er_free(one);
        er_lock_take(&stages->lock);
    }
    if (at_last) {
        stages->notifying = false;
        if (stages->flusher) er_unpark(stages->flusher, 1);
    }
    er_lock_give(&stages->lock);
}

static errand_result run_notifier(void *arg)
{
    call_hook(arg, false);
    return errand_ok(NULL, NULL);
}

static void notifier_gone(void *arg) /* later events, or all if run_notifier was not called */
{
    call_hook(arg, true);
    er_stages_drop(arg);
}

/* Chunks of an exchange with nothing between them are one event, so that a slow hook does not make
 * the list long. Under the lock. */
static bool joins_last(er_stages *stages, const event *one)
{
    errand_stage stage = one->view.stage;
    if (stage != ERRAND_STAGE_CHUNK_SENT && stage != ERRAND_STAGE_CHUNK_RECEIVED) return false;
    if (er_list_empty(&stages->events)) return false;
    event *last = er_of(stages->events.head.prev, event, node);
    if (last->view.exchange != one->view.exchange || last->view.stage != stage) return false;
    last->view.bytes += one->view.bytes;
    return true;
}

static event *new_event(const er_request *request, uint64_t exchange, int64_t since_ns,
                        const er_stage_event *given)
{
    const char *message = given->message ? given->message : "";
    char *url = er_url_shown(request->url, true);
    if (!url) return NULL;
    size_t method = strlen(request->method) + 1, size = strlen(url) + 1,
           words = strlen(message) + 1;
    event *one = er_alloc(sizeof *one + method + size + words);
    if (one) {
        memcpy(one->text, request->method, method);
        memcpy(one->text + method, url, size);
        memcpy(one->text + method + size, message, words);
        one->view = (errand_stage_info){
            .stage = given->stage,
            .status = given->status,
            .error = given->error,
            .exchange = exchange,
            .after_ms = (double)(er_now_ns() - since_ns) / 1e6,
            .method = one->text,
            .url = one->text + method,
            .bytes = given->bytes,
            .message = one->text + method + size
        };
    }
    er_free(url);
    return one;
}

void er_stage_post(const er_request *request, uint64_t exchange, int64_t since_ns,
                   const er_stage_event *given)
{
    er_stages *stages = request->defaults->stages;
    event *one = new_event(request, exchange, since_ns, given);
    if (!one) return;
    er_lock_take(&stages->lock);
    bool joins = joins_last(stages, one);
    if (!joins) er_list_push(&stages->events, &one->node);
    bool starts = !joins && !stages->notifying;
    stages->notifying |= starts;
    er_lock_give(&stages->lock);
    if (joins) er_free(one);
    if (!starts) return;
    const errand_task task = {
        .fn = run_notifier, .arg = stages, .free = notifier_gone, .name = "http stages"
    };
    er_add(&stages->count, 1);
    errand_drop(er_task_submit(stages->pool, &task,
                               &(er_terms){ .deadline_ns = INT64_MAX, .urgent = true }));
}

bool er_stages_flush(er_stages *stages, int64_t deadline_ns)
{
    er_parker parker = { 0 };
    if (!stages) return true;
    er_lock_take(&stages->lock);
    bool waits = stages->notifying;
    stages->flusher = waits ? &parker : NULL;
    er_lock_give(&stages->lock);
    if (!waits) return true;
    er_lend();
    bool flushed = er_park(&parker, 1, deadline_ns);
    er_lend_end();
    er_lock_take(&stages->lock);
    stages->flusher = NULL;
    er_lock_give(&stages->lock);
    return flushed;
}

const char *errand_stage_name(errand_stage stage)
{
    static const char *const names[] = {
        "queued",     "resolved",       "connected",      "sent",
        "first byte", "redirect",       "done",           "failed",
        "name known", "name looked up", "connection new", "connection reused",
        "chunk sent", "chunk received"
    };
    return (unsigned)stage < sizeof names / sizeof *names ? names[stage] : "";
}
