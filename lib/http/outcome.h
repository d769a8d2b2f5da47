/* http/outcome.h -- how an exchange ended, as a result. */
#ifndef ER_OUTCOME_H
#define ER_OUTCOME_H

#include "http/exchange.h"

/* Each but the first takes what the exchange has received so far. If it ever was in curl, its
 * handle must still be there, and not in its multi. */
errand_result er_outcome_good(errand_response *response); /* a success, with its Retry-After */
errand_result er_outcome_ended(er_exchange *x, CURLcode code);
errand_result er_outcome_stopped(er_exchange *x); /* by er_exchange_cancelled(x) */
errand_result er_outcome_late(er_exchange *x, er_limit limit);
/* its host could not be resolved */
errand_result er_outcome_lost(er_exchange *x, const er_addresses *addresses);
/* by us: a redirect */
errand_result er_outcome_refused(er_exchange *x, int error, errand_kind kind, const char *why);
errand_result er_outcome_failed(er_exchange *x, int error, const char *why);

#endif
