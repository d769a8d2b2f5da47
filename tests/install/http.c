/* A user's program with a session. The request goes to a bound port without a listener, so it is
 * refused. */
#include <errand-http.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static int wrong(const char *what)
{
    fprintf(stderr, "http: %s\n", what);
    return 1;
}

int main(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    char url[64];
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    if (taken < 0 || bind(taken, (struct sockaddr *)&at, sizeof at) != 0) return wrong("no port");
    if (getsockname(taken, (struct sockaddr *)&at, &size) != 0) return wrong("no port");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(at.sin_port));

    errand_pool *pool = errand_pool_new(NULL);
    errand_http *http = errand_http_new(pool, NULL);
    errand_result page = errand_await(errand_get(http, url));
    if (page.error == 0) return wrong("a reply from a port without a server");
    if (errand_result_kind(&page) != ERRAND_KIND_NETWORK)
        return wrong(errand_result_message(&page));
    printf("http %s\n", errand_http_features());
    errand_result_free(&page);
    if (errand_http_close(http, 10000) != 0) return wrong("the session did not close");
    if (errand_pool_close(pool, 10000) != 0) return wrong("the pool did not close");
    return 0;
}
