/* http/middleware.c -- each middleware gets the request, and the chain that sends it on.
 *
 *   errand_send --> first --errand_chain_send--> second --> ... --> er_request_send
 *
 * A `next` is an element of http->nexts, so it lasts as long as the session, and may be used again
 * later. */
#include "http/middleware.h"
#include "http/request_run.h"

#include "base/options.h"

#include <errand/promise.h>

#include <errno.h>

errand_future *er_middleware_refuse(errand_http *http, const errand_request *request,
                                    errand_result why)
{
    if (request && request->body_free) request->body_free(request->body_arg); /* also on failure */
    errand_future *f;
    if (!http) return er_failed(NULL, why);
    errand_promise *promise = errand_promise_new(http->pool, &f);
    if (promise) errand_promise_resolve(promise, why);
    else errand_result_free(&why);
    return f;
}

static errand_future *go_on(errand_http *http, unsigned i, const errand_request *request,
                            const void *site)
{
    if (i == http->n_middleware) return er_request_send(http, request, site);
    const errand_middleware *m = &http->nexts[i].middleware;
    errand_future *f = m->fn(request, &http->nexts[i + 1], m->arg);
    return f ? f
             : er_middleware_refuse(http, NULL,
                                    errand_failf(EINVAL, "middleware %u returned no future", i));
}

static errand_future *send_from(errand_http *http, unsigned i, const errand_request *given,
                                size_t size, const void *site)
{
    errand_request ours;
    int error = er_options(&ours, sizeof ours, given, size);
    if (!http) return er_middleware_refuse(NULL, &ours, errand_failf(EINVAL, "session is NULL"));
    if (er_pool_dead(http->pool))
        return er_middleware_refuse(http, &ours, errand_fail(ERRAND_EFORKED));
    if (!given)
        return er_middleware_refuse(http, &ours, errand_failf(EINVAL, "no request is given"));
    if (error) {
        return er_middleware_refuse(
            http, &ours,
            errand_failf(error, "the request has fields that this library does not know"));
    }
    return go_on(http, i, &ours, site);
}

errand_future *errand_send_sized(errand_http *http, const errand_request *given, size_t size)
{
    return send_from(http, 0, given, size, __builtin_return_address(0));
}

errand_future *errand_chain_send_sized(errand_chain *next, const errand_request *given, size_t size)
{
    return send_from(next ? next->http : NULL, next ? next->i : 0, given, size,
                     __builtin_return_address(0));
}

errand_future *errand_get(errand_http *http, const char *url)
{
    errand_request request = { .url = url };
    return send_from(http, 0, &request, sizeof request, __builtin_return_address(0));
}

errand_future *errand_post_json(errand_http *http, const char *url, struct json_object *body)
{
    /* JSON's null is NULL to json-c, and is not the same as no body */
    errand_request request = { .method = "POST", .url = url, .json = body };
    static const char *const json[] = { "Content-Type: application/json", NULL };
    if (!body) {
        request.body = (errand_bytes){ "null", 4 };
        request.headers = json;
    }
    return send_from(http, 0, &request, sizeof request, __builtin_return_address(0));
}

int er_middleware_make(errand_http *http, const errand_middleware *given)
{
    unsigned n = 0;
    while (given && given[n].fn) n++;
    http->nexts = er_alloc_zero((n + 1) * sizeof *http->nexts);
    if (!http->nexts) return ENOMEM;
    http->n_middleware = n;
    for (unsigned i = 0; i <= n; i++) {
        http->nexts[i] = (errand_chain){ http, i, i < n ? given[i] : (errand_middleware){ 0 } };
    }
    return 0;
}
