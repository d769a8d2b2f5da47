/* http/link.h -- links to other resources in the head of a reply (RFC 8288). */
#ifndef ER_LINK_H
#define ER_LINK_H

#include <errand/response.h>

/* Finds the first link with this relation, of this very resource: *target is as it was written,
 * perhaps relative, in memory that the caller frees; NULL: there is none. 0 or ENOMEM. */
int er_link_find(const errand_response *response, const char *rel, char **target);

#endif
