/* http/handle.h -- a CURL easy handle and the exchange that uses it. */
#ifndef ER_HANDLE_H
#define ER_HANDLE_H

#include "http/exchange.h"
#include "http/peer.h"

/* A CURL easy handle, set up for the session and kept between the exchanges of a lane; the lane's
 * thread alone touches it. */
struct er_handle {
    CURL *easy;
    er_exchange *x; /* that uses it now; NULL: none */
    er_node spare;
    struct er_sockets *sockets;              /* its lane's */
    struct er_dns_cache *known;              /* likewise */
    er_spot *spot;                           /* it uses its addresses; NULL: it needs none */
    er_list used;                            /* its connections */
    bool (*stands)(const er_handle *handle); /* one is connected; before it sends */
    er_node dialling;           /* one of several addresses is being tried, or has been given up */
    bool several;               /* addresses of its host */
    bool plain;                 /* set up for a GET without a body */
    bool spent;                 /* not to be used again: changed by setup, failed, or sent twice */
    long patience_ms;           /* curl's own time to connect; 0: its default */
    struct curl_slist *resolve; /* set with CURLOPT_RESOLVE */
    char refused[ER_ADDRESS_TEXT]; /* an address of this hop that is not allowed; "": none */
    bool opened;                   /* a socket, for one that is */
    char words[CURL_ERROR_SIZE];
};
er_handle *er_handle_new(const er_defaults *defaults); /* NULL: no memory */
int er_handle_renew(er_handle *handle);                /* as it was set up. 0 or ENOMEM */
void er_handle_free(er_handle *handle);                /* not in a multi any more */
void er_handle_clear(er_handle *handle);               /* for the next exchange */

/* On the lane's thread: makes the handle ready for curl_multi_add_handle. 0 or an errno. */
int er_exchange_begin(er_exchange *x, er_handle *handle);

/* On the lane's thread: resumes a paused transfer. A CURLcode: that has ended it. */
CURLcode er_exchange_go_on(er_exchange *x);

#endif
