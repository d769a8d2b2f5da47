/* Requests to the demo server by libcurl, and their replies, for the tests of that server. */
#ifndef TOOLS_CLIENT_H
#define TOOLS_CLIENT_H

#include <curl/curl.h>
#include <stddef.h>

#include "fixture/demo.h"

#define FLAGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

enum { REPLY_MOST = 1 << 13, HEAD_MOST = 2048 };

struct answer {
    CURLcode code;
    long status;
    double seconds, body_seconds; /* the whole; from its first byte to its last */
    unsigned pieces;
    size_t length;
    char body[REPLY_MOST], head[HEAD_MOST];
};

struct call {
    const char *method, *path, *body, *type, *key;
};

/* The server that a test has begun. */
extern struct demo demo;

void start_demo(const char *const *flags);
void stop_demo(void);

void ask(const struct call *call, struct answer *answer);
void ask_for(const char *path, struct answer *answer);
void generate(const char *video_id, const char *key, struct answer *answer);

/* Several at once; returns when all have ended. `signal` is sent to the server when it has received
 * them. */
void ask_together(const struct call *calls, struct answer *answers, size_t n, int signal);

/* A good order, valid until the next call. */
const char *order_for(const char *video_id);

/* The text behind `what` in `in`, up to its line's end or quote, valid until the next call. */
const char *behind(const char *in, const char *what);

void assert_has(const char *in, const char *what);

/* A number from /stats/v. */
long count_of_v(const char *name);

#endif
