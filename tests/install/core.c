/* A user's program: it uses only installed files. */
#include <errand.h>

#include <stdio.h>
#include <string.h>

static errand_result twice(void *arg)
{
    int *number = arg;
    *number *= 2;
    return (errand_result){ .value = number };
}

static int wrong(const char *what)
{
    fprintf(stderr, "core: %s\n", what);
    return 1;
}

int main(void)
{
    char version[64];
    snprintf(version, sizeof version, "%d.%d.%d", ERRAND_VERSION_MAJOR, ERRAND_VERSION_MINOR,
             ERRAND_VERSION_PATCH);
    if (strcmp(version, errand_version()) != 0)
        return wrong("the headers are of another version than the library");

    int number = 21;
    errand_pool *pool = errand_pool_new(NULL);
    errand_result done = errand_await(errand_submit(pool, twice, &number));
    if (done.error || done.value != &number || number != 42)
        return wrong(errand_result_message(&done));
    errand_result_free(&done);
    if (errand_pool_close(pool, 10000) != 0) return wrong("the pool did not close");
    printf("core %s\n", version);
    return 0;
}
