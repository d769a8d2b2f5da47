/* web_reply.h -- what peers that use curl by hand keep of a reply: as much as errand does. */
#ifndef BENCH_WEB_REPLY_H
#define BENCH_WEB_REPLY_H

#include <curl/curl.h>
#include <stddef.h>

typedef struct web_text {
    char *at;
    size_t size, room;
} web_text;

typedef struct web_reply {
    long status;
    web_text headers, body;
} web_reply;

/* set up for GETs; exits without memory */
CURL *web_easy_new(void);
void web_easy_aim(CURL *easy, const char *url, web_reply *reply); /* reply is on the heap, empty */
/* is all there, or exits; frees it */
void web_reply_look(CURL *easy, CURLcode code, web_reply *reply);

#endif
