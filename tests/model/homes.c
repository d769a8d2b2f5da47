/* tests/model/homes.c -- see homes.h. */
#include "homes.h"

#include "async/cell.h"

static void free_place(er_pool_ref *home) { er_of(home, place, home)->freed++; }

errand_pool *place_open(place *p)
{
    p->home.free = free_place;
    er_pool_ref_open(&p->home);
    return (errand_pool *)(void *)&p->home;
}

void place_close(place *p)
{
    holds(p->home.abandoned == 0);
    er_pool_ref_close(&p->home);
    holds(p->freed == 1);
}

static int64_t turned_now(void *arg) { return er_load(&((turned *)arg)->now_ns); }

errand_pool *turned_pool(turned *t, errand_pool_opts opts)
{
    t->clock = (errand_clock){ turned_now, t };
    t->now_ns = MODEL_NOW;
    opts.clock = &t->clock;
    return errand_pool_new(&opts);
}

void turn_to(turned *t, errand_pool *pool, int64_t ms)
{
    er_store(&t->now_ns, MODEL_NOW + ms * 1000000);
    errand_pool_tick(pool);
}

int end_of(errand_future *f)
{
    holds(er_cell_ended(f));
    errand_result r = errand_await(f);
    int error = r.error;
    errand_result_free(&r);
    return error;
}
