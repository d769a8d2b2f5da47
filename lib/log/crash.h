/* log/crash.h -- the end of the process. */
#ifndef ER_CRASH_H
#define ER_CRASH_H

#include "log/hub.h"

void er_crash_forget(er_hub *hub);
void er_exit_watch(er_hub *hub); /* its lines are flushed when the process ends */
void er_exit_forget(er_hub *hub);

#endif
