/* http/response.h -- a reply: built by its lane, read by the caller. */
#ifndef ER_RESPONSE_H
#define ER_RESPONSE_H

#include "base/result.h"
#include "http/body_reader.h"
#include "http/sanitize.h"

#include <errand/http.h>

#include <curl/curl.h>

struct errand_response {
    int status; /* 0: no final status line has come yet */
    char reason[64];
    bool headers_ended;
    er_bytes headers;   /* name NUL value NUL ... */
    size_t last;        /* where the last of them begins */
    size_t lengths;     /* Content-Length among them */
    size_t trailers;    /* lines of them so far */
    const char *fault;  /* why a line was refused: a literal. NULL: none was, or no memory */
    er_codings codings; /* of its body, to be decoded; see er_response_codings */
    er_bytes body;
    char *url;
    er_bytes hops; /* of each redirect that was followed: status as text NUL url NUL */
    errand_timings timings;
    errand_transfer_metrics metrics;
    bool strict_json;
    er_body_reader *reader; /* of a stream; counted */
};

#define ER_HEADERS_OF_REPLY  ((size_t)256 << 10) /* more is an error */
#define ER_HEADERS_TOO_LARGE "the headers are larger than 256 KiB"

/* The error of a body in a coding that cannot be decoded. */
#define ER_CODING_UNKNOWN (ERRAND_CURL + CURLE_BAD_CONTENT_ENCODING)

errand_response *er_response_new(void); /* NULL: no memory */
void er_response_free(void *response);  /* the free function of a result with a response */

/* Moves all that this one has collected into a new one; this one keeps its status. NULL: no memory.
 * */
errand_response *er_response_hand_over(errand_response *response);

/* Adds one line of a header block as it was received, its line end included. A status line drops
 * the headers of an earlier reply (interim, or a redirect). Trailers are checked and discarded. 0,
 * ENOMEM, EPROTO or EBADMSG (a bad Content-Length): `fault` says why. */
int er_response_line(errand_response *response, const char *line, size_t size);

/* After the last header: reads Content-Encoding, if bodies are decoded, and Transfer-Encoding. Of
 * that only chunks are accepted: curl decodes more, but does not check whether it is complete. */
void er_response_codings(errand_response *response, bool decoded);

/* Adds a redirect that is followed: its status and the url it came from (without userinfo). False:
 * no memory. */
bool er_response_hop(errand_response *response, int status, const char *url);

/* Sets a failure's times in its detail. */
void er_result_timed(errand_detail *detail, const errand_timings *timings);

/* Returns the ms of retry-after-ms or Retry-After, or -1. */
int64_t er_response_retry_after(const errand_response *response);

#endif
