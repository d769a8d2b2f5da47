/* signals.c -- the signals are blocked everywhere and read from a descriptor, so that what
 * they cause runs on an ordinary thread, at once, whatever the others do. A SIGINT that
 * was ignored when errand started stays ignored: that is how a shell protects what it
 * started in the background. */
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_hold(signals *s)
{
    sigset_t set;
    struct sigaction was;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (!sigaction(SIGINT, NULL, &was) && was.sa_handler != SIG_IGN) sigaddset(&set, SIGINT);
    *s = (signals){ .fd = -1, .quit = -1 };
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error) return error;
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->fd < 0 ? errno : 0;
}

static void *wait_for_them(void *arg)
{
    signals *s = arg;
    for (;;) {
        struct pollfd fds[2] = { { s->fd, POLLIN, 0 }, { s->quit, POLLIN, 0 } };
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return NULL;
        struct signalfd_siginfo info;
        while (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info) {
            s->on(__atomic_add_fetch(&s->count, 1, __ATOMIC_SEQ_CST), s->arg);
        }
        if (fds[1].revents) return NULL;
    }
}

bool signals_wait_there(const signals *s)
{
    struct pollfd look = { s->fd, POLLIN, 0 };
    return poll(&look, 1, 0) > 0;
}

int signals_begin(signals *s, void (*on)(unsigned count, void *arg), void *arg)
{
    s->on = on;
    s->arg = arg;
    s->quit = eventfd(0, EFD_CLOEXEC);
    if (s->quit < 0) return errno;
    int error = pthread_create(&s->thread, NULL, wait_for_them, s);
    if (error) {
        close(s->quit);
        s->quit = -1;
    }
    return error;
}

unsigned signals_end(signals *s)
{
    if (s->quit >= 0) {
        uint64_t one = 1;
        while (write(s->quit, &one, sizeof one) < 0 && errno == EINTR) continue;
        pthread_join(s->thread, NULL);
        close(s->quit);
    }
    if (s->fd >= 0) close(s->fd);
    s->fd = s->quit = -1;
    return __atomic_load_n(&s->count, __ATOMIC_SEQ_CST);
}
