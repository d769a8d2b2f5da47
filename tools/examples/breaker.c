/* A circuit breaker stops calling a service that is down; a hedge asks a second time when the
 * first answer is slow. */
#include <errand.h>
#include <stdio.h>

static errand_pool *pool;

static errand_result down(void *arg)
{
    ++*(int *)arg;
    return errand_failf(ERRAND_USER + 1, "the service is down");
}

static errand_result slow_at_first(void *arg)
{
    int nth = __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
    return errand_later(errand_sleep(pool, nth == 1 ? 60000 : 1)); /* holds no worker meanwhile */
}

int main(void)
{
    pool = errand_pool_new(NULL);
    errand_breaker *breaker =
        errand_breaker_new(pool, &(errand_breaker_opts){ .min_calls = 5, .open_ms = 60000 });
    errand_policy *careful = errand_policy_new(&(errand_policy_opts){ .breaker = breaker }, NULL);
    int calls = 0, refused = 0, hedged = 0;
    for (int i = 0; i < 20; i++) {
        errand_result r = errand_await(errand_run(pool, careful, down, &calls));
        refused += r.error == ERRAND_EOPEN;
        errand_result_free(&r);
    }
    printf("%d calls reached the service, the breaker refused %d\n", calls, refused);

    errand_policy *hedging = errand_policy_new(&(errand_policy_opts){ .hedge_ms = 20 }, NULL);
    errand_result r = errand_await(errand_run(pool, hedging, slow_at_first, &hedged));
    printf("%s after %d attempts side by side\n", r.error ? errand_result_message(&r) : "answered",
           hedged);
    int wrong = calls != 5 || refused != 15 || r.error || hedged != 2;
    errand_result_free(&r);
    errand_policy_free(careful);
    errand_policy_free(hedging);
    errand_breaker_free(breaker);
    return errand_pool_close(pool, 1000) || wrong;
}
