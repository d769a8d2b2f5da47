/** errand/request.h -- an HTTP request: method, url, headers and one of several bodies (library
 * errand-http).
 */
#ifndef ERRAND_REQUEST_H
#define ERRAND_REQUEST_H

#include <errand/policy.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json_object;

/** Bytes in memory. */
typedef struct errand_bytes {
    const void *at;
    size_t size;
} errand_bytes;

/** A field of a form, or a part of a multipart body. */
typedef struct errand_form_field {
    const char *name;   /* NULL: the end of the list */
    const char *value;  /* text; or */
    errand_bytes bytes; /* bytes; or */
    const char *file;   /* the path of a file, sent as it is read */
    /* as the server gets it. NULL: the last part of `file`, if there is one */
    const char *filename;
    const char *type; /* its Content-Type. NULL: none; of a file application/octet-stream */
} errand_form_field;

/** A parameter of a url's query. */
typedef struct errand_param {
    const char *name;  /* NULL: the end of the list */
    const char *value; /* NULL: the name stands alone, without "=" */
} errand_param;

/**
 * Makes a body while it is sent: up to `size` bytes from byte `offset` on go into `buffer`, and
 * *got is their number; 0: the end.
 *
 * It returns 0, or an error, with which the exchange ends. It runs as a task of the pool, so it may
 * block and wait, but never twice at a time: attempts of one request that overlap (hedges; a repeat
 * while the function of one that timed out is still at work) take turns. Offsets follow one
 * another, but every attempt begins at 0 again: return ESPIPE if that cannot be.
 */
typedef int errand_body_fn(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got);

/** As max_redirects: none is followed, and a 3xx is the final reply. */
#define ERRAND_NO_REDIRECTS (-1)

/**
 * A request. At most one of body, json, form, body_file and body_fn is given.
 *
 * All is copied before errand_send() returns, except json (serialised), the policy (counted) and
 * files (read by each attempt). Times: 0 is the session's.
 */
typedef struct errand_request {
    const char *method;         /* NULL: GET, or POST if there is a body */
    const char *url;            /* http or https, or relative to the session's base_url */
    const char *const *headers; /* "Name: value", ..., NULL */
    errand_bytes body;
    struct json_object *json; /* borrowed; brings its Content-Type */
    /* the body of a 2xx goes into this file, on disk and whole, or not at all. It takes the
     * place of a file that is there, and its owner, group and mode; symbolic links are followed.
     * A reply that can have no body (to HEAD, or a 204) leaves the file alone. Refused before
     * anything is sent: a folder, a device, FIFO or socket, an owner that cannot be kept. Until
     * it is whole it has no name (.errand-*.tmp beside its place, where the file system knows no
     * files without one) */
    const char *save_to;
    const char *idempotency_key; /* sent as Idempotency-Key, the same with every attempt */
    errand_repeat repeat;
    unsigned any_status; /* 1: 4xx and 5xx are no errors */
    /* of sock_connect_ms: connect_ms if that is more and the session gives none */
    int64_t total_ms, connect_ms, sock_connect_ms, sock_read_ms;
    const errand_policy *policy; /* NULL: the session's */
    /* sent urlencoded; as multipart/form-data if a field has file, filename or type */
    const errand_form_field *form;
    const char *body_file; /* the path of a regular file */
    errand_body_fn *body_fn;
    void *body_arg;
    /* body_free(body_arg), exactly once, also if nothing was ever sent */
    errand_free_fn *body_free;
    int64_t body_size;           /* of what body_fn makes. 0: not known, sent chunked */
    const char *bearer;          /* Authorization: Bearer ...; or */
    const char *user, *password; /* Authorization: Basic ... (RFC 7617) */
    size_t max_body;    /* 0: the session's. In a file only a limit that was given counts */
    unsigned multipart; /* 1: the form is multipart in any case */
    /* 1: it ends with the headers of a good reply; then errand_body_read() */
    unsigned stream;
    /* the last call on the CURL handle before curl gets it, each time: on a lane, so keep it
     * short. Private data, callbacks, the url and decompression are the library's */
    void (*setup)(void *easy, void *setup_arg);
    void *setup_arg; /* lives until the future has ended */
    /* added to the url's query, in this order, behind what it has and before its fragment. Every
     * byte but letters, digits and "-._~" is percent-encoded (RFC 3986, 2.1). A redirect does not
     * carry them on; Location says where it leads */
    const errand_param *params;
    /* how many redirects are followed; one more is an error. 0: the session's;
     * ERRAND_NO_REDIRECTS: none */
    int max_redirects;
    /* ..., NULL: texts that messages and logs show as stars, beside those of the session */
    const char *const *secrets;
} errand_request;

/* ---- secrets ---- */

/**
 * Returns whether the value of this header, "Name" or "Name: value", is a secret: true for Proxy-*,
 * and for names with a word such as Authorization or Cookie, or one that ends in key, token,
 * secret, password or signature; but not for Idempotency-Key.
 */
ERRAND_API bool errand_header_is_secret(const char *header);

/**
 * Returns the text with "*" for each value of a parameter in a url whose name sounds like a secret,
 * in memory for you to free(). The text may be more than a url: a header such as Link.
 *
 * Returns NULL with errno
 *   EINVAL   `text` is NULL
 *   ENOMEM   no memory
 */
ERRAND_API char *errand_redact_urls(const char *text);

#ifdef __cplusplus
}
#endif
#endif
