#include "forked.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void in_child(int (*body)(void))
{
    pid_t pid = fork();
    if (!pid) {
        alarm(LONG_MS / 1000);
        _exit(body());
    }
    ck_assert_int_ge(pid, 0);
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "the child was ended by signal %d", WTERMSIG(status));
    ck_assert_msg(WEXITSTATUS(status) == 0, "step %d", WEXITSTATUS(status));
}

static int letters_in[2]; /* a pipe */
static pid_t parent, child;

void fork_here(void *unused)
{
    (void)unused;
    pid_t pid = fork();
    if (pid) child = pid;
}

static void note(void)
{
    ck_assert_int_eq(write(letters_in[1], getpid() == parent ? "p" : "c", 1), 1);
}

errand_result note_run(void *arg)
{
    note();
    return errand_ok(arg, NULL);
}

errand_result note_then(errand_result in, void *arg)
{
    (void)arg;
    note();
    return in;
}

void only_parent_runs(errand_pool *(*open_and_run)(void), const char *letters)
{
    parent = getpid();
    ck_assert_int_eq(pipe(letters_in), 0);
    close_pool(open_and_run());
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 127);
    char seen[16] = "";
    close(letters_in[1]);
    ck_assert_int_eq(read(letters_in[0], seen, sizeof seen - 1), (ssize_t)strlen(letters));
    ck_assert_str_eq(seen, letters);
    close(letters_in[0]);
}
