/* http/stage.h -- calls a session's hook with the stages of each exchange. */
#ifndef ER_STAGE_H
#define ER_STAGE_H

#include "http/request.h"

typedef struct er_stages er_stages;

/* fn is called in tasks of the pool, one at a time. NULL: no memory. */
er_stages *er_stages_new(errand_pool *pool, errand_stage_fn *fn, void *arg);

/* Waits until the hook was called with all events. False: not by deadline_ns (er_now_ns). */
bool er_stages_flush(er_stages *stages, int64_t deadline_ns);
void er_stages_drop(er_stages *stages); /* drops the session's count; NULL is harmless */

/* Returns the number of a new exchange, from 1; 0: stages is NULL. */
uint64_t er_stages_number(er_stages *stages);

typedef struct er_stage_event {
    errand_stage stage;
    int status, error;
    uint64_t bytes;
    const char *message; /* NULL: none */
} er_stage_event;

/* Any thread, no lock held; the request's session has stages. since_ns: when the exchange began.
 * Without memory the event is dropped. */
void er_stage_post(const er_request *request, uint64_t exchange, int64_t since_ns,
                   const er_stage_event *event);

static inline void er_stage(const er_request *request, uint64_t exchange, errand_stage stage,
                            int64_t since_ns, int status)
{
    const er_stage_event event = { .stage = stage, .status = status };
    if (request->defaults->stages) er_stage_post(request, exchange, since_ns, &event);
}

#endif
