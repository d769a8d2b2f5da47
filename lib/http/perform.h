/* http/perform.h -- the caller's own CURL handles, each on a thread of its own. */
#ifndef ER_PERFORM_H
#define ER_PERFORM_H

#include "http/session.h"

void er_performs_cancel(errand_http *http); /* ERRAND_BY_SHUTDOWN to all */
void er_performers_stop(errand_http *http); /* when idle */

#endif
