/* log/merge.h -- what all threads have said, in the order of time. */
#ifndef ER_MERGE_H
#define ER_MERGE_H

#include "log/backend.h"

bool er_merge_pass(er_hub *hub); /* one pass over all voices. True: something was taken */

#endif
