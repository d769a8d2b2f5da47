#include <errand-http.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    errand_pool *pool = errand_pool_new(NULL);
    errand_policy *thrice = errand_policy_new(&(errand_policy_opts){ .attempts = 3 }, NULL);
    errand_http *http = errand_http_new(pool, &(errand_http_opts){ .limit = 4, .policy = thrice });
    errand_future *pages[argc];

    for (int i = 1; i < argc; i++) pages[i] = errand_get(http, argv[i]); /* returns at once */
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        errand_result page = errand_await(pages[i]);
        if (page.error) printf("%s\n", errand_result_message(&page));
        else printf("%s: %zu bytes\n", argv[i], errand_response_body(page.value).size);
        failed += page.error != 0;
        errand_result_free(&page);
    }
    errand_http_close(http, 1000);
    errand_policy_free(thrice);
    errand_pool_close(pool, 1000);
    return failed > 0;
}
