/* async/timer.h -- a call at a time. One thread for each pool's timers, started with the first;
 * it runs no user code. */
#ifndef ER_TIMER_H
#define ER_TIMER_H

#include "base/wheel.h"
#include "async/pool_ref.h"

/* Lives in what it belongs to. Zeroed is disarmed. */
typedef struct er_timer {
    er_wheel_node node;
    /* on the timer thread, no lock held: short, never blocks */
    void (*fn)(struct er_timer *self);
    int64_t when; /* twice its time, and one for a sleeper: the wheel only knows its tick */
} er_timer;

/* Calls timer->fn once, not before at_ns (er_pool_now); when the pool shuts down (er_pool_shut)
 * all that is armed is called at once. The timer must not be armed. EAGAIN or ENOMEM: there is
 * no timer thread and none could be started; ECANCELED: the pool has shut down; EINVAL: it is
 * closed; then fn is not called. INT64_MAX arms nothing and is fine. */
ER_SHARED int er_timer_arm(errand_pool *pool, er_timer *timer, int64_t at_ns);
/* The same for something asleep that will go on: closing the pool waits for it. */
ER_SHARED int er_timer_sleep(errand_pool *pool, er_timer *timer, int64_t at_ns);

/* True: it was armed, and fn will not be called. False: it was not armed, or fn has been called or
 * is being called right now; then the timer's memory may be freed only as agreed with fn (a count,
 * a state). */
ER_SHARED bool er_timer_disarm(errand_pool *pool, er_timer *timer);

/* If the timer is armed for a later time, moves it to at_ns; else does nothing. Takes only the
 * timers' lock. */
ER_SHARED void er_timer_hasten(errand_pool *pool, er_timer *timer, int64_t at_ns);

/* ---- for the pool ---- */
typedef struct er_timers er_timers;
/* awake: nothing sleeps any more */
er_timers *er_timers_new(errand_pool *pool, void (*awake)(errand_pool *));
size_t er_timers_asleep(er_timers *timers);
/* Calls fn for all that are armed, under the timers' lock. */
void er_timers_each(er_timers *timers, void (*fn)(er_timer *timer, void *arg), void *arg);
void er_timers_tick(er_timers *timers); /* calls what is due, on this thread */
/* no more; calls all that is armed, on this thread */
void er_timers_shut(er_timers *timers);
void er_timers_close(er_timers *timers); /* after shut: ends the thread */
void er_timers_free(er_timers *timers);

#endif
