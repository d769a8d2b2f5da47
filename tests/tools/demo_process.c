/* The demo server as a process: its flags, and that it ends when it should. */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/client.h"
#include "tools/demo_process.h"

enum { WAIT_MS = 20000 };

/* Runs the server with stdin from /dev/null and the rest into a pipe, from which it
 * returns the reading end. */
static int spawn(const char *const *flags, pid_t *pid)
{
    const char *path = getenv("ERRAND_DEMO_SERVER");
    const char *argv[16] = { "demo-server" };
    int pipes[2];
    path = path ? path : "./tools/demo-server/demo-server";
    for (size_t i = 0; flags[i]; i++) {
        argv[1 + i] = flags[i];
    }
    ck_assert_int_eq(pipe(pipes), 0);
    *pid = fork();
    if (*pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execv(path, (char *const *)(void *)argv);
        _exit(127);
    }
    close(pipes[1]);
    return pipes[0];
}

/* Reads fd to its end, or its first line. */
static void read_text(int fd, char *text, size_t room, bool one_line)
{
    size_t length = 0;
    while (length + 1 < room) {
        struct pollfd pollfd = { .fd = fd, .events = POLLIN };
        ck_assert_int_eq(poll(&pollfd, 1, WAIT_MS), 1);
        if (read(fd, text + length, 1) != 1) {
            break;
        }
        if (text[length++] == '\n' && one_line) {
            break;
        }
    }
    text[length] = '\0';
}

START_TEST(bad_flags_are_named)
{
    static const struct {
        const char *flags[5];
        const char *said;
    } cases[] = {
        { { "--fail-503", "1.5" }, "--fail-503: '1.5' is not a fraction from 0 to 1" },
        { { "--faults", "nan" }, "--faults: 'nan' is not a fraction" },
        { { "--port", "65536" }, "--port: '65536' is not a whole number from 0 to 65535" },
        { { "--retry-after", "0.5" }, "--retry-after: '0.5' is not a whole number" },
        { { "--delay-ms", "-1" }, "--delay-ms: '-1' is not a whole number" },
        { { "--seed", "-1" }, "--seed: '-1' is not a whole number" },
        { { "--fail-503", "0.6", "--drop-before", "0.6" }, "add up to 1.2" },
        { { "--colour" }, "--colour" },
        { { "more" }, "unexpected argument 'more'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char said[2000];
        pid_t pid;
        int status, fd = spawn(cases[i].flags, &pid);
        read_text(fd, said, sizeof said, false);
        close(fd);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 2);
        assert_has(said, cases[i].said);
    }
}
END_TEST

START_TEST(help_names_every_flag)
{
    static const char *const flags[] = {
        "--port",
        "--seed",
        "--delay-ms",
        "--delay-spread-ms",
        "--fail-503",
        "--fail-429",
        "--drop-unprocessed",
        "--drop-before",
        "--drop-middle",
        "--slow-body",
        "--wrong-type",
        "--faults",
        "--slow-ms",
        "--retry-after",
        "--polls",
        "--operation-ms",
        "--limit",
        "--with-parent",
        "--until-eof",
        "--verbose",
        "--quiet"
    };
    char said[8000];
    pid_t pid;
    int status, fd = spawn(FLAGS("--help"), &pid);
    read_text(fd, said, sizeof said, false);
    close(fd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_has(said, flags[i]);
    }
}
END_TEST

START_TEST(a_port_in_use_is_reported)
{
    char port[8], said[400];
    pid_t pid;
    int status;
    start_demo(NULL);
    snprintf(port, sizeof port, "%u", demo.port);
    int fd = spawn(FLAGS("--port", port), &pid);
    read_text(fd, said, sizeof said, false);
    close(fd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_has(said, "cannot listen on 127.0.0.1:");
    assert_has(said, "in use");
    stop_demo();
}
END_TEST

START_TEST(a_signal_ends_the_server_while_requests_wait)
{
    static const int signals[] = { SIGTERM, SIGINT };
    static struct answer answers[2];
    struct call call = { .path = "/generate", .body = order_for("v") };
    start_demo(FLAGS("--delay-ms", "3600000"));
    ask_together((struct call[]){ call, call }, answers, 2, signals[_i]);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_ne(answers[i].code, CURLE_OK);
        ck_assert_str_eq(answers[i].head, "");
    }
}
END_TEST

START_TEST(the_server_ends_with_its_stdin)
{
    int status;
    start_demo(NULL);
    close(demo.life);
    ck_assert_int_eq(waitpid(demo.pid, &status, 0), demo.pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(the_server_ends_with_its_parent)
{
    char said[200];
    int pipes[2], status;
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* to wait for the orphan */
    pid_t parent = fork();
    if (parent == 0) {
        pid_t pid;
        char line[80];
        int fd = spawn(FLAGS("--with-parent", "--delay-ms", "0"), &pid);
        read_text(fd, line, sizeof line, true);
        if (write(pipes[1], line, strlen(line)) < 0) {
            _exit(1);
        }
        pause(); /* until the test kills it */
        _exit(1);
    }
    close(pipes[1]);
    read_text(pipes[0], said, sizeof said, true);
    assert_has(said, "listening on http://127.0.0.1:");
    kill(parent, SIGKILL);
    ck_assert_int_eq(waitpid(parent, &status, 0), parent);
    /* the pipe ends when the server, which has it too, is gone */
    read_text(pipes[0], said, sizeof said, false);
    ck_assert_str_eq(said, "");
    close(pipes[0]);
    ck_assert_int_gt(wait(&status), 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

void add_process_tests(Suite *suite)
{
    TCase *process = tcase_create("process");
    tcase_add_test(process, bad_flags_are_named);
    tcase_add_test(process, help_names_every_flag);
    tcase_add_test(process, a_port_in_use_is_reported);
    tcase_add_loop_test(process, a_signal_ends_the_server_while_requests_wait, 0, 2);
    tcase_add_test(process, the_server_ends_with_its_stdin);
    tcase_add_test(process, the_server_ends_with_its_parent);
    suite_add_tcase(suite, process);
}
