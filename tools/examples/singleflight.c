/* Ten callers want the same thing at the same time: it is fetched once, and all get it. */
#include <errand.h>
#include <stdio.h>

static int fetches;

static errand_result fetch(void *arg)
{
    __atomic_add_fetch(&fetches, 1, __ATOMIC_SEQ_CST);
    /* stands for a request; the value would come with it */
    return errand_later(errand_sleep(arg, 20));
}

int main(void)
{
    errand_pool *pool = errand_pool_new(NULL);
    errand_singleflight *flight = errand_singleflight_new(pool, NULL);
    errand_future *shared[10];
    for (int i = 0; i < 10; i++)
        shared[i] = errand_singleflight_run(
            flight, NULL, &(errand_task){ .fn = fetch, .arg = pool, .key = "user/17" });
    errand_result r = errand_await(errand_all(shared, 10));
    errand_singleflight_stats s;
    errand_singleflight_stats_get(flight, "user/17", &s);
    printf("%llu run(s), %llu callers shared one\n", (unsigned long long)s.runs,
           (unsigned long long)s.shared);
    int wrong = r.error || (unsigned long long)fetches != s.runs || s.runs + s.shared != 10;
    errand_result_free(&r);
    errand_singleflight_free(flight);
    return errand_pool_close(pool, 1000) || wrong;
}
