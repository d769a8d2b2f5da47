/* http/dispatch.h -- giving turns, and carrying them out: who may go out goes. */
#ifndef ER_DISPATCH_H
#define ER_DISPATCH_H

#include "http/session.h"

typedef struct er_dispatched { /* on their way */
    er_list exchanges, carried;
} er_dispatched;

/* Gives turns and carries them out until nobody can go: those of the lane into mine, or like all others if mine is NULL. */
void er_dispatch(er_lane *lane, er_list *mine);

/* Gives all turns that can be given: those of lane `here` into mine (both may be NULL), the others into *out. Under the session's
 * lock. True: *out is to be carried out when the lock has been given back. */
bool er_dispatch_grant(errand_http *http, er_lane *here, er_list *mine, er_dispatched *out);
void er_dispatch_carry_out(errand_http *http, er_dispatched *out); /* and gives what turns come of it */

/* The lane has no thread: takes these elsewhere, or ends them. */
void er_dispatch_refuse(er_lane *lane, er_list *refused, int error);

#endif
