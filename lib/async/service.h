/* async/service.h -- parts of the library that live at a pool: services with a thread of their
 * own, closers without. */
#ifndef ER_SERVICE_H
#define ER_SERVICE_H

#include "async/job.h"

/* A service: a part of the library that lives on a thread of the pool's for long (a lane). It
 * comes with a thread of its own: for as long as it runs the pool has one worker more. It lives
 * in what it belongs to.
 *   run   on that thread, until it is to end. Then `gone` is called.
 *   stop  from errand_pool_close, any thread, no lock held; short. now false: end when idle; true:
 *         end at once. May be called more than once, never after gone has been called.
 *   gone  called last, on the same thread: *self may be freed or started again from then on. */
typedef struct er_service {
    const char *name;
    void (*run)(struct er_service *self);
    void (*stop)(struct er_service *self, bool now);
    void (*gone)(struct er_service *self);
    er_node node;      /* the rest is the pool's */
    unsigned stopping; /* stop is being called: gone waits for that */
} er_service;

/* Starts it. EAGAIN: no thread; EINVAL: the pool is closed; ECANCELED: it has shut down; ENOMEM;
 * ERRAND_EFORKED. While the pool drains it is still started, for the pool's own tasks, and
 * stop(false) is called at once. */
ER_SHARED int er_service_start(errand_pool *pool, er_service *service);

/* Something with waiters that only the pool's shutdown will end (a semaphore), or that is to end as
 * soon as closing begins (early: a repeated task): shut is called then, once, no lock held. */
typedef struct er_close_hook {
    er_node node;
    void (*shut)(struct er_close_hook *self);
    bool early;
} er_close_hook;
/* EINVAL: the pool is closed; ECANCELED: that has been called */
int er_close_hook_add(errand_pool *pool, er_close_hook *closer);
/* shut is not running any more when this returns */
void er_close_hook_remove(errand_pool *pool, er_close_hook *closer);

/* For closing: calls stop of all services, shut of all closers (or of the early ones alone). */
void er_services_stop(errand_pool *pool, bool now);
void er_close_hooks_call(errand_pool *pool, bool early_ones_only);

#endif
