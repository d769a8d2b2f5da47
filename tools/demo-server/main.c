/*
 * The demo server: a video-generation service on loopback with faults on demand.
 *
 *     main: poll(epoll descriptor of libmicrohttpd, signals, stdin) --> service_run
 *
 * One thread, no lock: every wait of a request is a suspended connection (service.c), not a
 * parked thread. The listening socket is made here, so that a port in use is reported as such. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "options.h"
#include "service.h"

enum { BACKLOG = 4096 };

static int fail(const char *what)
{
    fprintf(stderr, "demo-server: %s: %s\n", what, strerror(errno));
    return 1;
}

/* The socket, or -1. *port becomes the one that it really has. */
static int listen_on(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    socklen_t length = sizeof address;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&address, &length)) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        errno = error;
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

/* A descriptor on which SIGINT and SIGTERM arrive, or -1. */
static int catch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &set, NULL) ? -1 : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool stdin_ended(void)
{
    char bytes[4096];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    return got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
}

/* Until a signal comes or stdin ends. */
static int serve(struct service *service, int signals, bool until_eof)
{
    struct pollfd fds[] = {
        { .fd = service_fd(service), .events = POLLIN },
        { .fd = signals, .events = POLLIN },
        { .fd = until_eof ? STDIN_FILENO : -1, .events = POLLIN },
    };
    for (;;) {
        if (poll(fds, sizeof fds / sizeof *fds, service_timeout(service)) < 0 && errno != EINTR) {
            return fail("poll");
        }
        if (fds[1].revents || (fds[2].revents && stdin_ended())) {
            return 0;
        }
        service_run(service);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    int status;
    if (!options_read(&options, argc, argv, &status)) {
        return status;
    }
    pid_t parent = getppid();
    int signals = catch_signals();
    if (signals < 0) {
        return fail("signalfd");
    }
    if (options.with_parent && prctl(PR_SET_PDEATHSIG, SIGTERM)) {
        return fail("--with-parent");
    }
    if (options.with_parent && getppid() != parent) {
        return 0; /* it died before the request could take effect */
    }
    uint16_t port = options.port;
    int listener = listen_on(&port);
    if (listener < 0) {
        fprintf(stderr, "demo-server: cannot listen on 127.0.0.1:%u: %s\n", options.port,
                strerror(errno));
        return 1;
    }
    struct service *service = service_start(&options, listener, port);
    if (!service) {
        return fail("cannot start");
    }
    printf("listening on http://127.0.0.1:%u\n", port);
    status = fflush(stdout) ? fail("stdout") : serve(service, signals, options.until_eof);
    service_stop(service);
    close(signals);
    return status;
}
