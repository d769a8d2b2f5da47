/* main.c -- errand: finds the command, and explains the commands. */
#include "help.h"
#include "nearest.h"
#include "option_table.h"
#include "plan.h"
#include "retry.h"
#include "run.h"
#include "try.h"

#include <errand-http.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int (*const mains[COMMANDS])(
    int argc, char **argv) = { /* -1: show the version */
                               [COMMAND_RUN] = run_main,
                               [COMMAND_RETRY] = retry_main,
                               [COMMAND_PLAN] = plan_main,
                               [COMMAND_TRY] = try_main
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

static command_id find(const char *name) /* COMMANDS: there is none, and that has been said */
{
    command_id id = command_named(name);
    if (id < COMMANDS) return id;
    er_nearest near = { .word = name, .size = strlen(name) };
    for (size_t i = 0; i < COMMANDS; i++) er_nearest_offer(&near, command_rows[i].name);
    er_nearest_offer(&near, "help");
    fprintf(stderr, "errand: unknown command \"%.60s\"", name);
    if (near.name) fprintf(stderr, ": did you mean %s?", near.name);
    fputs("; see \"errand --help\"\n", stderr);
    return COMMANDS;
}

static const char *command_with(const option_row *row)
{
    command_id id = 0;
    while (id + 1 < COMMANDS && !option_is_of(row, id)) id++;
    return command_rows[id].name;
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
                    "errand: option %.60s goes after the command: errand %s %.60s; see "
                    "\"errand --help\"\n",
                    word, command_with(row), word);
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
    bool overview = !name || !strcmp(name, "help");
    command_id id = overview ? COMMANDS : find(name);
    if (!overview && id == COMMANDS) return 2;
    if (overview) help_overview();
    else help_command(id);
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
    command_id id = find(word);
    if (id == COMMANDS) return 2;
    int status = mains[id](argc - 1, argv + 1);
    return status == -1 ? shown(version()) : shown(status);
}
