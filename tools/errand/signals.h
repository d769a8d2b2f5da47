/* signals.h -- SIGINT and SIGTERM, counted, on a thread that waits for them. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <pthread.h>
#include <stdbool.h>

typedef struct signals {
    int fd, quit;
    unsigned count; /* atomic */
    void (*on)(unsigned count, void *arg);
    void *arg;
    pthread_t thread;
} signals;

/* Before any other thread is started: from here on they wait. 0 or an errno. */
int signals_hold(signals *s);
/* on(1), on(2) ... on a thread of its own, also for those that came in between. 0 or an errno. */
int signals_begin(signals *s, void (*on)(unsigned count, void *arg), void *arg);
/* One has come that on has not been called for; before signals_begin. */
bool signals_wait_there(const signals *s);
/* on is not called any more. Says how many there were. */
unsigned signals_end(signals *s);

#endif
