/* http/redirect.c -- the next hop.
 *
 *   303               GET without a body, but a HEAD stays a HEAD
 *   301, 302          a POST becomes a GET without a body, others stay what they are
 *   307, 308          the same method with the same body
 *   417               the same once more without its Expect (RFC 9110, 10.1.1): it was not handled
 *
 * From the first hop to another scheme, host or port than the caller's on, requests carry neither
 * the caller's secrets nor the caller's Host header, also if a later hop leads back. At most
 * max_redirects hops, to http and https only. A reply with an empty Location is final; two
 * Locations that differ are an error, as one may have been injected. */
#include "http/redirect.h"

#include "http/metrics.h"
#include "http/outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_refused_expectation(const er_exchange *x)
{
    return x->response->status == 417 && er_header_says(x->hop.headers, "Expect", 6);
}

bool er_redirects(const er_exchange *x)
{
    int status = x->response->status;
    if (status == 417) return is_refused_expectation(x);
    if (!x->request->max_redirects) return false;
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return false;
    const char *location;
    for (size_t i = 0; (location = errand_response_header(x->response, "Location", i)); i++) {
        if (*location) return true;
    }
    return false;
}

static bool locations_differ(const errand_response *response)
{
    const char *first = errand_response_header(response, "Location", 0), *other;
    for (size_t i = 1; (other = errand_response_header(response, "Location", i)); i++) {
        if (strcmp(other, first) != 0) return true;
    }
    return false;
}

static void use_headers(er_hop *hop, struct curl_slist *headers)
{
    if (hop->own_headers) curl_slist_free_all(hop->headers);
    hop->headers = headers;
    hop->own_headers = true;
}

static int without(er_hop *hop, const er_request *request,
                   bool (*left_out)(const er_request *request, const char *line))
{
    struct curl_slist *list = NULL;
    int error = 0;
    for (const struct curl_slist *h = hop->headers; h && !error; h = h->next) {
        if (!left_out(request, h->data)) error = er_header_append(&list, h->data);
    }
    if (error) curl_slist_free_all(list);
    else use_headers(hop, list);
    return error;
}

static bool expects(const er_request *request, const char *line)
{
    (void)request;
    return er_header_named(line, "Expect", 6);
}

static bool is_about_content(const er_request *request,
                             const char *line) /* which is not sent any more */
{
    return er_alike(line, "Content-", 8) || er_header_named(line, "Transfer-Encoding", 17) ||
           expects(request, line);
}

static bool names_host_or_secret(const er_request *request, const char *line)
{
    return er_request_secret(request, line) || er_header_named(line, "Host", 4);
}

static int fail(er_exchange *x, int error, const char *why, errand_result *failure)
{
    if (error == ENOMEM) *failure = er_outcome_failed(x, ENOMEM, NULL);
    else *failure = er_outcome_refused(x, ERRAND_CURL + error, ERRAND_KIND_PROTOCOL, why);
    return error;
}

/* x->hop becomes one to url, which is taken over. */
static int lead_to(er_exchange *x, char *url, const er_origin *origin)
{
    er_hop *hop = &x->hop;
    int status = x->response->status, error = 0;
    bool to_get = status == 303 ? strcmp(hop->method, "HEAD") != 0
                                : (status == 301 || status == 302) && !strcmp(hop->method, "POST");
    bool away = !hop->away && strcmp(origin->key, x->request->origin.key) != 0;
    if (!er_response_hop(x->response, status, hop->url)) error = ENOMEM;
    if (!error && away) error = without(hop, x->request, names_host_or_secret);
    if (!error && to_get && hop->body) error = without(hop, x->request, is_about_content);
    if (error) {
        er_free(url);
        return error;
    }
    if (hop->own_url) er_free(hop->url);
    hop->url = url;
    hop->own_url = true;
    hop->https = er_alike(url, "https:", 6);
    hop->away |= away;
    if (to_get) {
        hop->ran = true;
        hop->method = "GET";
        hop->body = false;
    }
    return 0;
}

static int repeat(er_exchange *x, er_origin *origin) /* once: then it has no Expect */
{
    int error = without(&x->hop, x->request, expects);
    if (!error) error = er_header_append(&x->hop.headers, "Expect:"); /* nor one of curl's own */
    return error ? error : er_origin_of(origin, x->hop.url);
}

int er_redirect(er_exchange *x, er_origin *origin, errand_result *failure)
{
    char *url = NULL;
    int error;
    *origin = (er_origin){ 0 };
    if (x->response->status != 417 && x->hop.n >= x->request->max_redirects) {
        char why[60];
        snprintf(why, sizeof why, "more than %u redirects (curl 47)", x->request->max_redirects);
        return fail(x, CURLE_TOO_MANY_REDIRECTS, why, failure);
    }
    if (x->response->status != 417 && locations_differ(x->response)) {
        return fail(x, CURLE_WEIRD_SERVER_REPLY,
                    "a redirect to two places: two Locations that differ (curl 8)", failure);
    }
    er_metrics_add(x);
    if (x->response->status == 417) {
        error = repeat(x, origin);
    } else {
        error = er_url_follow(&url, origin, x->hop.url,
                              errand_response_header(x->response, "Location", 0));
        if (!error) error = lead_to(x, url, origin);
    }
    if (error) {
        er_origin_free(origin);
        if (error != ENOMEM) error = CURLE_UNSUPPORTED_PROTOCOL;
        return fail(x, error, "a redirect to a url that is not http or https (curl 1)", failure);
    }
    er_transport_reroute(&x->request->defaults->transport, origin);
    x->hop.n += x->response->status != 417;
    return 0;
}
