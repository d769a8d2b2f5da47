/* Every trial is a fork of a process that has never had a second thread: nothing of one
 * side (threads, a heap in pieces, pages that are there already, libuv's pool that is made
 * only once) is there for the next. Freed memory is kept, so that after the warm-up no side
 * pays for pages again. */
#include "trial.h"

#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MS = 120000 };

static void run_child(int fd, const bench_side *side, load_fn *load, const load_size *size)
{
    load_run run = { .cost = 0 };
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_TOP_PAD, 1 << 20);
    const bool could = load(side, size, &run);
    if (could && write(fd, &run, sizeof run) != (ssize_t)sizeof run) _exit(1);
    _exit(could ? 0 : 2);
}

bool trial(const bench_side *side, load_fn *load, const load_size *size, load_run *run)
{
    int fds[2];
    if (pipe(fds) != 0) return false;
    const pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        run_child(fds[1], side, load, size);
    }
    close(fds[1]);
    struct pollfd ready = { .fd = fds[0], .events = POLLIN };
    const bool in_time = child > 0 && poll(&ready, 1, LIMIT_MS) == 1;
    const bool done = in_time && read(fds[0], run, sizeof *run) == (ssize_t)sizeof *run;
    close(fds[0]);
    if (child > 0) {
        if (!in_time) kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return done;
}
