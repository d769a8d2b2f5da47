#include "listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void listen_at(struct listener *l, const char *address, unsigned port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    socklen_t size = sizeof at;
    int one = 1;
    for (int i = 0; i < 4; i++) l->fillers[i] = -1;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    inet_pton(AF_INET, address, &at.sin_addr);
    ck_assert_int_eq(bind(l->fd, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(listen(l->fd, 0), 0);
    ck_assert_int_eq(getsockname(l->fd, (struct sockaddr *)&at, &size), 0);
    l->port = ntohs(at.sin_port);
}

void fill(struct listener *l)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    ck_assert_int_eq(getsockname(l->fd, (struct sockaddr *)&at, &size), 0);
    for (int i = 0; i < 4; i++) {
        l->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(l->fillers[i], (struct sockaddr *)&at, size);
    }
}

void unlisten(struct listener *l)
{
    for (int i = 0; i < 4; i++) {
        if (l->fillers[i] >= 0) close(l->fillers[i]);
    }
    close(l->fd);
}

void read_head(int fd)
{
    char head[4];
    size_t got = 0;
    while (got < 4 || memcmp(head, "\r\n\r\n", 4) != 0) {
        char byte;
        ck_assert_int_eq(read(fd, &byte, 1), 1);
        memmove(head, head + 1, 3);
        head[3] = byte;
        got++;
    }
}

void answer(int fd, const char *body)
{
    char text[200];
    int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
    read_head(fd);
    ck_assert_int_eq(write(fd, text, (size_t)n), n);
}

unsigned connecting(unsigned port)
{
    FILE *file = fopen("/proc/net/tcp", "r");
    char line[300], wanted[40];
    unsigned n = 0;
    snprintf(wanted, sizeof wanted, ":%04X 02 ", port);
    while (file && fgets(line, sizeof line, file)) n += strstr(line, wanted) != NULL;
    if (file) fclose(file);
    return n;
}

void until_connecting(unsigned port, unsigned n)
{
    while (connecting(port) != n) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

const char *url_of(unsigned port)
{
    static char urls[4][60];
    static unsigned n;
    char *url = urls[n++ % 4];
    snprintf(url, sizeof urls[0], "http://127.0.0.1:%u/", port);
    return url;
}
