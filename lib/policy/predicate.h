/* policy/predicate.h -- whether to stop, whether to try again. */
#ifndef ER_PREDICATE_H
#define ER_PREDICATE_H

#include "policy/spec.h"

bool er_stop_says(const errand_stop_spec *stop, const errand_view *view);
/* view->last is neither NULL nor CANCELLED. */
bool er_when_says(const errand_when_spec *when, const errand_view *view);

#endif
