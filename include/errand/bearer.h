/** errand/bearer.h -- a middleware that has a bearer token, and renews it when a server answers 401
 * (library errand-http).
 *
 *     static errand_result token(void *arg)      asks where tokens come from; may block
 *     {
 *         return errand_ok(strdup("..."), free);
 *     }
 *     errand_bearer *bearer = errand_bearer_new(pool, &(errand_bearer_opts){ .token = token });
 *     errand_http *http = errand_http_new(pool, &(errand_http_opts){
 *         .middleware = (errand_middleware[]){ { errand_bearer_send, bearer }, { 0 } } });
 *
 * The first request asks for a token. Requests that are answered 401 wait for a new one, which is
 * asked for once, however many wait, and are then sent once more: a 401 says that the request did
 * not run (RFC 9110, 15.5.2). What is answered 401 again has failed. Requests with an Authorization
 * of their own go through as they are.
 */
#ifndef ERRAND_BEARER_H
#define ERRAND_BEARER_H

#include <errand/middleware.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A bearer token and where new ones come from. */
typedef struct errand_bearer errand_bearer;

/** Options of a bearer. Times: 0 is the default. */
typedef struct errand_bearer_opts {
    /* the value of its result is the token: text that ends with NUL, freed with the result. A task
     * of the pool calls it, so it may block, and may return errand_later(). No two calls overlap,
     * except that one which was cancelled or late may still be returning. errand_cancelled() is
     * set when no request waits for it any more */
    errand_fn *token;
    void *arg;
    errand_free_fn *free; /* free(arg), once no call can come or is under way. May be NULL */
    int64_t within_ms;    /* what a call may take. 0: 30 s. ERRAND_FOREVER: no limit */
    /* how long a failure is given to all that ask, before there is another call. 0: 1 s;
     * ERRAND_ZERO: not at all */
    int64_t again_ms;
} errand_bearer_opts;

/**
 * Makes a bearer without a token. Free it with errand_bearer_free().
 *
 * Returns the bearer, or NULL with errno; `arg` stays the caller's then
 *   EINVAL           `pool` or token is NULL, or a time is negative
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_bearer *errand_bearer_new(errand_pool *pool, const errand_bearer_opts *opts);

/**
 * Frees a bearer, after the sessions that have it in their middleware were closed. A call that is
 * under way keeps what it needs. NULL is harmless.
 */
ERRAND_API void errand_bearer_free(errand_bearer *bearer);

/**
 * The middleware: an errand_middleware_fn with the bearer as its arg.
 *
 * A request that waits for a token counts as one in flight: errand_http_close() cancels it at half
 * time. While the session closes, nothing that waited is sent. If there is no new token, the 401 is
 * the result, with the reason in its message and as its cause; without a first token nothing is
 * sent. What a request points to is copied first, so its body takes memory twice; a body_fn is
 * called from its beginning again.
 *
 * Returns a future, never NULL, which ends as errand_send(), or with the error of the token:
 *   EINVAL      the token is empty or cannot be sent
 *   ETIMEDOUT   there was none within within_ms
 *   ECANCELED   the pool was closed
 */
ERRAND_API errand_future *errand_bearer_send(const errand_request *request, errand_chain *next,
                                             void *bearer);

/**
 * Asks for a token, unless there is one: to find out early whether that works.
 *
 * Returns a future, never NULL. Its value is the token, valid until the result is freed. It fails
 * as the bearer's function does, or with
 *   EINVAL           `bearer` is NULL, or the token is empty or cannot be sent
 *   ETIMEDOUT        there was none within within_ms
 *   ECANCELED        it was cancelled, or the pool was closed
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the bearer is a parent process's
 */
ERRAND_API errand_future *errand_bearer_token(errand_bearer *bearer);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_bearer *errand_bearer_new_sized(errand_pool *pool, const errand_bearer_opts *opts,
                                                  size_t size);

static inline errand_bearer *errand_bearer_new(errand_pool *pool, const errand_bearer_opts *opts)
{
    return errand_bearer_new_sized(pool, opts, sizeof *opts);
}

#ifdef __cplusplus
}
#endif
#endif
