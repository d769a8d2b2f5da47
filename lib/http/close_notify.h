/* http/close_notify.h -- was the end of a TLS connection the server's own word? */
#ifndef ER_CLOSE_NOTIFY_H
#define ER_CLOSE_NOTIFY_H

#include <curl/curl.h>
#include <stdbool.h>

typedef int er_shutdown_fn(const void *ssl);

/* What has to be asked where this libcurl does not ask by itself; NULL: it does, or nobody can. */
er_shutdown_fn *er_close_notify_find(unsigned curl_version);

/* The server has said that it sends no more. While the connection of this handle's transfer is open. */
bool er_close_notify_received(er_shutdown_fn *ask, CURL *easy);

#endif
