/* Twenty tasks, four at a time; results come as the tasks end, and no task outlives the group. */
#include <errand.h>
#include <stdio.h>

static errand_result square(void *arg)
{
    int *n = arg;
    *n *= *n;
    return errand_ok(n, NULL);
}

int main(void)
{
    errand_pool *pool = errand_pool_new(NULL);
    errand_group *group = errand_group_new(pool, &(errand_group_opts){ .concurrency = 4 });
    int numbers[20], sum = 0;
    for (int i = 0; i < 20; i++) {
        numbers[i] = i + 1;
        errand_group_submit(group, NULL, &(errand_task){ .fn = square, .arg = &numbers[i] });
    }
    errand_result r;
    size_t index;
    while (errand_group_next(group, &r, &index, ERRAND_FOREVER) == 0) {
        if (!r.error) sum += *(int *)r.value;
        errand_result_free(&r);
    }
    printf("the sum of the first 20 squares is %d\n", sum);
    int error = errand_group_close(group, 1000); /* would cancel what is left */
    return errand_pool_close(pool, 1000) || error || sum != 2870;
}
