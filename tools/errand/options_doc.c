/* options_doc.c -- what else is made from the table of options: the completions of three shells and
 * the OPTIONS of errand(1).
 *
 * It runs while errand is built, on the machine that builds, so it needs nothing but C and the
 * table. Nothing that it writes needs more than its shell: no package bash-completion, no generated
 * cache. `list` is for tests: name, letter or "-", value or "-",
 * commands. */
#include "option_table.h"

#include <stdio.h>
#include <string.h>

/* ---- text in the forms of the shells and of mdoc ---- */

/* `special` characters get a backslash; a quotation mark of '...' becomes '\''. */
static void put_quoted(const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'') fputs("'\\'", stdout);
        else if (strchr(special, *text)) putchar('\\');
        putchar(*text);
    }
}

static void put_help(const option_row *row, const char *special)
{
    put_quoted(row->help, special);
    if (!row->initial) return;
    fputs(" (default", stdout);
    put_quoted(": ", special);
    put_quoted(row->initial, special);
    putchar(')');
}

/* Options before a command; those of a command have them, too. */
static bool anywhere(const option_row *row) { return row->group == GROUP_ABOUT; }

static void put_commands(void)
{
    for (int i = 0; i < COMMANDS; i++) printf("%s ", command_rows[i].name);
}

/* ---- bash ---- */

/* command COMMANDS: the options before a command. */
static void bash_words(command_id command)
{
    for (int i = 0; i < OPTIONS; i++) {
        const option_row *row = &option_rows[i];
        if (command == COMMANDS ? !anywhere(row) : !option_is_of(row, command)) continue;
        if (row->letter) printf("-%c ", row->letter);
        printf("--%s ", row->name);
    }
}

static void bash_values(void) /* what stands behind an option that takes a value */
{
    for (int i = 0; i < OPTIONS; i++) {
        const option_row *row = &option_rows[i];
        if (!row->value) continue;
        fputs("    ", stdout);
        if (row->letter) printf("-%c | ", row->letter);
        printf("--%s) ", row->name);
        if (row->choices) printf("COMPREPLY=($(compgen -W '%s' -- \"$cur\")); ", row->choices);
        else if (row->file) fputs("_errand_files \"$cur\"; ", stdout);
        fputs("return ;;\n", stdout);
    }
}

static void bash(void)
{
    fputs("# Completions of errand for bash, made by options-doc.\n"
          "_errand_files() {\n"
          "    compopt -o filenames 2>/dev/null # there is no completion under way where a test "
          "calls this\n"
          "    mapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
          "}\n"
          "_errand() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i\n"
          "    COMPREPLY=()\n"
          "    if [[ $cur = = ]]; then # --option=\n"
          "        cur=\n"
          "    elif [[ $prev = = && $COMP_CWORD -gt 1 ]]; then # --option=value\n"
          "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    fi\n"
          "    if [[ $COMP_CWORD -eq 1 ]]; then\n"
          "        COMPREPLY=($(compgen -W '",
          stdout);
    put_commands();
    fputs("help ", stdout);
    bash_words(COMMANDS);
    fputs("' -- \"$cur\"))\n"
          "        return\n"
          "    fi\n"
          "    if [[ ${COMP_WORDS[1]} = help ]]; then\n"
          "        [[ $COMP_CWORD -gt 2 ]] || COMPREPLY=($(compgen -W '",
          stdout);
    put_commands();
    fputs("' -- \"$cur\"))\n"
          "        return\n"
          "    fi\n"
          "    [[ ${COMP_WORDS[1]} != -* ]] || return\n"
          "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
          "        [[ ${COMP_WORDS[i]} = -- ]] && _errand_files \"$cur\" && return\n"
          "    done\n"
          "    case $prev in\n",
          stdout);
    bash_values();
    fputs("    esac\n"
          "    if [[ $cur = -* ]]; then\n"
          "        case ${COMP_WORDS[1]} in\n",
          stdout);
    for (command_id id = 0; id < COMMANDS; id++) {
        printf("        %s) COMPREPLY=($(compgen -W '", command_rows[id].name);
        bash_words(id);
        fputs("' -- \"$cur\")) ;;\n", stdout);
    }
    fputs("        esac\n"
          "    else\n"
          "        _errand_files \"$cur\"\n"
          "    fi\n"
          "}\n"
          "complete -F _errand errand\n",
          stdout);
}

