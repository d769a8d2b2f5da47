/* http/redirect.c -- the next hop.
 *
 *   303               GET without a body, but a HEAD stays a HEAD
 *   301, 302          a POST becomes a GET without a body, others stay what they are
 *   307, 308          the same method with the same body
 *
 * What leads to another scheme, host or port than the caller named goes without his secrets and without a Host that he
 * named, from there on: a way back does not bring them back. At most ER_REDIRECTS hops, to http and https only. */
#include "http/redirect.h"

#include "http/facts.h"
#include "http/outcome.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static CURLUcode resolve(const char *from, const char *location, char **url, char **scheme)
{
    CURLU *parts = curl_url();
    CURLUcode code = parts ? curl_url_set(parts, CURLUPART_URL, from, 0) : CURLUE_OUT_OF_MEMORY;
    if (!code) code = curl_url_set(parts, CURLUPART_URL, location, CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME);
    if (!code) code = curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
    if (!code) code = curl_url_get(parts, CURLUPART_SCHEME, scheme, 0);
    if (!code) code = curl_url_get(parts, CURLUPART_URL, url, 0);
    curl_url_cleanup(parts);
    return code;
}

static void use_headers(er_hop *hop, struct curl_slist *headers)
{
    if (hop->own_headers) curl_slist_free_all(hop->headers);
    hop->headers = headers;
    hop->own_headers = true;
}

static int without_content(er_hop *hop) /* headers that describe a body which is not sent any more */
{
    struct curl_slist *list = NULL;
    for (const struct curl_slist *h = hop->headers; h; h = h->next) {
        if (!strncasecmp(h->data, "Content-", 8) || !strncasecmp(h->data, "Transfer-Encoding:", 18)) continue;
        struct curl_slist *longer = curl_slist_append(list, h->data);
        if (!longer) {
            curl_slist_free_all(list);
            return ENOMEM;
        }
        list = longer;
    }
    use_headers(hop, list);
    return 0;
}

static int without_secrets(er_hop *hop)
{
    int error;
    struct curl_slist *list = er_headers_without_secrets(hop->headers, &error);
    if (!error) use_headers(hop, list);
    hop->away = true;
    return error;
}

int er_redirect(er_exchange *x, er_where *where, errand_result *failure)
{
    const char *location = errand_response_header(x->response, "Location", 0);
    char *url = NULL, *scheme = NULL, *copy = NULL;
    er_hop *hop = &x->hop;
    *where = (er_where){ 0 };
    if (hop->n >= ER_REDIRECTS) {
        *failure = er_outcome_refused(x, ERRAND_CURL + CURLE_TOO_MANY_REDIRECTS, ERRAND_KIND_PROTOCOL,
                                      "more than 10 redirects (curl 47)");
        return ELOOP;
    }
    int status = x->response->status, error = 0;
    er_facts_add(x);
    CURLUcode code = resolve(hop->url, location, &url, &scheme);
    if (code == CURLUE_OUT_OF_MEMORY) error = ENOMEM;
    else if (code || (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0)) error = EPROTO;
    if (!error && !(copy = er_copy_text(url))) error = ENOMEM;
    if (!error) error = er_where_of(where, copy);
    if (!error) er_wire_reroute(&x->request->defaults->wire, where);
    if (!error && !er_response_hop(x->response, status, hop->url)) error = ENOMEM;
    bool to_get = status == 303 ? strcmp(hop->method, "HEAD") != 0
                                : (status == 301 || status == 302) && !strcmp(hop->method, "POST");
    if (!error && !hop->away && er_url_leads_away(hop->url, location, x->request->url)) error = without_secrets(hop);
    if (!error && to_get && hop->body) error = without_content(hop);
    if (error) {
        er_where_free(where);
        er_free(copy);
        if (error == ENOMEM) *failure = er_outcome_failed(x, ENOMEM, NULL);
        else
            *failure = er_outcome_refused(x, ERRAND_CURL + CURLE_UNSUPPORTED_PROTOCOL, ERRAND_KIND_PROTOCOL,
                                          "a redirect to what is no http or https url (curl 1)");
    } else {
        if (hop->own_url) er_free(hop->url);
        hop->url = copy;
        hop->own_url = true;
        hop->https = !strcasecmp(scheme, "https");
        hop->n++;
        if (to_get) {
            hop->ran = true;
            hop->method = "GET";
            hop->body = false;
        }
    }
    curl_free(url);
    curl_free(scheme);
    return error;
}
