/* http/close_notify.c -- a body that ends with its connection is whole only if TLS
 * says so (RFC 9112, 9.8).
 *
 * Any host on the way can end a TCP connection at any byte; the server's own end is TLS's
 * close_notify. libcurl 7.87 to 8.14 with OpenSSL takes either for the end of the body. But it
 * calls its progress function once more after reading the end and before it closes, and there
 * CURLINFO_TLS_SSL_PTR gives the connection's SSL, for which SSL_get_shutdown (of the OpenSSL that
 * libcurl has loaded: we do not link it) returns what has been received. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "http/close_notify.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define RECEIVED_SHUTDOWN 2 /* SSL_RECEIVED_SHUTDOWN */

er_shutdown_fn *er_close_notify_find(unsigned curl_version)
{
    static const char *const libraries[] = { "libssl.so.3", "libssl.so.1.1", "libssl.so" };
    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;
    er_shutdown_fn *fn = NULL;
    /* OpenSSL/, LibreSSL/ and such */
    if (curl_version >= 0x080f00 || !tls || !strstr(tls, "SSL/")) return NULL;
    void *at = dlsym(RTLD_DEFAULT, "SSL_get_shutdown");
    for (size_t i = 0; !at && i < sizeof libraries / sizeof *libraries;
         i++) { /* loaded for a plugin, with RTLD_LOCAL */
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (!library) continue;
        at = dlsym(library, "SSL_get_shutdown");
        dlclose(library); /* libcurl keeps it loaded */
    }
    memcpy(&fn, &at, sizeof fn);
    return fn;
}

bool er_close_notify_received(er_shutdown_fn *ask, CURL *easy)
{
    struct curl_tlssessioninfo *tls = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) || !tls || !tls->internals)
        return false;
    return tls->backend == CURLSSLBACKEND_OPENSSL && (ask(tls->internals) & RECEIVED_SHUTDOWN);
}
