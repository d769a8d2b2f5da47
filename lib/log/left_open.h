/* log/left_open.h -- what the program has opened and not closed yet, by name. */
#ifndef ER_LEFT_OPEN_H
#define ER_LEFT_OPEN_H

#include "base/list.h"
#include "base/os.h"

#include <errand/log.h>

struct er_hub;

typedef struct er_left_open { /* lives in what it stands for */
    er_node node;
    uint64_t log_id;
    const char *what; /* a literal: "pool" */
    char name[40];    /* what is longer is cut */
} er_left_open;

/* From here on the end of the program reports it to log; NULL: it does not. */
ER_SHARED void er_left_open_add(er_left_open *it, errand_log *log, const char *what,
                                const char *name);
ER_SHARED void er_left_open_remove(er_left_open *it); /* harmless if it was not added */

/* At the end of the program: a line that names what is left open of those that log to hub, if there
 * is something. Returns soon, whatever happens. */
void er_left_open_report(struct er_hub *hub);

#endif
