/* http/close_notify.h -- whether the server itself ended a TLS connection. */
#ifndef ER_CLOSE_NOTIFY_H
#define ER_CLOSE_NOTIFY_H

#include <curl/curl.h>
#include <stdbool.h>

typedef int er_shutdown_fn(const void *ssl);

/* OpenSSL's function to call where this libcurl does not check by itself; NULL: it does, or there
 * is none. */
er_shutdown_fn *er_close_notify_find(unsigned curl_version);

/* The server has sent close_notify. To be called while the connection of this transfer is open. */
bool er_close_notify_received(er_shutdown_fn *ask, CURL *easy);

#endif
