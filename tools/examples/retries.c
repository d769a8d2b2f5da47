/* Transient failures are tried again, a wait that the service asks for is kept, and the
 * whole has a deadline. */
#include <errand.h>
#include <errno.h>
#include <stdio.h>

static errand_result ask_service(void *arg)
{
    unsigned *calls = arg;
    switch (++*calls) {
    case 1: return errand_failf(ECONNRESET, "the connection was reset");
    case 2: /* as HTTP's 429 with Retry-After: it did not do the work, and asks for 30 ms */
        return errand_fail_as(ERRAND_USER + 1, ERRAND_KIND_RATE_LIMITED, 30, false,
                              "too many requests");
    default: return errand_ok("the answer", NULL);
    }
}

static void say(const errand_attempt_info *info, void *arg)
{
    (void)arg;
    printf("attempt %u: %s; again in %lld ms\n", info->number, errand_result_message(info->last),
           (long long)info->upcoming_ms);
}

int main(void)
{
    errand_pool *pool = errand_pool_new(NULL);
    const char *why = NULL;
    errand_policy *policy = errand_policy_new(
        &(errand_policy_opts){
            .within_ms = 10000,
            .stop = errand_stop_after_attempt(5),
            .backoff = errand_backoff_randomized(errand_backoff_exponential(10, 1000, 2, 0), 0.2),
            .retry_if = errand_retry_if_any(errand_retry_if_transient(),
                                            errand_retry_if_kind(ERRAND_KIND_BIT(RATE_LIMITED))),
            .before_sleep = say },
        &why);
    if (!policy) return fprintf(stderr, "%s\n", why), 1;
    unsigned calls = 0;
    errand_result r = errand_await(errand_run(pool, policy, ask_service, &calls));
    printf("%s, after %u attempts\n", r.error ? errand_result_message(&r) : (char *)r.value,
           errand_result_attempts(&r));
    int wrong = r.error || calls != 3;
    errand_result_free(&r);
    errand_policy_free(policy);
    return errand_pool_close(pool, 1000) || wrong;
}
