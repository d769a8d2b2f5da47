/* log/logger.h -- a name and a level in front of a hub. */
#ifndef ER_LOGGER_H
#define ER_LOGGER_H

#include "log/hub.h"

/* A logger in no list yet; size: of the name. NULL: no memory. */
errand_log *er_logger_new(er_hub *hub, const char *name, size_t size, int level);
/* under the hub's lock; parent NULL: the log itself */
void er_logger_add(errand_log *log, errand_log *parent);
/* under the hub's lock: a sink has come, or has another level */
void er_loggers_follow_sinks(er_hub *hub);

#endif
