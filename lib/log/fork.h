/* log/fork.h -- a log in a child process. */
#ifndef ER_FORK_H
#define ER_FORK_H

#include "log/hub.h"

/* All as new, but for the sinks. 0 or an errno. */
int er_hub_revive(er_hub *hub);

#endif
