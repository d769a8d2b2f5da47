/* http/origin.c -- curl parses a url, so that we look up the very name that it connects to.
 *
 * But nearly all urls are plain: lower case, no userinfo, no dots to be resolved. Those are parsed
 * here: 700 instructions, where curl needs 20,000, a fifth of a whole request. All others go to
 * curl, and tests/http/url_fuzz.c checks that curl parses the plain ones in the same way. */
#include "http/origin.h"

#include "http/sanitize.h"

#include "base/net.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if LIBCURL_VERSION_NUM >= 0x075800
#define AS_LOOKED_UP CURLU_PUNYCODE
#else
#define AS_LOOKED_UP 0
#endif

static int put_together(er_origin *origin, const char *scheme, const char *host, const char *port)
{
    size_t host_size = strlen(host) + 1, key_size = strlen(scheme) + host_size + strlen(port) + 4;
    if (*host == '-') return EINVAL; /* no name begins so; in CURLOPT_RESOLVE it removes a name */
    origin->key = er_alloc(key_size + host_size);
    if (!origin->key) return ENOMEM;
    snprintf(origin->key, key_size, "%s://%s:%s", scheme, host, port);
    for (char *c = origin->key; *c; c++) *c = er_lower(*c);
    origin->port = (unsigned)strtoul(port, NULL, 10);
    origin->host = NULL;
    if (!er_is_address(host))
        origin->host = memcpy(origin->key + key_size, origin->key + strlen(scheme) + 3, host_size);
    if (origin->host) origin->host[host_size - 1] = '\0';
    return 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t plain_host(const char *host)
{
    size_t n = 0;
    while ((host[n] >= 'a' && host[n] <= 'z') || is_digit(host[n]) || host[n] == '-' ||
           host[n] == '.')
        n++;
    if (!n || n > 253 || host[0] == '.' || host[n - 1] == '.' || host[0] == '-') return 0;
    if (!is_digit(host[0])) return n;
    char address[16]; /* numbers in other notations mean addresses, too */
    if (n >= sizeof address) return 0;
    memcpy(address, host, n);
    address[n] = '\0';
    return er_is_address(address) ? n : 0;
}

static bool is_dot(const char *at) /* later libcurls than 8.0 resolve encoded ones, too */
{
    return *at == '.' || (at[0] == '%' && at[1] == '2' && (at[2] == 'e' || at[2] == 'E'));
}

bool er_origin_plain_path(const char *path)
{
    if (*path != '/' || path[1] == '/') return false;
    for (const char *at = path; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f || *at == '#' || *at == '\\') return false;
        if (*at == '/' && is_dot(at + 1)) return false;
    }
    return true;
}

size_t er_origin_plain(const char *url)
{
    size_t scheme = 0;
    if (!strncmp(url, "http://", 7)) scheme = 7;
    else if (!strncmp(url, "https://", 8)) scheme = 8;
    size_t host = scheme ? plain_host(url + scheme) : 0, end = scheme + host;
    if (!host) return 0;
    if (url[end] == ':') {
        size_t first = ++end;
        while (is_digit(url[end])) end++;
        if (end - first < 1 || end - first > 5 || url[first] == '0') return 0;
        if (strtoul(url + first, NULL, 10) > 65535) return 0;
    }
    return er_origin_plain_path(url + end) ? end : 0;
}

void er_origin_put(er_origin *origin, const char *url, size_t plain, char *to)
{
    bool tls = url[4] == 's';
    const char *host = url + 7 + tls, *colon = memchr(host, ':', plain - 7 - tls);
    size_t host_size = colon ? (size_t)(colon - host) : plain - 7 - tls;
    *origin = (er_origin){ .key = to, .port = tls ? 443 : 80, .lent = true };
    memcpy(to, url, plain);
    to += plain;
    if (colon) origin->port = (unsigned)strtoul(colon + 1, NULL, 10);
    else to = stpcpy(to, tls ? ":443" : ":80");
    *to++ = '\0';
    if (is_digit(*host)) return; /* an address */
    origin->host = memcpy(to, host, host_size);
    origin->host[host_size] = '\0';
}

int er_origin_of(er_origin *origin, const char *url)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    *origin = (er_origin){ 0 };
    CURLU *parts = curl_url();
    CURLUcode code = parts ? curl_url_set(parts, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    if (!code) code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (!code) code = curl_url_get(parts, CURLUPART_HOST, &host, AS_LOOKED_UP);
    if (!code) code = curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    /* curl also returns "out of memory" when it cannot translate a name beyond ASCII */
    char *as_written = NULL;
    bool none = code == CURLUE_OUT_OF_MEMORY &&
                (!scheme || curl_url_get(parts, CURLUPART_HOST, &as_written, 0));
    int error = code ? EINVAL : put_together(origin, scheme, host, port);
    if (none) error = ENOMEM;
    curl_free(as_written);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return error;
}

void er_origin_free(er_origin *origin)
{
    if (!origin->lent) er_free(origin->key);
    origin->key = origin->host = NULL;
}
