/* tests/stress/ask.h -- an ask: one random request, what servers saw of it, and its checks. Its url
 * is /p/NUMBER/HOP, so that a server knows which ask it reads and how often it was redirected. */
#ifndef ASK_H
#define ASK_H

#include "stress/scene.h"

#include <errand-http.h>

enum { ASKS = 4096, HOPS = 12 };

typedef enum ask_saves { SAVES_NOTHING, SAVES_NEW, SAVES_OVER } ask_saves;

typedef struct ask {
    unsigned number;
    uint64_t seed;
    const char *method;
    char host[32]; /* the server: "127.0.0.1:8080" */
    bool once;     /* a server sees it once a hop */
    bool secret;   /* its Authorization is for that host alone */
    bool head, stream, any_status, by_policy, by_lane;
    ask_saves saves;
    size_t upload;    /* bytes of its body, where they are known */
    bool uploads;     /* it has such a body */
    unsigned piece;   /* bytes that body_fn gives at a time */
    size_t breaks_at; /* and fails there. 0: it does not */
    uint64_t offset;  /* its next */
    /* atomic: requests that servers read; more sends that are no fault (the
     * program's own, polls) */
    unsigned sights, led_on;
    unsigned empties;     /* atomic: replies without a body that are right */
    unsigned seen[HOPS];  /* atomic: with its own method */
    unsigned again[HOPS]; /* atomic: replies there after which another such request is right */
    bool in_time;         /* atomic: it was sent before its session began to close */
    bool never;           /* it ended as one that was not sent */
    bool saved, not_saved;
} ask;

extern ask asks[ASKS];

void asks_open(void);
unsigned asks_made(void);
void asks_check(void); /* when no thread is left */

/* A request under way; *a NULL: its result is not to be checked. NULL: no ask or session is
 * left. */
errand_future *ask_some(scene *s, ask **a);
errand_future *ask_lane(scene *s);                       /* a handle of curl's own (own.c) */
ask *ask_new(dice *d);                                   /* NULL: none is left */
void ask_look(ask *a, const errand_result *r, scene *s); /* at its end; r is not freed */
/* the same as a then-function; arg is an entry whose seed is its number */
errand_result ask_then(errand_result in, void *arg);

char upload_byte(const ask *a, size_t i);

/* page.c: the body of a reply. It states its ask, its status, whether it is whole, and its size. */
typedef struct page {
    unsigned ask, status;
    bool whole; /* else it is to be cut, or broken: no success may have it */
    size_t size;
} page;
enum { PAGE_LEAST = 128, PAGE_MOST = 1 << 20 };
void page_write(char *to, const page *p);
/* Reads a page. Returns whether the bytes are one from the first on; without `all` it may end
 * early. */
bool page_read(page *p, const void *at, size_t size, bool all);

#endif
