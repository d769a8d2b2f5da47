/* log/logger.h -- a name and a level in front of a hub. */
#ifndef ER_LOGGER_H
#define ER_LOGGER_H

#include "log/hub.h"

errand_log *er_logger_new(er_hub *hub, const char *name, int level); /* in no list yet; NULL: no memory */
void        er_logger_add(errand_log *log);                          /* under the hub's lock */

#endif
