/* help.c -- the options as the table has them, in two columns that a terminal of 80 columns holds.
 * What limits speed and cost stands on the first screen of 24 lines. */
#include "help.h"

#include "option_table.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 79

/* Words from `column` on; lines after the first begin at `indent`. */
static void put_wrapped(const char *text, size_t column, size_t indent)
{
    bool begun = false;
    while (*text) {
        size_t size = strcspn(text, " ");
        if (begun && column + 1 + size > WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
            begun = false;
        }
        printf("%s%.*s", begun ? " " : "", (int)size, text);
        column += size + begun;
        begun = true;
        text += size;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void left_of(const option_row *row, char *left, size_t size)
{
    char letter[] = "    ";
    if (row->letter) snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(left, size, "  %s--%s%s%s", letter, row->name, row->value ? " " : "",
             row->value ? row->value : "");
}

static size_t text_column(void) /* the same for all groups */
{
    size_t most = 0;
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[64];
        left_of(&option_rows[i], left, sizeof left);
        if (strlen(left) > most) most = strlen(left);
    }
    return most + 2;
}

static void put_option(const option_row *row, size_t column)
{
    char left[64], text[256];
    left_of(row, left, sizeof left);
    if (row->initial) snprintf(text, sizeof text, "%s (default: %s)", row->help, row->initial);
    else snprintf(text, sizeof text, "%s", row->help);
    printf("%-*s", (int)column, left);
    put_wrapped(text, column, column);
}

static void put_group(option_group group, command_id command)
{
    size_t shown = 0;
    for (size_t i = 0; i < OPTIONS; i++) {
        if (option_rows[i].group != group || !option_is_of(&option_rows[i], command)) continue;
        if (!shown++) printf("%s:\n", group_rows[group].title);
        put_option(&option_rows[i], text_column());
    }
    if (!shown) return;
    if (group_rows[group].note) {
        fputs("  ", stdout);
        put_wrapped(group_rows[group].note, 2, 2);
    }
    putchar('\n');
}

void help_overview(void)
{
    fputs("Usage: errand COMMAND [OPTION]... [FILE]...\n"
          "\n"
          "Sends HTTP requests by the thousand: a limited number at a time, repeated only\n"
          "where that is safe, and with exactly one result for each.\n"
          "\n"
          "Commands:\n",
          stdout);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-8s  %s\n", command_rows[i].name, command_rows[i].help);
    fputs("  help      explain a command: errand help run\n"
          "\n",
          stdout);
    put_group(GROUP_ABOUT, COMMAND_RUN);
    fputs("Try it with the first ten of your jobs:\n"
          "\n"
          "  head jobs.jsonl | errand run -j 4 --rate 2/s --retries 3 >results.jsonl\n"
          "\n"
          "A job is a line such as {\"url\": \"https://example.com/\", \"timeout\": \"10s\"}.\n"
          "\"errand run --help\" has the options, errand(1) and errand-jobs(5) the rest.\n",
          stdout);
}

static void help_run(void)
{
    fputs(
        "Usage: errand run [OPTION]... [FILE]...\n"
        "\n"
        "Reads a job from each line of FILE (none or \"-\": standard input), sends it as\n"
        "an HTTP request, and writes exactly one result line for it to standard output.\n"
        "  {\"url\": \"https://example.com/v\", \"json\": {\"n\": 1}, \"idempotency_key\": true}\n"
        "FILE may also be a list of urls, a CSV, or a file for OpenAI's batch API.\n"
        "\n",
        stdout);
    for (option_group group = 0; group < GROUPS; group++) put_group(group, COMMAND_RUN);
    fputs("Keys of a job: url (the only one that must be there), id, method, headers,\n"
          "params, one of json, body and body_file, timeout, retries, idempotent,\n"
          "idempotency_key, save_to, meta.\n"
          "\n"
          "Failures to connect, lost connections, timeouts and the statuses 408 425 429\n"
          "500 502 503 504 522 524 are tried again, after a growing random wait and never\n"
          "before a Retry-After. What the server may have begun is repeated only if the\n"
          "method (GET HEAD OPTIONS TRACE PUT DELETE), a key or \"idempotent\" allows it;\n"
          "425 and 429 say that it has begun nothing, so any job is repeated after them.\n"
          "\n"
          "The first Ctrl-C begins no more jobs and finishes those in flight, the second\n"
          "cancels them, the third ends errand at once.\n"
          "\n"
          "Exit status: 0 all jobs succeeded, 1 some failed, 2 wrong usage, 3 bad input,\n"
          "4 results cannot be written, 5 halted, 130 interrupted; of several the first in\n"
          "the order 130 4 5 3 1. errand(1) and errand-jobs(5) have the details.\n",
          stdout);
}

static void help_retry(void)
{
    fputs("Usage: errand retry [OPTION]... RESULTS\n"
          "\n"
          "Sends the jobs again that failed in the run which wrote RESULTS (errand run -o\n"
          "RESULTS), and those that it did not come to; their new results are appended,\n"
          "and the last result of a job counts. Options and files are those of that run,\n"
          "from RESULTS.journal; options given here go before them. Headers are not in\n"
          "the journal, as they may be secrets: give them again. What the server may have\n"
          "done, and may not do twice, is left alone.\n"
          "\n"
          "  errand retry --retry-failed timeout,network --timeout 10m results.jsonl\n"
          "\n"
          "\"errand run --help\" has the options.\n",
          stdout);
}

static void help_plan(void)
{
    fputs("Usage: errand plan [OPTION]... [FILE]...\n"
          "\n"
          "Reads what errand run reads with the same options, and sends nothing: change\n"
          "the word run to plan. It says how many jobs there are, where they go, which of\n"
          "them are not harmless to repeat, which ids occur twice, and how long they take\n"
          "at the rate that is given. Bad lines are reported as in a run, the first 20 of\n"
          "them. With -o RESULTS --resume it counts what is done already, and changes\n"
          "nothing.\n"
          "\n"
          "  errand plan --rate 600/m jobs.jsonl\n"
          "  errand plan --show 1 --curl jobs.jsonl | sh\n"
          "\n",
          stdout);
    put_group(GROUP_PLAN, COMMAND_PLAN);
    fputs("\"errand run --help\" has the other options.\n"
          "\n"
          "Exit status: 0 all lines are jobs, 2 wrong usage, 3 a line is no job or a file\n"
          "cannot be read, 4 the results of -o would end a run, or nothing can be written.\n",
          stdout);
}

static void help_try(void)
{
    fputs("Usage: errand try [OPTION]... FILE:LINE\n"
          "       errand try [OPTION]... URL\n"
          "\n"
          "Sends the job in this line of FILE, or a request to URL, as errand run would\n"
          "with the same options, but once: it is repeated only if --retries is given\n"
          "here, or after a 401 with --token-command. The body of the reply goes to\n"
          "standard output, JSON indented; request, connection, times, the head of the\n"
          "reply and what a run would do next go to standard error. No results, files or\n"
          "logs are written. The request is a real one.\n"
          "\n"
          "  errand try jobs.jsonl:17\n"
          "  errand try -X POST --json '{\"n\": 1}' https://api.example.com/v1/items\n"
          "\n",
          stdout);
    put_group(GROUP_PLAN, COMMAND_TRY);
    fputs("\"errand run --help\" has the other options; those about results are refused.\n"
          "\n"
          "Exit status: 0 it succeeded, 1 it failed, 2 wrong usage, 3 the line is no job,\n"
          "4 standard output cannot be written.\n",
          stdout);
}

void help_command(command_id command)
{
    switch (command) {
    case COMMAND_RETRY: help_retry(); break;
    case COMMAND_PLAN: help_plan(); break;
    case COMMAND_TRY: help_try(); break;
    default: help_run(); break;
    }
}
