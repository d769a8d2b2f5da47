/* A reply that is read as it arrives: server-sent events (the first argument is their url). */
#include <errand-http.h>
#include <stdio.h>
#include <string.h>

/* Prints each "data:" line of what has come; the rest of an unfinished line stays in the buffer. */
static size_t take_lines(char *text, size_t size)
{
    char *line = text, *end;
    while ((end = memchr(line, '\n', size - (size_t)(line - text)))) {
        if (!strncmp(line, "data:", 5)) printf("%.*s\n", (int)(end - line - 5), line + 5);
        line = end + 1;
    }
    memmove(text, line, size - (size_t)(line - text));
    return size - (size_t)(line - text);
}

int main(int argc, char **argv)
{
    errand_pool *pool = errand_pool_new(NULL);
    errand_http *http = errand_http_new(pool, NULL);
    errand_request request = {
        .url = argc > 1 ? argv[1] : "", .stream = 1, .total_ms = ERRAND_FOREVER
    };
    errand_result r = errand_await(errand_send(http, &request)); /* ends with the headers */
    char text[4096];
    size_t held = 0;
    int64_t n = r.error ? 0 : 1;
    while (n > 0 && held < sizeof text) { /* 30 s without a byte are too many */
        n = errand_body_read(r.value, text + held, sizeof text - held, 30000);
        if (n > 0) held = take_lines(text, held + (size_t)n);
    }
    if (r.error) fprintf(stderr, "%s\n", errand_result_message(&r));
    else if (n < 0) fprintf(stderr, "%s\n", errand_strerror((int)-n));
    int failed = r.error || n != 0;
    errand_result_free(&r); /* ends the transfer, if it has not ended */
    errand_http_close(http, 1000);
    errand_pool_close(pool, 1000);
    return failed;
}
