/* policy/predicate.h -- whether to stop, whether to try again. */
#ifndef ER_PREDICATE_H
#define ER_PREDICATE_H

#include "policy/spec.h"

bool er_stop_ask(const errand_stop *stop, const errand_attempt_info *info);
/* info->last is neither NULL nor CANCELLED. */
ER_SHARED bool er_retry_if_ask(const errand_retry_if *retry_if, const errand_attempt_info *info);

#endif
