/* http/peer.h -- an address that a connection is about to be made to, and whether it may be. */
#ifndef ER_PEER_H
#define ER_PEER_H

#include "http/exchange.h"

#include <sys/socket.h>

enum { ER_ADDRESS_TEXT = 46, ER_PEER_HOST = 256 };

/* It is not reachable from everywhere. */
bool er_peer_is_private(const struct sockaddr *address);

/* The session lets x connect to this address. False: refused (ER_ADDRESS_TEXT bytes) has its text.
 */
bool er_peer_allowed(const er_exchange *x, const struct sockaddr *address, char *refused);

/* Returns `to`, with the host of x's hop in it, perhaps cut. */
const char *er_peer_host(const er_exchange *x, char to[ER_PEER_HOST]);

#endif
