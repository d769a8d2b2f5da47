/** errand/middleware.h -- what stands between a program and its session, and what the session
 * reports (library errand-http).
 */
#ifndef ERRAND_MIDDLEWARE_H
#define ERRAND_MIDDLEWARE_H

#include <errand/request.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- middleware ---- */

/** The rest of the way a request takes through the session. Valid as long as the session. */
typedef struct errand_chain errand_chain;

/**
 * Sees each request of a session before it is checked, and its future.
 *
 * It sends the request, or another one, with errand_chain_send(), once, several times or not at
 * all, and returns a future made of that (errand_then()) or otherwise. It runs inside
 * errand_send(), on the caller's thread, so it must not block. What *request points to is valid
 * until it returns. A middleware that does not send a request frees its body_arg.
 */
typedef errand_future *errand_middleware_fn(const errand_request *request, errand_chain *next,
                                            void *arg);

/** A middleware and its argument. */
typedef struct errand_middleware {
    errand_middleware_fn *fn;
    void *arg;
} errand_middleware;

/**
 * Sends a request on to the next middleware, and behind the last one to the server.
 *
 * Returns as errand_send() does.
 */
static inline errand_future *errand_chain_send(errand_chain *next, const errand_request *request);

/**
 * A middleware that sends the header traceparent of W3C Trace Context, so that what the servers log
 * can be put together.
 *
 *     const errand_middleware middleware[] = { { errand_middleware_trace, NULL }, { 0 } };
 *
 * A request whose headers have a valid traceparent, the caller's, is sent as its child: with the
 * same trace-id and `sampled` flag, and a parent-id of its own. Any other starts a trace, without
 * the tracestate of an invalid one. All attempts of a request send the same header. `arg` may point
 * to an unsigned char, the flags of a trace that is started; NULL: 1, sampled.
 *
 * Returns as errand_chain_send() does, or a future that failed with
 *   ENOMEM   no memory
 */
ERRAND_API errand_future *errand_middleware_trace(const errand_request *request, errand_chain *next,
                                                  void *arg);

/**
 * A middleware that logs a line for each request when it has ended, to the errand_log `arg`; NULL:
 * nothing.
 *
 *     GET http://127.0.0.1:8080/orders: 200 in 12.3 ms                                   at INFO
 *     POST http://127.0.0.1:8080/pay: HTTP 503 Busy (in 250.4 ms, 3 attempts)            at WARN
 *
 * The line has no userinfo, query and fragment, and no secret. The time is that of the whole
 * request, with its attempts and what is between them; of a stream up to its headers. The log must
 * live until the session is closed. Without memory a request is sent and not logged.
 *
 * Returns as errand_chain_send() does.
 */
ERRAND_API errand_future *errand_middleware_log(const errand_request *request, errand_chain *next,
                                                void *arg);

/* ---- stages ---- */

/**
 * How far an exchange has come. An exchange is one attempt of a request. On a kept connection
 * nothing is resolved or connected.
 */
typedef enum errand_stage {
    ERRAND_STAGE_QUEUED,     /* it waits for its turn */
    ERRAND_STAGE_RESOLVED,   /* the host's addresses are known */
    ERRAND_STAGE_CONNECTED,  /* TCP and TLS stand */
    ERRAND_STAGE_SENT,       /* from here on the server may have the request */
    ERRAND_STAGE_FIRST_BYTE, /* of the reply */
    ERRAND_STAGE_REDIRECT,   /* `status` says of what sort; the stages begin again */
    ERRAND_STAGE_DONE,       /* it ended well */
    ERRAND_STAGE_FAILED,     /* `error` says how, `message` in words */

    /* the finer ones, only with errand_http_opts.stage_details */
    ERRAND_STAGE_NAME_KNOWN,        /* the host's addresses were known when it joined the line */
    ERRAND_STAGE_NAME_LOOKED_UP,    /* they were not: it has waited for a look-up */
    ERRAND_STAGE_CONNECTION_NEW,    /* it goes out on a connection that was made for it */
    ERRAND_STAGE_CONNECTION_REUSED, /* it goes out on one that stood, or that others share */
    /* `bytes` of the request's body were handed to libcurl; one in memory is handed over whole */
    ERRAND_STAGE_CHUNK_SENT,
    /* `bytes` of the reply's body have come, before decompression. Chunks of one exchange that
     * follow one another may be counted together */
    ERRAND_STAGE_CHUNK_RECEIVED
} errand_stage;

/** A stage of an exchange, as on_stage gets it. */
typedef struct errand_stage_info {
    errand_stage stage;
    int status; /* of the reply; 0: none */
    int error;
    unsigned reserved;
    uint64_t exchange;        /* its number, from 1 */
    double after_ms;          /* since it began */
    const char *method, *url; /* without userinfo, query and fragment */
    uint64_t bytes;           /* of a chunk; else 0 */
    const char *message;      /* of ERRAND_STAGE_FAILED, without secrets; else "" */
} errand_stage_info;

/**
 * Is called with the stages of every exchange, in order and one at a time, in tasks of the pool;
 * not any more when errand_http_close() has returned 0.
 */
typedef void errand_stage_fn(const errand_stage_info *info, void *arg);

/** Returns the name of a stage: "queued". A literal. */
ERRAND_API const char *errand_stage_name(errand_stage stage);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_future *errand_chain_send_sized(errand_chain *next, const errand_request *request,
                                                  size_t size);

static inline errand_future *errand_chain_send(errand_chain *next, const errand_request *request)
{
    return errand_chain_send_sized(next, request, sizeof *request);
}

#ifdef __cplusplus
}
#endif
#endif
