/* token_command.c -- the shell runs the command in a process group of its own, so that a cancel
 * ends whatever the shell has started, and Ctrl-C is errand's to handle.
 *
 *   spawn --> read, and look each LOOK_MS whether it was cancelled or has ended --> reap --> token
 *
 * It ends with its output, or with the shell where something in the background keeps that open. It
 * gets no standard input, and signals as they were when errand started: errand blocks some. What it
 * printed is in no message. */
#include "token_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS   50
#define LONGEST   ((size_t)64 << 10)
#define NO_STATUS (-1)

static errand_result failure(const char *what, const char *more)
{
    return errand_fail_as(EACCES, ERRAND_KIND_AUTH, -1, false, "the token command %s%s", what,
                          more);
}

static int spawn(const char *command, int out, pid_t *pid)
{
    char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)command, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    int error = posix_spawn_file_actions_init(&files);
    if (error) return error;
    error = posix_spawnattr_init(&how);
    if (!error) {
        error = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (!error) error = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
        posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigmask(&how, &none);
        posix_spawnattr_setsigdefault(&how, &usual);
        if (!error) error = posix_spawn(pid, "/bin/sh", &files, &how, argv, environ);
        posix_spawnattr_destroy(&how);
    }
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Reads what is there, but returns now and then. False: the end. */
static bool take(int fd, char *text, size_t *size)
{
    char rest[4096]; /* what is too long is read, so that the command can end */
    for (int i = 0; i < 64; i++) {
        bool room = *size < LONGEST;
        ssize_t got = room ? read(fd, text + *size, LONGEST - *size) : read(fd, rest, sizeof rest);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (room) *size += (size_t)got;
    }
    return true;
}

/* Until its output or the command itself ends. Returns its status, waited for; NO_STATUS: it is not
 * known. True in *stopped: it was cancelled. */
static int read_all(pid_t pid, int fd, char *text, size_t *size, bool *stopped)
{
    int status = NO_STATUS;
    bool ended = false, more = true;
    *stopped = false;
    while (more && !ended) {
        struct pollfd look = { fd, POLLIN, 0 };
        poll(&look, 1, LOOK_MS);
        ended = waitpid(pid, &status, WNOHANG) != 0; /* before the last look at what it printed */
        more = take(fd, text, size);
        *stopped = !ended && errand_cancelled() != ERRAND_BY_NONE;
        if (*stopped) break;
    }
    while (!ended) { /* its output is closed */
        *stopped = *stopped || errand_cancelled() != ERRAND_BY_NONE;
        if (*stopped) kill(-pid, SIGKILL);
        ended = waitpid(pid, &status, *stopped ? 0 : WNOHANG) != 0;
        if (!ended) poll(NULL, 0, LOOK_MS);
    }
    return status;
}

static errand_result outcome(int status, char *text, size_t size)
{
    if (status != NO_STATUS && WIFSIGNALED(status)) {
        const char *name = strsignal(WTERMSIG(status));
        return failure("was ended by a signal: ", name ? name : "unknown");
    }
    if (status != NO_STATUS && WEXITSTATUS(status)) {
        char number[16];
        snprintf(number, sizeof number, "%d", WEXITSTATUS(status));
        return failure("ended with status ", number);
    }
    char *end = memchr(text, '\n', size);
    if (!end && size == LONGEST) return failure("printed a line that is too long", "");
    size_t line = end ? (size_t)(end - text) : size;
    while (line && strchr(" \t\r", text[line - 1])) line--;
    if (!line) return failure("printed nothing", "");
    text[line] = '\0';
    return errand_ok(NULL, NULL);
}

errand_result token_command_run(void *command)
{
    int fds[2];
    pid_t pid = 0;
    bool stopped = false;
    size_t size = 0;
    char *text = malloc(LONGEST + 1);
    if (!text) return errand_fail(ENOMEM);
    if (pipe2(fds, O_CLOEXEC)) {
        free(text);
        return errand_fail(errno);
    }
    int error = spawn(command, fds[1], &pid);
    close(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    int status = error ? NO_STATUS : read_all(pid, fds[0], text, &size, &stopped);
    close(fds[0]);
    errand_result r;
    if (error) r = failure("cannot be run: ", errand_strerror(error));
    else if (stopped) r = errand_fail(ECANCELED);
    else r = outcome(status, text, size);
    if (!r.error) return errand_ok(text, free);
    free(text);
    return r;
}
