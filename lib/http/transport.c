/* http/transport.c -- what is the same for all of a session's transfers: set once for each handle.
 *
 * The environment's proxies and .netrc are used only if an option says so. Certificates are
 * verified, TLS is 1.2 at least. Files are checked when the session is made, so that a wrong path
 * is reported there and not by every request. */
#include "http/transport.h"

#include "base/net.h"
#include "http/decoder.h"
#include "http/sanitize.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int check_file(const char *name, const char *path, er_bytes *why)
{
    uint64_t length;
    int error = path ? er_file_length(path, &length) : 0;
    if (error && error != ESPIPE)
        er_bytes_format(why, "%s \"%s\": %s", name, path, errand_strerror(error));
    return error == ESPIPE ? 0 : error;
}

static int read_proxy(er_transport *transport, const char *proxy, er_bytes *why)
{
    static const char *const schemes[] = {
        "http", "https", "socks4", "socks4a", "socks5", "socks5h"
    };
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    if (!parts) return ENOMEM;
    bool good = !er_has_control(proxy, false) &&
                !curl_url_set(parts, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME) &&
                !curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) &&
                !curl_url_get(parts, CURLUPART_HOST, &host, 0);
    bool known = false;
    for (size_t i = 0; good && i < sizeof schemes / sizeof *schemes; i++)
        known |= er_alike(scheme, schemes[i], SIZE_MAX);
    int error = good && known ? 0 : EINVAL;
    if (error)
        er_bytes_text(why, "proxy is not SCHEME://HOST:PORT, with http, https, socks4, socks4a, "
                           "socks5 or socks5h");
    long number =
        error || curl_url_get(parts, CURLUPART_PORT, &port, 0) ? 1080 : strtol(port, NULL, 10);
    if (!error &&
        (!(transport->dial_host = er_copy_text(host)) || !(transport->proxy = er_copy_text(proxy))))
        error = ENOMEM;
    transport->dial_port = (uint16_t)number;
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return error;
}

static int read_socket(er_transport *transport, const char *path, er_bytes *why)
{
    if (!*path || strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        return er_refuse(why, "unix_socket is empty or too long", NULL, 0);
    }
    transport->unix_socket = er_copy_text(path);
    transport->dial_host = er_copy_text("");
    return transport->unix_socket && transport->dial_host ? 0 : ENOMEM;
}

int er_transport_make(er_transport *transport, const errand_http_opts *opts, er_bytes *why)
{
    const struct {
        const char *name, *value;
        char **to;
    } files[] = { { "ca_file", opts->ca_file, &transport->ca_file },
                  { "cert_file", opts->cert_file, &transport->cert_file },
                  { "key_file", opts->key_file, &transport->key_file } };
    int error = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && !error; i++) {
        error = check_file(files[i].name, files[i].value, why);
        if (!error && files[i].value && !(*files[i].to = er_copy_text(files[i].value)))
            error = ENOMEM;
    }
    if (!error && opts->key_file && !opts->cert_file)
        error = er_refuse(why, "key_file without cert_file", NULL, 0);
    if (!error && opts->key_password &&
        !(transport->key_password = er_copy_text(opts->key_password)))
        error = ENOMEM;
    if (!error && (unsigned)opts->min_tls > ERRAND_TLS_1_3)
        error = er_refuse(why, "min_tls is not an errand_tls_version", NULL, 0);
    if (!error && opts->proxy && opts->unix_socket)
        error = er_refuse(why, "proxy and unix_socket are both given", NULL, 0);
    if (!error && opts->proxy && opts->environment)
        error = er_refuse(why, "proxy and environment are both given", NULL, 0);
    if (!error && opts->proxy) error = read_proxy(transport, opts->proxy, why);
    if (!error && opts->unix_socket) error = read_socket(transport, opts->unix_socket, why);
    transport->min_tls =
        opts->min_tls == ERRAND_TLS_1_3 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
    transport->environment = opts->environment;
    transport->netrc = opts->netrc;
    transport->plain = opts->no_compression;
    return error;
}

void er_transport_free(er_transport *transport)
{
    char **all[] = { &transport->proxy,     &transport->unix_socket, &transport->ca_file,
                     &transport->cert_file, &transport->key_file,    &transport->dial_host };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) er_free(*all[i]);
    if (transport->key_password)
        explicit_bzero(transport->key_password, strlen(transport->key_password));
    er_free(transport->key_password);
    *transport = (er_transport){ 0 };
}

void er_transport_reroute(const er_transport *transport, er_origin *origin)
{
    if (transport->environment)
        origin->host = NULL; /* curl finds out whether there is a proxy, and looks up the name */
    if (!transport->dial_host) return;
    origin->host =
        *transport->dial_host && !er_is_address(transport->dial_host) ? transport->dial_host : NULL;
    origin->port = transport->dial_port;
}

const char *er_transport_codings(const er_transport *transport)
{
    return transport->plain ? NULL : er_codings_known();
}

CURLcode er_transport_apply(const er_transport *transport, CURL *easy)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, transport->min_tls);
    if (!code && !transport->environment)
        code = curl_easy_setopt(easy, CURLOPT_PROXY, transport->proxy ? transport->proxy : "");
    if (!code && transport->proxy)
        code = curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* instead of the environment's */
    if (!code && transport->unix_socket)
        code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, transport->unix_socket);
    if (!code && transport->netrc)
        code = curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    if (!code && transport->ca_file)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, transport->ca_file);
    if (!code && transport->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* where libcurl knows it: this file alone */
    if (!code && transport->proxy && er_alike(transport->proxy, "https:", 6)) { /* the same trust */
        code = curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, transport->min_tls);
        if (!code && transport->ca_file)
            code = curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, transport->ca_file);
        if (transport->ca_file) curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
    }
    if (!code && transport->cert_file)
        code = curl_easy_setopt(easy, CURLOPT_SSLCERT, transport->cert_file);
    if (!code && transport->cert_file) {
        code = curl_easy_setopt(easy, CURLOPT_SSLKEY,
                                transport->key_file ? transport->key_file : transport->cert_file);
    }
    if (!code && transport->key_password)
        code = curl_easy_setopt(easy, CURLOPT_KEYPASSWD, transport->key_password);
    return code;
}