/* ---- zsh ---- */

static void zsh_option(const option_row *row)
{
    fputs("        ", stdout);
    if (anywhere(row)) fputs("'(- *)'", stdout);
    else if (row->repeats) fputs("'*'", stdout);
    else if (row->letter) printf("'(-%c --%s)'", row->letter, row->name);
    const char *apart = row->value ? "=" : "";
    if (row->letter)
        printf("{-%c%s,--%s%s}'[", row->letter, row->value ? "+" : "", row->name, apart);
    else printf("'--%s%s[", row->name, apart);
    put_help(row, "\\[]");
    putchar(']');
    if (row->value) {
        printf(":%s:", row->value);
        if (row->choices) printf("(%s)", row->choices);
        else fputs(row->file ? "_files" : " ", stdout);
    }
    fputs("' \\\n", stdout);
}

static void zsh_command(command_id id)
{
    printf("_errand_%s() {\n    _arguments -s -S \\\n", command_rows[id].name);
    for (int i = 0; i < OPTIONS; i++) {
        if (option_is_of(&option_rows[i], id)) zsh_option(&option_rows[i]);
    }
    fputs("        '*:file of jobs:_files'\n"
          "}\n",
          stdout);
}

static void zsh(void)
{
    fputs("#compdef errand\n"
          "# Completions of errand for zsh, made by options-doc.\n",
          stdout);
    for (command_id id = 0; id < COMMANDS; id++) zsh_command(id);
    fputs("_errand_commands() {\n"
          "    local -a commands\n"
          "    commands=(",
          stdout);
    for (int i = 0; i < COMMANDS; i++) {
        printf("'%s:", command_rows[i].name);
        put_quoted(command_rows[i].help, "\\:");
        fputs("' ", stdout);
    }
    fputs("'help:explain a command')\n"
          "    _describe command commands\n"
          "}\n"
          "_errand() {\n"
          "    local curcontext=$curcontext state line\n"
          "    typeset -A opt_args\n"
          "    _arguments -C \\\n",
          stdout);
    for (int i = 0; i < OPTIONS; i++) {
        if (anywhere(&option_rows[i])) zsh_option(&option_rows[i]);
    }
    fputs("        '1: :_errand_commands' \\\n"
          "        '*:: :->words'\n"
          "    [[ $state = words ]] || return\n"
          "    case $words[1] in\n",
          stdout);
    for (int i = 0; i < COMMANDS; i++)
        printf("    %s) _errand_%s ;;\n", command_rows[i].name, command_rows[i].name);
    fputs("    help) _arguments '1:command:(", stdout);
    put_commands();
    fputs(
        ")' ;;\n"
        "    esac\n"
        "}\n"
        "if [[ $funcstack[1] = _errand ]]; then _errand \"$@\"; else compdef _errand errand; fi\n",
        stdout);
}

/* ---- fish ---- */

static void fish_option(const option_row *row, const char *condition)
{
    printf("complete -c errand -n '%s'", condition);
    if (row->letter) printf(" -s %c", row->letter);
    printf(" -l %s", row->name);
    if (row->value) fputs(row->file ? " -r -F" : " -x", stdout);
    if (row->choices) printf(" -a '%s'", row->choices);
    fputs(" -d '", stdout);
    put_help(row, "\\");
    fputs("'\n", stdout);
}

/* Adds the commands that have this option, NULL: all, to a condition. */
static void fish_commands(const option_row *row, char *condition, size_t size)
{
    for (command_id id = 0; id < COMMANDS; id++) {
        size_t at = strlen(condition);
        if (!row || option_is_of(row, id))
            snprintf(condition + at, size - at, " %s", command_rows[id].name);
    }
    size_t at = strlen(condition);
    snprintf(condition + at, size - at, "; and not __fish_seen_subcommand_from help");
}

