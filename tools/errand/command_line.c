/* command_line.c -- getopt_long with the arrays of the table; what it refuses is explained. */
#include "command_line.h"

#include "complain.h"
#include "given.h"
#include "help.h"
#include "nearest.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define LONG 256 /* getopt_long returns LONG + the row of an option, or the option's letter */

typedef struct forms { /* the table as getopt_long wants it */
    struct option longs[OPTIONS + 1];
    char letters[2 * OPTIONS + 2];
} forms;

static void forms_make(forms *f, command_id command)
{
    char *letter = f->letters;
    struct option *form = f->longs;
    *letter++ = ':'; /* distinguishes a missing value from an unknown option */
    for (int i = 0; i < OPTIONS; i++) {
        const option_row *row = &option_rows[i];
        int argument = row->value ? required_argument : no_argument;
        if (!option_is_of(row, command)) continue;
        *form++ = (struct option){ row->name, argument, NULL, LONG + i };
        if (!row->letter) continue;
        *letter++ = row->letter;
        if (row->value) *letter++ = ':';
    }
    *letter = '\0';
    *form = (struct option){ NULL, 0, NULL, 0 };
}

/* An option of other commands. */
static bool foreign(const option_row *row, command_id command)
{
    char others[80] = "";
    for (command_id id = 0; id < COMMANDS; id++) {
        size_t at = strlen(others);
        if (option_is_of(row, id))
            snprintf(others + at, sizeof others - at, "%s%s", at ? ", " : "",
                     command_rows[id].name);
    }
    return complain("option --%s is not one of errand %s, but of %s", row->name,
                    command_rows[command].name, others);
}

static const option_row *row_of(int flag) /* NULL: there is no such option */
{
    if (flag >= LONG) return &option_rows[flag - LONG];
    for (int i = 0; flag > 0 && i < OPTIONS; i++) {
        if (option_rows[i].letter == flag) return &option_rows[i];
    }
    return NULL;
}

static const option_row *row_named(const char *name, size_t size) /* NULL: there is none */
{
    for (int i = 0; i < OPTIONS; i++) {
        if (strlen(option_rows[i].name) == size && !strncmp(option_rows[i].name, name, size))
            return &option_rows[i];
    }
    return NULL;
}

static bool insecure(const char *word) /* which users of curl look for */
{
    return complain("there is no %s: trust the server's certificate with --cacert, or its key with "
                    "--pinned-pubkey",
                    word);
}

/* word is the argument that has the letter, the one behind it, or NULL. */
static bool unknown_letter(command_id command, int letter, const char *word)
{
    if (letter == 'k') return insecure("-k");
    size_t size = word && word[0] == '-' ? strcspn(word + 1, "=") : 0;
    const option_row *meant = size ? row_named(word + 1, size) : NULL, *same = row_of(letter);
    if (meant) return complain("unknown option -%s: did you mean --%s?", meant->name, meant->name);
    if (same) return foreign(same, command);
    if (letter <= ' ' || letter > '~') return complain("unknown option: it is no letter");
    const option_row *other = row_of(letter ^ 0x20); /* the other case */
    if (!other) return complain("unknown option -%c", letter);
    return complain("unknown option -%c: did you mean -%c, --%s?", letter, other->letter,
                    other->name);
}

/* "--jbos=3": unknown, of another command, or the beginning of several */
static bool unknown_word(command_id command, const char *word)
{
    if (!strcmp(word, "--insecure")) return insecure(word);
    er_nearest near = { .word = word + 2, .size = strcspn(word + 2, "=") };
    char several[256] = "";
    int named = 0;
    const option_row *exactly = row_named(near.word, near.size);
    if (exactly) return foreign(exactly, command);
    for (int i = 0; i < OPTIONS; i++) {
        if (!option_is_of(&option_rows[i], command)) continue;
        er_nearest_offer(&near, option_rows[i].name);
        size_t at = strlen(several);
        const char *name = option_rows[i].name;
        if (strncmp(name, near.word, near.size)) continue;
        snprintf(several + at, sizeof several - at, "%s--%s", named++ ? ", " : "", name);
    }
    int shown = near.size < 60 ? (int)near.size : 60;
    if (named > 1) return complain("ambiguous option --%.*s: %s", shown, near.word, several);
    if (!near.name) return complain("unknown option --%.*s", shown, near.word);
    return complain("unknown option --%.*s: did you mean --%s?", shown, near.word, near.name);
}

static bool refuse(command_id command, int flag, char **argv)
{
    const option_row *row = row_of(optopt);
    bool letter = optopt && optopt < LONG;
    if (flag == ':' && letter) return complain("option -%c wants a value, %s", optopt, row->value);
    if (flag == ':') return complain("option --%s wants a value, %s", row->name, row->value);
    if (letter)
        return unknown_letter(command, optopt, argv[optind]); /* optind has not passed the word */
    if (row) return complain("option --%s takes no value", row->name);
    return unknown_word(command, argv[optind - 1]);
}

/* The command line, as a list. False: end with *status, all has been said. */
bool command_line_read(run_options *o, int argc, char **argv, int *status)
{
    forms f;
    forms_make(&f, o->command_id);
    opterr = 0;
    optind = 1;
    for (int flag; (flag = getopt_long(argc, argv, f.letters, f.longs, NULL)) != -1;) {
        const option_row *row = flag == '?' || flag == ':' ? NULL : row_of(flag);
        if (!row) return refuse(o->command_id, flag, argv);
        option_id id = (option_id)(row - option_rows);
        if (id == OPTION_HELP || id == OPTION_VERSION) {
            if (id == OPTION_HELP) help_command(o->command_id);
            *status = id == OPTION_HELP ? 0 : -1;
            return false;
        }
        char name[32];
        snprintf(name, sizeof name, "--%s", row->name);
        if (!given_add(o->given, id, GIVEN_COMMAND, name, optarg)) return false;
    }
    o->words = argv + 1;
    o->n_words = optind - 1;
    if (optind > 1 && !strcmp(argv[optind - 1], "--")) o->n_words--;
    if (optind < argc) o->files = (const char *const *)(argv + optind);
    return true;
}
