/* main.c -- errand: finds the command, and explains the commands. */
#include "help.h"
#include "nearest.h"
#include "option_table.h"
#include "retry.h"
#include "run.h"

#include <errand-http.h>

#include <stdio.h>
#include <string.h>

static const struct command {
    int (*main)(int argc, char **argv); /* -1: show the version */
    void (*help)(void);
} commands[COMMANDS] = {
    [COMMAND_RUN] = { run_main, help_run },
    [COMMAND_RETRY] = { retry_main, help_retry },
};

static int version(void)
{
    printf("errand %s\n%s\n%s\n", errand_version(), errand_features(), errand_http_features());
    return 0;
}

/* Help or a version that cannot be written is an error. */
static int shown(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fputs("errand: cannot write to standard output\n", stderr);
    return 4;
}

static const struct command *find(const char *name)
{
    er_nearest near = { .word = name, .size = strlen(name) };
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(command_rows[i].name, name)) return &commands[i];
        er_nearest_offer(&near, command_rows[i].name);
    }
    er_nearest_offer(&near, "help");
    fprintf(stderr, "errand: unknown command \"%.60s\"", name);
    if (near.name) fprintf(stderr, ": did you mean %s?", near.name);
    fputs("; see \"errand --help\"\n", stderr);
    return NULL;
}

/* An option that is not of errand itself stands before the command. */
static int refuse(const char *word)
{
    er_nearest near = { .word = word + 2, .size = word[1] == '-' ? strcspn(word + 2, "=") : 0 };
    for (int i = 0; i < OPTIONS; i++) {
        const option_row *row = &option_rows[i];
        bool same = near.size == strlen(row->name) && !strncmp(row->name, near.word, near.size);
        if (word[1] != '-') same = row->letter && word[1] == row->letter;
        if (same) {
            fprintf(stderr,
                    "errand: option %.60s goes after the command: errand run %.60s; see "
                    "\"errand --help\"\n",
                    word, word);
            return 2;
        }
        if (row->group == GROUP_ABOUT) er_nearest_offer(&near, row->name);
    }
    fprintf(stderr, "errand: unknown option %.60s", word);
    if (near.name) fprintf(stderr, ": did you mean --%s?", near.name);
    fputs("; see \"errand --help\"\n", stderr);
    return 2;
}

static int explain(const char *name) /* NULL: all of errand */
{
    const struct command *command = NULL;
    if (name && strcmp(name, "help")) {
        command = find(name);
        if (!command) return 2;
    }
    if (command) command->help();
    else help_overview();
    return shown(0);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) return explain(NULL);
    if (!strcmp(word, "help")) return explain(argc > 2 ? argv[2] : NULL);
    if (!strcmp(word, "--version")) return shown(version());
    if (!*word) {
        fputs("errand: a command is wanted; see \"errand --help\"\n", stderr);
        return 2;
    }
    if (word[0] == '-') return refuse(word);
    const struct command *command = find(word);
    if (!command) return 2;
    int status = command->main(argc - 1, argv + 1);
    return status == -1 ? shown(version()) : shown(status);
}
