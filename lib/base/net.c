/* base/net.c -- Linux behind net.h: epoll, an eventfd that wakes it, and the system's resolver. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- poller ---- */

int er_poller_open(er_poller *poller)
{
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    poller->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->fd >= 0 && poller->bell >= 0) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = poller->bell };
        if (!epoll_ctl(poller->fd, EPOLL_CTL_ADD, poller->bell, &event)) return 0;
    }
    int error = errno;
    er_poller_close(poller);
    return error;
}

void er_poller_close(er_poller *poller)
{
    if (poller->fd >= 0) close(poller->fd);
    if (poller->bell >= 0) close(poller->bell);
    poller->fd = poller->bell = -1;
}

int er_poller_set(er_poller *poller, int fd, unsigned was, unsigned what)
{
    struct epoll_event event = {
        .events = (what & ER_CAN_READ ? (uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP : 0) |
                  (what & ER_CAN_WRITE ? (uint32_t)EPOLLOUT : 0),
        .data.fd = fd
    };
    int op = was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (!what) op = EPOLL_CTL_DEL;
    return epoll_ctl(poller->fd, op, fd, &event) ? errno : 0;
}

int er_poller_wait(er_poller *poller, er_event *events, int most, int ms)
{
    struct epoll_event raw[64];
    int n = epoll_wait(poller->fd, raw, most < 64 ? most : 64, ms);
    for (int i = 0; i < n; i++) {
        uint32_t seen = raw[i].events;
        events[i].fd = raw[i].data.fd;
        events[i].what = (seen & (EPOLLIN | EPOLLRDHUP) ? (unsigned)ER_CAN_READ : 0) |
                         (seen & EPOLLOUT ? (unsigned)ER_CAN_WRITE : 0) |
                         (seen & (EPOLLERR | EPOLLHUP) ? (unsigned)ER_FAULT : 0);
        if (events[i].fd != poller->bell) continue;
        uint64_t rung;
        while (read(poller->bell, &rung, sizeof rung) < 0 && errno == EINTR) continue;
        events[i].fd = -1;
    }
    return n > 0 ? n : 0;
}

void er_poller_wake(er_poller *poller)
{
    uint64_t one = 1;
    while (write(poller->bell, &one, sizeof one) < 0 && errno == EINTR) continue;
}

/* ---- sockets and names ---- */

int er_socket(int family, int type, int protocol)
{
    return socket(family, type | SOCK_CLOEXEC, protocol);
}
void er_socket_shut(int fd) { shutdown(fd, SHUT_RDWR); }

bool er_socket_stands(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    return !getpeername(fd, (struct sockaddr *)&peer, &size);
}

/* Another thread may have reused the descriptor, which the inode shows: no race, but the thread
 * sanitizer reports one for fstat. */
uint64_t er_socket_identity(int fd)
{
    struct statx about;
    struct stat old;
    if (!syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO, &about)) return about.stx_ino;
    return errno == EBADF || fstat(fd, &old) ? 0 : old.st_ino; /* a sandbox may not know statx */
}

bool er_is_address(const char *host)
{
    unsigned char address[16];
    char bare[INET6_ADDRSTRLEN];
    size_t n = strlen(host);
    if (*host == '[' && n > 2 && host[n - 1] == ']' && n - 2 < sizeof bare) {
        memcpy(bare, host + 1, n - 2);
        bare[n - 2] = '\0';
        return inet_pton(AF_INET6, bare, address) == 1;
    }
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

void er_look_up(const char *name, er_addresses *out)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
    *out = (er_addresses){ .error = getaddrinfo(name, NULL, &hints, &list) };
    if (out->error) {
        out->system = errno;
        return;
    }
    size_t size = 0;
    for (struct addrinfo *at = list; at; at = at->ai_next) {
        char host[INET6_ADDRSTRLEN + 20]; /* a zone cannot be passed to curl and does not fit */
        if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST))
            continue;
        if (strchr(host, '%') || size + strlen(host) + 4 > sizeof out->text) continue;
        bool six = at->ai_family == AF_INET6;
        size += (size_t)snprintf(out->text + size, sizeof out->text - size, "%s%s%s%s",
                                 size ? "," : "", six ? "[" : "", host, six ? "]" : "");
    }
    freeaddrinfo(list);
    if (!size) out->error = EAI_NONAME;
}

const char *er_look_up_error(const er_addresses *addresses)
{
    return addresses->error == EAI_SYSTEM ? er_error_text(addresses->system)
                                          : gai_strerror(addresses->error);
}
