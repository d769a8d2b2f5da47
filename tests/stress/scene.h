/* tests/stress/scene.h -- part of a random program: its limits, and its actions. */
#ifndef SCENE_H
#define SCENE_H

#include "stress/world.h"

typedef struct scene {
    dice d;
    unsigned depth; /* of futures composed here, at most */
    bool simple;    /* it may wait for no permit, flight or run */
    bool waits;     /* it may wait at all */
} scene;

scene scene_of(const entry *e, unsigned call); /* of the call-th call of that entry's function */

/* futures.c: a random future, never NULL. tasks.c: the functions that run, in every form. */
errand_future *some_future(scene *s);
errand_future *some_work(scene *s); /* submitted, run by a policy, shared in a flight */
/* the next of a chain of errand_later; NULL: it has come to its end */
errand_future *link_of_chain(entry *e);
errand_task task_of(entry *e, dice *d);
entry *some_arg(scene *s, bool simple, bool overlaps);
errand_result run_entry(void *arg);
errand_result then_entry(errand_result in, void *arg);
errand_result give_back(errand_result in, void *arg); /* a then-function after a permit */
errand_result beat(void *arg);
errand_result some_end(dice *d); /* a value or a failure */

/* promises.c: writers for all promises, on a thread of their own. */
errand_future *some_promise(scene *s);
void promises_start(void);
void promises_stop(void); /* when all are resolved */

/* uses.c: uses of a future; other actions. */
void use(scene *s, errand_future *f);
void act(scene *s);
void hand_out_canceller(dice *d, errand_future *f);
void free_cancellers(void);
void use_limits(scene *s); /* limits.c */
void use_loop(scene *s);
void use_group(scene *s); /* groups.c */

/* Waiting on a worker of a pool that may run out of threads has an end.
 * False: it needs no frame. */
bool frame_begin(scene *s, errand_frame *frame);

#endif
