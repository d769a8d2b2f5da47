/* http/dispatch.h -- grants turns and carries them out. */
#ifndef ER_DISPATCH_H
#define ER_DISPATCH_H

#include "http/session.h"

typedef struct er_dispatched { /* granted, to be carried out */
    er_list exchanges, carried;
} er_dispatched;

/* Grants turns and carries them out until none can be granted. Those on `lane` go into *mine, or
 * like all others to their lane if mine is NULL. */
void er_dispatch(er_lane *lane, er_list *mine);

/* Grants all turns that can be granted: those on lane `here` into *mine (both may be NULL), the
 * others into *out. Under the session's lock. True: carry *out out after releasing the lock. */
bool er_dispatch_grant(errand_http *http, er_lane *here, er_list *mine, er_dispatched *out);
void er_dispatch_carry_out(errand_http *http, er_dispatched *out); /* grants what follows, too */

/* The lane has no thread: moves these to another lane, or ends them. */
void er_dispatch_refuse(er_lane *lane, er_list *refused, int error);

#endif