static void fish(void)
{
    const char *first = "__fish_use_subcommand";
    fputs("# Completions of errand for fish, made by options-doc.\n"
          "complete -c errand -f\n",
          stdout);
    for (int i = 0; i < COMMANDS; i++) {
        printf("complete -c errand -n %s -a %s -d '", first, command_rows[i].name);
        put_quoted(command_rows[i].help, "\\");
        printf("'\ncomplete -c errand -n '__fish_seen_subcommand_from help' -a %s\n",
               command_rows[i].name);
    }
    printf("complete -c errand -n %s -a help -d 'explain a command'\n", first);
    for (int i = 0; i < OPTIONS; i++) {
        if (anywhere(&option_rows[i])) fish_option(&option_rows[i], first);
    }
    for (int i = 0; i < OPTIONS; i++) {
        char condition[160] = "__fish_seen_subcommand_from";
        fish_commands(&option_rows[i], condition, sizeof condition);
        fish_option(&option_rows[i], condition);
    }
    char condition[160] = "__fish_seen_subcommand_from";
    fish_commands(NULL, condition, sizeof condition);
    printf("complete -c errand -n '%s' -F\n", condition);
}

/* ---- mdoc ---- */

static size_t man_width(const char *text, size_t size) /* with its backslashes */
{
    size_t width = size;
    for (size_t i = 0; i < size; i++) width += text[i] == '\\' || text[i] == '-';
    return width;
}

/* Each sentence begins a line; lines are short; no line is taken for a request, and no dash of an
 * option for a hyphen. */
static void man_text(const char *text)
{
    size_t column = 0;
    for (bool ended = false; *text; text += strspn(text, " ")) {
        size_t size = strcspn(text, " "), width = man_width(text, size);
        if (column && (ended || column + 1 + width > 76)) {
            putchar('\n');
            column = 0;
        } else if (column) {
            putchar(' ');
        }
        if (!column && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        for (size_t i = 0; i < size; i++) {
            if (text[i] == '\\') fputs("\\e", stdout);
            else if (text[i] == '-' && !(i && text[i - 1] != '-' && text[i - 1] != '"'))
                fputs("\\-", stdout);
            else putchar(text[i]);
        }
        column += width + 1;
        ended = text[size - 1] == '.';
        text += size;
    }
    putchar('\n');
}

static void man_option(const option_row *row)
{
    fputs(".It ", stdout);
    if (row->letter)
        printf("Fl %c%s%s , ", row->letter, row->value ? " Ar " : "", row->value ? row->value : "");
    printf("Fl -%s%s%s\n", row->name, row->value ? " Ar " : "", row->value ? row->value : "");
    char clause[256]; /* the clause becomes a sentence */
    snprintf(clause, sizeof clause, "%s.", row->help);
    if (clause[0] >= 'a' && clause[0] <= 'z') clause[0] = (char)(clause[0] - 'a' + 'A');
    man_text(clause);
    if (row->more) man_text(row->more);
    if (row->initial) {
        snprintf(clause, sizeof clause, "Default: %s.", row->initial);
        man_text(clause);
    }
}

static void man(void)
{
    for (int group = 0; group < GROUPS; group++) {
        printf(".Ss %s\n.Bl -tag -width Ds\n", group_rows[group].title);
        for (int i = 0; i < OPTIONS; i++) {
            if ((int)option_rows[i].group == group) man_option(&option_rows[i]);
        }
        puts(".El");
    }
}

static void list(void)
{
    for (int i = 0; i < OPTIONS; i++) {
        const option_row *row = &option_rows[i];
        printf("%s %c %s ", row->name, row->letter ? row->letter : '-',
               row->value ? row->value : "-");
        for (command_id id = 0, n = 0; id < COMMANDS; id++) {
            if (option_is_of(row, id)) printf("%s%s", n++ ? "," : "", command_rows[id].name);
        }
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } forms[] = {
        { "bash", bash }, { "zsh", zsh }, { "fish", fish }, { "man", man }, { "list", list }
    };
    for (size_t i = 0; argc == 2 && i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(forms[i].name, argv[1])) continue;
        forms[i].write();
        if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
        fputs("options-doc: cannot write to standard output\n", stderr);
        return 4;
    }
    fputs("usage: options-doc bash|zsh|fish|man|list\n", stderr);
    return 2;
}
