/* A semaphore: three at a time for each host. A rate: a burst of five, then 200 a second. */
#include <errand.h>
#include <stdio.h>

static errand_sem *sem;
static errand_rate *rate;
static int under_way, most;

static errand_result call_host(void *arg)
{
    (void)arg;
    errand_permit *permit;
    int error = errand_rate_wait(rate, errand_key(), ERRAND_FOREVER); /* the task's key: a host */
    if (!error) error = errand_sem_wait(sem, errand_key(), 1, ERRAND_FOREVER, &permit);
    if (error) return errand_fail(error);
    int now = __atomic_add_fetch(&under_way, 1, __ATOMIC_SEQ_CST);
    if (now > __atomic_load_n(&most, __ATOMIC_SEQ_CST))
        __atomic_store_n(&most, now, __ATOMIC_SEQ_CST);
    /* ... the call ... */
    __atomic_sub_fetch(&under_way, 1, __ATOMIC_SEQ_CST);
    errand_permit_release(permit);
    return errand_ok(NULL, NULL);
}

int main(void)
{
    errand_pool *pool = errand_pool_new(NULL);
    sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 3 });
    rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 200, .burst = 5 });
    errand_future *calls[30];
    for (int i = 0; i < 30; i++)
        calls[i] =
            errand_submit_task(pool, &(errand_task){ .fn = call_host, .key = "api.example.org" });
    errand_result r = errand_await(errand_all(calls, 30));
    errand_sem_stats s;
    errand_sem_stats_get(sem, "api.example.org", &s);
    printf("%llu calls, at most %d at a time\n", (unsigned long long)s.granted, most);
    int wrong = r.error || most > 3 || s.granted != 30;
    errand_result_free(&r);
    errand_sem_free(sem);
    errand_rate_free(rate);
    return errand_pool_close(pool, 1000) || wrong;
}
