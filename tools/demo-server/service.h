/* Service: the HTTP side of the demo server. */
#ifndef DEMO_SERVICE_H
#define DEMO_SERVICE_H

#include <stdint.h>

#include "options.h"

struct service;

/* Serves on a listening socket, which it takes over. NULL: it could not start; errno says why. */
struct service *service_start(const struct options *options, int listener, uint16_t port);

/* Readable when service_run has something to do. */
int service_fd(const struct service *service);

/* Milliseconds after which service_run must be called anyhow, -1: none. */
int service_timeout(struct service *service);

/* Does what can be done without waiting. */
void service_run(struct service *service);

/* Closes every connection, whatever it waits for. Prints the totals unless
 * the options say quiet. */
void service_stop(struct service *service);

#endif
