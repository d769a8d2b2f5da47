/* Exchange: one request and its reply; and what all exchanges share. */
#ifndef DEMO_EXCHANGE_H
#define DEMO_EXCHANGE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fates.h"
#include "options.h"
#include "orders.h"
#include "replies.h"
#include "videos.h"
#include "wakes.h"

enum { BODY_MOST = 1 << 20 };

struct service {
    const struct options *options;
    struct MHD_Daemon *daemon;
    struct videos *videos;
    struct wakes wakes;
    int64_t quota_until;
    long quota_used;
    uint64_t requests, rejected, faults[FATES + 1];
};

struct exchange {
    struct wake wake; /* first: the heap gives it back */
    struct service *service;
    struct MHD_Connection *connection;
    char *body;
    size_t length, room;
    bool too_large, decided;
    struct reply reply;
    char quota[80]; /* its RateLimit; empty: none */
    enum fate fate;
    int64_t ready_at;
    /* for the access log */
    int64_t since;
    char line[224];
    char video_id[VIDEO_ID_MOST + 1];
    uint64_t n;
};

/* Decides the reply, when it is ready and how it fares. The request's body has been
 * gathered in the exchange. */
void exchange_decide(struct exchange *exchange, const char *path, const char *method);

#endif
