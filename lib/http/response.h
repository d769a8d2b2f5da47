/* http/response.h -- a reply as it comes in, and as it is read. */
#ifndef ER_RESPONSE_H
#define ER_RESPONSE_H

#include "base/result.h"
#include "http/body_reader.h"
#include "http/sanitize.h"

#include <errand/http.h>

#include <curl/curl.h>

struct errand_response {
    int            status; /* 0: no final status line has come yet */
    char           reason[64];
    bool           headers_ended;
    er_bytes       headers; /* name NUL value NUL ... */
    size_t         last;     /* where the last of them begins */
    size_t         lengths;  /* Content-Length among them */
    size_t         trailers; /* lines of them so far */
    const char    *fault;    /* why a line was refused: a literal. NULL: none was, or there was no memory */
    er_codings     codings;  /* of its body, which are undone; see er_response_codings */
    er_bytes       body;
    char          *url;
    er_bytes       hops; /* of each redirect that was followed: status as text NUL url NUL */
    errand_timings timings;
    errand_transfer_metrics   facts;
    bool           strict_json;
    er_body_reader     *reader; /* of a stream; counted */
};

#define ER_HEADERS_OF_REPLY  ((size_t)256 << 10) /* more is an error */
#define ER_HEADERS_TOO_LARGE "the headers are larger than 256 KiB"

/* What a body whose Content-Encoding cannot be undone ends with. */
#define ER_CODING_UNKNOWN (ERRAND_CURL + CURLE_BAD_CONTENT_ENCODING)

errand_response *er_response_new(void); /* NULL: no memory */
void er_response_free(void *response);  /* the free function of a result whose value is a response */

/* A new response with all that this one has collected; this one keeps its status. NULL: no memory. */
errand_response *er_response_hand_over(errand_response *response);

/* One line of a header block as it was received, its line end included. A status line begins anew: what was there
 * belonged to an interim reply or to a redirect. Trailers are not taken. 0, ENOMEM,
 * EPROTO or EBADMSG (a bad Content-Length): `fault` says why. */
int er_response_line(errand_response *response, const char *line, size_t size);

/* After the last header: reads Content-Encoding, if bodies are decoded, and Transfer-Encoding, of which curl undoes more than chunks
 * but does not ask whether it had ended: we have not asked for it. */
void er_response_codings(errand_response *response, bool decoded);

/* A redirect that was followed: what answered so, and from where (userinfo is left out). False: no memory. */
bool er_response_hop(errand_response *response, int status, const char *url);

/* A failure's times, kept where its other facts are. */
void er_result_timed(errand_detail *detail, const errand_timings *timings);

/* ms that the reply asks for, or -1. */
int64_t er_response_retry_after(const errand_response *response);

#endif
