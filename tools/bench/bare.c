/* The one file here that looks behind the public headers: for a bare pair of parkers, two
 * threads that wake each other and do nothing else, which is what a round trip costs at least
 * when the other side sleeps; and for how large a timer is. */
#include "bare.h"
#include "side.h"

#include "base/os.h"
#include "async/timer.h"

#include <stdlib.h>

typedef struct pair {
    er_parker here, there;
    bench_task *task;
    er_thread thread;
} pair;

static void serve(void *arg)
{
    pair *p = arg;
    for (;;) {
        er_park(&p->there, 1, INT64_MAX);
        er_parker_clear(&p->there, 1);
        p->task();
        er_unpark(&p->here, 1);
    }
}

static void *open_pair(unsigned workers, size_t queue)
{
    pair *p = calloc(1, sizeof *p);
    (void)workers;
    (void)queue;
    return p != NULL && er_thread_start(&p->thread, serve, p, "bare", 0) == 0 ? p : NULL;
}

static void run(void *at, size_t n, bench_task *task)
{
    pair *p = at;
    for (size_t i = 0; i < n; i++) {
        p->task = task;
        er_unpark(&p->there, 1);
        er_park(&p->here, 1, INT64_MAX);
        er_parker_clear(&p->here, 1);
    }
}

const bench_side bench_parkers = {
    .name = "bare-parkers", .yardstick = true, .open = open_pair, .run = run
};

size_t bench_timer_size(void) { return sizeof(er_timer); }
