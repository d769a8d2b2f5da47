/* request_text.h -- a request that is not sent yet, for a person to read. */
#ifndef REQUEST_TEXT_H
#define REQUEST_TEXT_H

#include <errand-http.h>
#include <stdio.h>

/* Where it comes from and what is known of it, then method, url, headers and body. */
void request_text(FILE *to, const errand_jobs_line *line, bool secrets);

/* Its head, a line each, with `before` at the beginning of each. */
void request_head(FILE *to, const errand_jobs_line *line, bool secrets, const char *before);

/* Text of others: on a terminal control characters but line ends and tabs become '?'. */
void harmless_text(FILE *to, const char *at, size_t size);

#endif
