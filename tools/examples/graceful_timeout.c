/* A deadline, and clean-up that has a limit of its own.
 *
 * The download has 50 ms. It needs more, so it is cancelled; its waiting calls return at once. It
 * must still undo what it has begun, and that takes time too: inside a frame that is shielded from
 * the deadline, and bounded by one of its own. */
#include <errand.h>
#include <errno.h>
#include <stdio.h>

static errand_pool *pool;

/* Stands for a request to the service. */
static errand_result ask_service(const char *what, int64_t ms)
{
    errand_result r = errand_await(errand_sleep(pool, ms));
    printf("%s: %s\n", what, errand_result_message(&r));
    return r;
}

static errand_result download(void *arg)
{
    (void)arg;
    errand_result r = ask_service("download", 10000);
    if (r.error) {
        errand_frame clean_up;
        errand_enter(&clean_up, 200, true);
        errand_result undone = ask_service("remove the half", 5);
        errand_result_free(&undone);
        /* does not answer: given up after what is left of 200 ms */
        undone = ask_service("notify the service", 10000);
        errand_result_free(&undone);
        errand_leave(&clean_up);
    }
    return r;
}

int main(void)
{
    pool = errand_pool_new(NULL);
    if (!pool) return 1;
    errand_task task = { .fn = download, .name = "download", .within_ms = 50 };
    errand_result r = errand_await(errand_submit_task(pool, &task));
    printf("in the end: %s, because of: %s\n", errand_result_message(&r),
           errand_reason_name(errand_result_reason(&r)));
    int failed = r.error != ETIMEDOUT || errand_result_reason(&r) != ERRAND_BY_TOTAL;
    errand_result_free(&r);
    return errand_pool_close(pool, 1000) || failed;
}
