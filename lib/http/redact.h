/* http/redact.h -- urls and headers without their secrets, for what is kept and shown. */
#ifndef ER_REDACT_H
#define ER_REDACT_H

#include "base/bytes.h"

/* The name of a parameter or header sounds like a secret: one of its words is "token", "sig",
 * "password" ..., or ends in "key": "api_key", "X-Amz-Signature", "accessKey", "max_tokens" not. */
bool er_redact_name(const char *name, size_t size);

/* Adds text; in each query in it a value whose name sounds like a secret becomes "*". */
void er_redact_text(er_bytes *to, const char *text);

/* Adds an absolute url the same way, without userinfo and fragment. */
void er_redact_url(er_bytes *to, const char *url);

#endif
