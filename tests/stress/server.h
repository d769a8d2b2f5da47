/* tests/stress/server.h -- servers that do anything, on loopback. */
#ifndef SERVER_H
#define SERVER_H

#include "stress/ask.h"

#include "raw_server.h"

enum { SERVERS = 2 };

typedef struct head { /* a request as far as its blank line */
    ask *of;
    unsigned hop;
    size_t length;                                      /* of its body */
    bool chunked, expects, takes_gzip, is_head, is_own; /* is_own: the method is its ask's */
    bool read;                                          /* its body has been read */
    char method[16], host[64];
} head;

void servers_open(void);
void servers_close(void);
unsigned server_port(unsigned i);

/* Reads the body, if that was not done. False: it breaks off. */
bool server_read_body(struct raw_conn *conn, head *h);

/* answer.c: one answer, of any sort. False: the connection has come to its end. */
bool answer(struct raw_conn *conn, head *h);

#endif
