/*
 * Fates: what happens to a request. A fate is a pure function of (seed, endpoint, video_id, n),
 * n counting the requests that this endpoint has had for this video, so that a run repeats
 * whatever the order in which clients arrive. */
#ifndef DEMO_FATES_H
#define DEMO_FATES_H

#include <stdint.h>

enum fate {
    FATE_FAIL_503,         /* refused, not processed */
    FATE_FAIL_429,         /* refused with Retry-After, not processed */
    FATE_DROP_UNPROCESSED, /* connection closed, not processed */
    FATE_DROP_BEFORE,      /* processed, connection closed before the first byte of the reply */
    FATE_DROP_MIDDLE,      /* processed, connection closed in the middle of the body */
    FATE_SLOW_BODY,        /* processed, the body comes in small pieces */
    FATE_WRONG_TYPE,       /* processed, the reply is an HTML page */
    FATE_NONE,
    FATES = FATE_NONE,
};

enum endpoint { ENDPOINT_GENERATE, ENDPOINT_SUBMIT, ENDPOINT_POLL, ENDPOINT_CONTENT, ENDPOINTS };

/* What else is drawn by seed: each draw is independent of the others. */
enum draw {
    DRAW_FATE,
    DRAW_DELAY,
    DRAW_HTTP_DATE,
    DRAW_QUEUED,
    DRAW_RUNNING,
    DRAW_OPERATION,
    DRAW_CONTENT
};

struct lot {
    uint64_t seed;
    enum endpoint endpoint;
    const char *video_id;
    uint64_t n;
};

/* The name of a fate as /stats and the access log give it: "503", "drop_before", ... */
const char *fate_name(enum fate fate);

/* 64 evenly spread bits for this lot. */
uint64_t lot_bits(const struct lot *lot, enum draw draw);

/* The same as a number in [0, 1). */
double lot_share(const struct lot *lot, enum draw draw);

/* shares[f] is the share of requests that meet fate f; they add up to at most 1. */
enum fate lot_fate(const struct lot *lot, const double shares[FATES]);

/* One step of the generator behind the draws, for streams of bytes. */
uint64_t next_bits(uint64_t *state);

#endif
