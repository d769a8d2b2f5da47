/* http/transport.h -- by what road and how guarded a session's requests go: proxy, unix socket, TLS, compression. */
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
    char *dial_host; /* whose name is to be resolved instead of the url's; "": nobody's; NULL: the url's */
    uint16_t dial_port;
    long  min_tls; /* CURL_SSLVERSION_ */
    bool  environment, netrc, plain;
} er_transport;

/* Checks and copies. 0, EINVAL, ENOMEM, or why a file cannot be read. */
int  er_transport_make(er_transport *transport, const errand_http_opts *opts, er_bytes *why);
void er_transport_free(er_transport *transport);

/* Where a connection for an origin goes, and so whose name is to be looked up: the proxy's, nobody's, the origin's own. */
void er_transport_reroute(const er_transport *transport, er_origin *origin);

/* What compressed replies are asked for with; NULL: they are not wanted. */
const char *er_transport_codings(const er_transport *transport);

/* Sets a handle up, once for all requests of the session. 0, or a CURLcode: what this libcurl cannot do. */
CURLcode er_transport_apply(const er_transport *transport, CURL *easy);

#endif
