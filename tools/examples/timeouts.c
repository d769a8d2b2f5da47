/* A time limit around a future, and a task that is cancelled while it runs. */
#include <errand.h>
#include <errno.h>
#include <stdio.h>

static errand_result count_slowly(void *arg)
{
    errand_pool *pool = arg;
    while (!errand_cancelled()) { /* between two steps the task looks whether it is to end */
        errand_result nap = errand_await(errand_sleep(pool, 5)); /* a blocking call ends early */
        errand_result_free(&nap);
    }
    return errand_failf(ECANCELED, "counted no further");
}

static int ends_with(int error, errand_future *f)
{
    errand_result r = errand_await(f);
    printf("%s (%s)\n", errand_result_message(&r), errand_reason_name(errand_result_reason(&r)));
    int wrong = r.error != error;
    errand_result_free(&r);
    return wrong;
}

int main(void)
{
    errand_pool *pool = errand_pool_new(NULL);
    int wrong = ends_with(ETIMEDOUT, errand_timeout(errand_sleep(pool, ERRAND_FOREVER), 20));

    errand_future *counting = errand_submit(pool, count_slowly, pool);
    /* it has not ended: enough */
    if (errand_wait(counting, 20) == ETIMEDOUT) errand_cancel(counting);
    wrong |= ends_with(ECANCELED, counting);
    return errand_pool_close(pool, 1000) || wrong;
}
