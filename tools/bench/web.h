/* web.h -- what a side that sends requests can do, and the server it sends them to. */
#ifndef BENCH_WEB_H
#define BENCH_WEB_H

#include "loads.h"

typedef struct web_plan {
    const char *url;
    unsigned lanes, in_flight; /* lanes: threads; each with in_flight / lanes transfers */
    /* requests that are awaited at once at most: in flight, and waiting for that */
    size_t most;
    bool posts;   /* of a batch: POSTs without an idempotency key, not GETs */
    bool journal; /* and errand keeps a journal beside its results */
} web_plan;

typedef struct web_side {
    void *(*open)(const web_plan *plan); /* NULL: it cannot. Connects nothing yet */

    /* n GETs, `in_flight` of them at a time. Of each reply status, headers and body are kept until
     * they have been checked: 200, a Content-Type, a body of at least one byte. Exits if one is not
     * so. */
    void (*get)(void *web, size_t n);

    /* Starts n GETs with replies that never end, and returns when all are under way. cancel cancels
     * the i-th: returns when it has ended. NULL: cannot. */
    void (*hang)(void *web, size_t n);
    void (*cancel)(void *web, size_t i);

    /* A command that fetches the urls in lines of a file made by `line` of each, `in_flight` at
     * a time: its arguments. NULL: is no command. */
    void (*line)(char *text, size_t size, const web_plan *plan, size_t i);
    /* for a shell; the results go into the file `out` */
    const char *(*command)(const web_plan *plan, const char *list, const char *out);
} web_side;

extern const web_side web_errand, web_errand_stdout;

/* The server: nginx on a free port of loopback with a folder of its own, which ends with this
 * process. /small is a small page, /slow the same after 100 ms, /wait after 20 ms, /drip a byte now
 * and then. NULL: there is none; why is said. */
const char *web_server(void);

load_fn load_web;         /* n GETs of a small page: wall ns each; cpu; memory at its peak */
load_fn load_web_slow;    /* the same of a slow one, connections warm: ms in all           */
load_fn load_web_cancel;  /* n running transfers, cancelled at random moments: p99 ms      */
load_fn load_web_batch;   /* a command over n urls, results in a file: ms                  */
load_fn load_web_journal; /* the same; errand with a journal                               */
load_fn load_web_posts;   /* the same of POSTs to /wait                                    */

#endif
