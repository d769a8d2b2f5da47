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
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int check_file(const char *name, const char *path, er_bytes *why)
{
    uint64_t length;
    int fd, error = path ? er_file_length(path, &length) : 0;
    if (error == ESPIPE) error = 0; /* a FIFO has its certificates for curl */
    else if (path && !error && !(error = er_file_open(path, O_RDONLY | O_NOCTTY, &fd)))
        er_file_close(fd);
    if (error) er_bytes_format(why, "%s \"%s\": %s", name, path, errand_strerror(error));
    return error;
}

static int check_folder(const char *name, const char *path, er_bytes *why)
{
    int fd, error = path ? er_file_open(path, O_RDONLY | O_DIRECTORY, &fd) : 0;
    if (path && !error) er_file_close(fd);
    if (error) er_bytes_format(why, "%s \"%s\": %s", name, path, errand_strerror(error));
    return error;
}

/* What this libcurl was built without is found by setting it. */
static int check_support(CURLoption option, const char *name, const char *value, er_bytes *why)
{
    CURL *easy = value ? curl_easy_init() : NULL;
    if (!value) return 0;
    if (!easy) return ENOMEM;
    CURLcode code = curl_easy_setopt(easy, option, value);
    curl_easy_cleanup(easy);
    if (!code) return 0;
    er_bytes_format(why, "%s: this libcurl cannot do that: %s", name, curl_easy_strerror(code));
    return code == CURLE_OUT_OF_MEMORY ? ENOMEM : ENOTSUP;
}

static bool is_pin(const char *at, size_t size) /* the base64 of 32 bytes */
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (size != 8 + 44 || strncmp(at, "sha256//", 8) != 0) return false;
    return strspn(at + 8, digits) == 43 && at[size - 1] == '=';
}

static int read_pins(er_transport *transport, const char *pins, er_bytes *why)
{
    if (strncmp(pins, "sha256//", 8)) {
        int error = check_file("pinned_keys", pins, why);
        if (error) return error;
    } else {
        for (const char *at = pins;; at++) {
            size_t size = strcspn(at, ";");
            if (!is_pin(at, size))
                return er_refuse(why, "pinned_keys are not sha256//BASE64[;sha256//BASE64...]:",
                                 pins, strlen(pins));
            at += size;
            if (!*at) break;
        }
    }
    transport->pinned_keys = er_copy_text(pins);
    return transport->pinned_keys ? check_support(CURLOPT_PINNEDPUBLICKEY, "pinned_keys", pins, why)
                                  : ENOMEM;
}

static int read_trust(er_transport *transport, const errand_http_opts *opts, er_bytes *why)
{
    int error = check_folder("ca_path", opts->ca_path, why);
    if (!error) error = check_support(CURLOPT_CAPATH, "ca_path", opts->ca_path, why);
    if (!error && opts->ca_path && !(transport->ca_path = er_copy_text(opts->ca_path)))
        error = ENOMEM;
    if (!error && opts->pinned_keys) error = read_pins(transport, opts->pinned_keys, why);
    return error;
}

/* curl finds out whether a host has a proxy, and looks up its name or the proxy's. */
static bool curl_looks_up(const er_transport *transport)
{
    return transport->environment || (transport->proxy && transport->no_proxy);
}

/* Where it names none, names are looked up as usual, by threads of the session. */
static bool environment_names_proxy(void)
{
    static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                         "ALL_PROXY" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment does not change beside threads */
        const char *value = getenv(names[i]);
        if (value && *value) return true;
    }
    return false;
}

static int read_route(er_transport *transport, const errand_http_opts *opts, er_bytes *why)
{
    if (opts->no_proxy && er_has_control(opts->no_proxy, false))
        return er_refuse(why, "a control character in no_proxy", NULL, 0);
    if (opts->no_proxy && !(transport->no_proxy = er_copy_text(opts->no_proxy))) return ENOMEM;
    if (!curl_looks_up(transport)) return 0;
    for (const char *const *rule = opts->resolve; rule && *rule; rule++) {
        struct curl_slist *longer = curl_slist_append(transport->resolve, *rule);
        if (!longer) return ENOMEM;
        transport->resolve = longer;
    }
    return 0;
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
    transport->environment = opts->environment && environment_names_proxy();
    transport->netrc = opts->netrc;
    transport->plain = opts->no_compression;
    if (!error) error = read_trust(transport, opts, why);
    if (!error) error = read_route(transport, opts, why);
    return error;
}

void er_transport_free(er_transport *transport)
{
    char **all[] = { &transport->proxy,     &transport->unix_socket, &transport->ca_file,
                     &transport->cert_file, &transport->key_file,    &transport->dial_host,
                     &transport->ca_path,   &transport->pinned_keys, &transport->no_proxy };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) er_free(*all[i]);
    if (transport->key_password)
        explicit_bzero(transport->key_password, strlen(transport->key_password));
    er_free(transport->key_password);
    curl_slist_free_all(transport->resolve);
    *transport = (er_transport){ 0 };
}

void er_transport_reroute(const er_transport *transport, er_origin *origin)
{
    if (curl_looks_up(transport)) {
        origin->host = NULL;
        return;
    }
    if (!transport->dial_host) return;
    origin->host =
        *transport->dial_host && !er_is_address(transport->dial_host) ? transport->dial_host : NULL;
    origin->port = transport->dial_port;
}

const char *er_transport_codings(const er_transport *transport)
{
    return transport->plain ? NULL : er_codings_known();
}

/* What libcurl trusts by default is left out where the caller has chosen something. */
static CURLcode apply_trust(const er_transport *transport, CURL *easy)
{
    CURLcode code = CURLE_OK;
    bool https = transport->proxy && er_alike(transport->proxy, "https:", 6); /* the same trust */
    if (https) code = curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, transport->min_tls);
    if (!code && transport->pinned_keys)
        code = curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, transport->pinned_keys);
    if (code || (!transport->ca_file && !transport->ca_path)) return code;
    code = curl_easy_setopt(easy, CURLOPT_CAINFO, transport->ca_file);
    if (!code && https) code = curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, transport->ca_file);
    if (code) return code;
    if (!transport->ca_path) { /* may be unknown to libcurl */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
        return CURLE_OK;
    }
    code = curl_easy_setopt(easy, CURLOPT_CAPATH, transport->ca_path);
    if (!code && https) code = curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, transport->ca_path);
    return code;
}

CURLcode er_transport_apply(const er_transport *transport, CURL *easy)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, transport->min_tls);
    if (!code && !transport->environment)
        code = curl_easy_setopt(easy, CURLOPT_PROXY, transport->proxy ? transport->proxy : "");
    if (!code && transport->no_proxy)
        code = curl_easy_setopt(easy, CURLOPT_NOPROXY, transport->no_proxy);
    else if (!code && transport->proxy)
        code = curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* instead of the environment's */
    if (!code && transport->resolve)
        code = curl_easy_setopt(easy, CURLOPT_RESOLVE, transport->resolve);
    if (!code && transport->unix_socket)
        code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, transport->unix_socket);
    if (!code && transport->netrc)
        code = curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    if (!code) code = apply_trust(transport, easy);
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
