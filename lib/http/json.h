/* http/json.h -- JSON in a reply's body. */
#ifndef ER_JSON_H
#define ER_JSON_H

#include "http/response.h"

/* Adds ": title: detail" of a JSON problem (RFC 9457) in the body, sanitized to one line of text.
 * */
void er_response_problem(const errand_response *response, er_bytes *message);

#endif
