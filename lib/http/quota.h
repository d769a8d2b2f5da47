/* http/quota.h -- what a reply says of its quota: the RateLimit headers in the forms that servers
 * use. */
#ifndef ER_QUOTA_H
#define ER_QUOTA_H

#include "http/response.h"

#include <errand/rate.h>

/* False: it says none, or nothing that is understood. wall_seconds counts if the reply has no Date.
 */
bool er_quota_read(const errand_response *response, int64_t wall_seconds, errand_quota *out);

/* Reports the quota of an end to a rate that learns; r->value is the response, or NULL. *out and
 * *number as er_rate_quota's. False: it has none. */
ER_SHARED bool er_quota_report(errand_rate *rate, const char *key, const errand_result *r,
                               errand_quota *out, uint64_t *number);

#endif
