/* http/transport.h -- how a session's requests are carried: proxy, unix socket, TLS, compression.
 * */
#ifndef ER_TRANSPORT_H
#define ER_TRANSPORT_H

#include "base/bytes.h"
#include "http/origin.h"

#include <errand/http.h>

#include <curl/curl.h>

typedef struct er_transport {
    char *proxy; /* NULL: none, "" too */
    char *unix_socket;
    char *ca_file, *cert_file, *key_file, *key_password;
    char *dial_host; /* the name to look up instead of the url's; "": none; NULL: the url's */
    uint16_t dial_port;
    long min_tls; /* CURL_SSLVERSION_ */
    char *ca_path, *pinned_keys, *no_proxy;
    /* fixed addresses, for curl where it looks up names itself; NULL: none */
    struct curl_slist *resolve;
    bool environment, netrc, plain;
} er_transport;

/* Checks and copies. 0, EINVAL, ENOMEM, or why a file cannot be read. */
int er_transport_make(er_transport *transport, const errand_http_opts *opts, er_bytes *why);
void er_transport_free(er_transport *transport);

/* Changes an origin's host and port to those that a connection goes to: a proxy's, none, or its
 * own. */
void er_transport_reroute(const er_transport *transport, er_origin *origin);

/* Returns the value of Accept-Encoding; NULL: replies are not to be compressed. */
const char *er_transport_codings(const er_transport *transport);

/* Sets a handle up, once for all requests of the session. 0, or a CURLcode: what
 * this libcurl cannot do. */
CURLcode er_transport_apply(const er_transport *transport, CURL *easy);

#endif
