/* A listening socket whose connections the test accepts itself, or not at all. */
#ifndef TESTS_HTTP_LISTENER_H
#define TESTS_HTTP_LISTENER_H

#include "harness.h"

struct listener {
    int fd, fillers[4];
    unsigned port;
};

void listen_at(struct listener *l, const char *address, unsigned port); /* 0: any */
/* from here on connecting hangs */
void fill(struct listener *l);
void unlisten(struct listener *l);

const char *url_of(unsigned port); /* on 127.0.0.1; kept for the next few calls */

unsigned connecting(unsigned port); /* sockets that wait for that port's answer */
void until_connecting(unsigned port, unsigned n);

void read_head(int fd); /* of a request */
void answer(int fd, const char *body);

#endif
