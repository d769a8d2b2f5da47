/* main.c -- errand: the commands, and what is said about them. */
#include "options.h"
#include "run.h"

#include <errand-http.h>

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name, *what;
    int (*main)(int argc, char **argv); /* -1: tell the version */
    void (*help)(void);
} commands[] = {
    { "run", "send requests given as JSON Lines, write results as JSON Lines", run_main, run_help },
};
#define COMMANDS (sizeof commands / sizeof *commands)

static int help(void)
{
    fputs("errand: web requests by the thousand: so many at once, tried again where that is safe, each accounted for.\n"
          "\n"
          "Usage: errand COMMAND [OPTION]... [FILE]...\n"
          "\n", stdout);
    for (size_t i = 0; i < COMMANDS; i++) printf("  %-8s %s\n", commands[i].name, commands[i].what);
    fputs("  help     errand help COMMAND explains a command\n"
          "\n"
          "  -h, --help     show this\n"
          "      --version  show the version and what is in it\n", stdout);
    return 0;
}

static int version(void)
{
    printf("errand %s\n%s\n%s\n", errand_version(), errand_features(), errand_http_features());
    return 0;
}

/* What was asked for and could not be shown was not shown. */
static int shown(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fputs("errand: cannot write to standard output\n", stderr);
    return 4;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(commands[i].name, name)) return &commands[i];
    }
    fprintf(stderr, "errand: unknown command \"%.60s\"\nTry \"errand --help\".\n", name);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || (!strcmp(word, "help") && argc == 2)) return shown(help());
    if (!strcmp(word, "--version")) return shown(version());
    if (!*word) {
        fputs("errand: a command is wanted\nTry \"errand --help\".\n", stderr);
        return 2;
    }
    if (word[0] == '-') {
        fprintf(stderr, "errand: unknown option %.60s before the command\nTry \"errand --help\".\n", word);
        return 2;
    }
    bool explain = !strcmp(word, "help");
    const struct command *command = find(explain ? argv[2] : word);
    if (!command) return 2;
    if (explain) {
        command->help();
        return shown(0);
    }
    int status = command->main(argc - 1, argv + 1);
    return status == -1 ? shown(version()) : shown(status);
}
