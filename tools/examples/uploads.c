/* Three ways to send a body: a file, a multipart form, and one that is made while it is sent
 * (arguments: URL FILE). */
#include <errand-http.h>
#include <stdio.h>
#include <string.h>

/* A body of 100,000 bytes that is never in memory as a whole; each attempt begins at 0 again. */
static int make_body(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)arg;
    uint64_t left = 100000 - offset;
    *got = left < size ? (size_t)left : size;
    memset(buffer, 'x', *got);
    return 0;
}

static int send_it(errand_http *http, const char *what, const errand_request *request)
{
    errand_result r = errand_await(errand_send(http, request));
    int failed = r.error != 0;
    if (failed) printf("%s: %s\n", what, errand_result_message(&r));
    else printf("%s: %s", what, (const char *)errand_response_body(r.value).at);
    errand_result_free(&r);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 3) return fprintf(stderr, "usage: uploads URL FILE\n"), 2;
    errand_pool *pool = errand_pool_new(NULL);
    errand_http *http = errand_http_new(pool, NULL);
    const char *const type[] = { "Content-Type: text/plain", NULL };
    const errand_form_field fields[] = { { .name = "title", .value = "a clip" },
                                         { .name = "clip", .file = argv[2], .type = "text/plain" },
                                         { .name = NULL } };
    int failed = send_it(
        http, "file", &(errand_request){ .url = argv[1], .body_file = argv[2], .headers = type });
    failed |= send_it(http, "form", &(errand_request){ .url = argv[1], .form = fields });
    failed |=
        send_it(http, "made",
                &(errand_request){ .url = argv[1], .body_fn = make_body, .body_size = 100000 });
    errand_http_close(http, 1000);
    errand_pool_close(pool, 1000);
    return failed;
}
