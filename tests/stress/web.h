/* tests/stress/web.h -- sessions on a round's pools, with their hooks and middleware, and policies
 * for requests. */
#ifndef WEB_H
#define WEB_H

#include "stress/ask.h"

enum { SESSIONS = 3, MANNERS = 6 };

typedef struct manner { /* a policy for requests. NULL: none */
    errand_policy *policy;
    errand_repeat repeat;
    bool holds; /* a permit of the world's */
} manner;

typedef struct session {
    errand_http *http;
    const place *home;
    manner manner;
    bool middleware;
    unsigned closing; /* atomic: it has begun */
} session;

void web_open(dice *d);
void web_close(const place *p, int64_t within_ms); /* the sessions there */
void web_let_go(void);
void web_check(void);

/* A session whose memory stays until web_used; closed or not. NULL: they are gone. */
const session *web_use(scene *s);
void web_used(void);
manner web_manner(scene *s);
void web_act(scene *s); /* statistics, an early close */

extern char web_folder[32]; /* of files */

#endif
