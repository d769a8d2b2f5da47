/* http/response.h -- a reply as it comes in, and as it is read. */
#ifndef ER_RESPONSE_H
#define ER_RESPONSE_H

#include "base/bytes.h"

#include <errand/http.h>

struct errand_response {
    int            status; /* 0: no final status line has come yet */
    char           reason[64];
    bool           headers_ended;
    er_bytes       headers; /* name NUL value NUL ... */
    er_bytes       body;
    char          *url;
    errand_timings timings;
};

errand_response *er_response_new(void); /* NULL: no memory */
void er_response_free(void *response);  /* the free function of a result whose value is a response */

/* One line of a header block as it was received, its line end included. A status line begins anew: what was there
 * belonged to an interim reply or to a redirect. Trailers are not taken. False: no memory. */
bool er_response_line(errand_response *response, const char *line, size_t size);

/* ms that the reply asks for, or -1. */
int64_t er_response_retry_after(const errand_response *response);

/* Adds "title: detail" of a JSON problem (RFC 9457) in the body, made harmless for one line of text. */
void er_response_problem(const errand_response *response, er_bytes *message);

/* Adds text of a stranger: control characters become spaces, at most `most` bytes. */
void er_add_harmless(er_bytes *to, const char *text, size_t size, size_t most);

#endif
