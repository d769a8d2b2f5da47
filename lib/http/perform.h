/* http/perform.h -- the caller's own CURL handles, each on a thread of its own. */
#ifndef ER_PERFORM_H
#define ER_PERFORM_H

#include "http/session.h"

void er_perform_called(er_slot_turn *turn); /* its turn has come; under the session's lock */
bool er_perform_begin(errand_http *http, er_slot_turn *turn); /* then, with no lock held, as for all that follow. False: it could
                                                                 not, has ended, and others may have its slot */
void er_performers_fewer(errand_http *http);  /* ends as many idle threads as are asked back */
void er_performs_cancel(errand_http *http);   /* ERRAND_BY_SHUTDOWN to all */
void er_performers_stop(errand_http *http);   /* when idle */

#endif
