/* given.c -- all options take their values from three places, by names that follow from their rows
 * of the table:
 *
 *     environment  ERRAND_BASE_URL=...   of an option that repeats: a value a line
 *     file         base-url = ...        as in a config file of curl
 *     command      --base-url ...
 *
 * The later place goes before the earlier one; the values of an option that repeats are added. A
 * switch is on without a value, and on or off with true, yes, 1, false, no, 0. Of a line of a file
 * messages show the name, never the value: it may be a secret. */
#include "given.h"

#include "complain.h"
#include "nearest.h"
#include "text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool takes_part(const option_row *row) { return row->group != GROUP_ABOUT; }

/* text, which may be NULL, becomes the list's if own. */
static bool add(given_list *list, given_option option, const char *name)
{
    given_option *more = malloc(sizeof *more);
    char *copy = strdup(name);
    if (!more || !copy) {
        free(more);
        free(copy);
        free(option.own);
        return complain("out of memory");
    }
    *more = option;
    more->name = copy;
    more->next = NULL;
    if (list->last) list->last->next = more;
    else list->first = more;
    list->last = more;
    return true;
}

bool given_add(given_list *list, option_id id, given_rank rank, const char *name, const char *text)
{
    return add(list, (given_option){ .id = id, .rank = rank, .text = text }, name);
}

void given_free(given_list *list)
{
    for (given_option *option = list->first, *next; option; option = next) {
        next = option->next;
        free(option->own);
        free(option->name);
        free(option);
    }
    *list = (given_list){ 0 };
}

bool given_counts(const given_list *list, const given_option *option)
{
    const option_row *row = &option_rows[option->id];
    const given_option *other = row->repeats ? NULL : list->first;
    for (; other; other = other->next) {
        bool same = other->id == option->id ||
                    (row->rivals && option_rows[other->id].rivals == row->rivals);
        if (same && other->rank > option->rank) return false;
    }
    return true;
}

const char *given_text(const given_list *list, option_id id)
{
    const given_option *found = NULL;
    for (const given_option *option = list->first; option; option = option->next) {
        bool later = option->id == id && (!found || option->rank >= found->rank);
        if (later) found = option;
    }
    return found ? found->text : NULL;
}

/* ---- values that are text ---- */

static bool read_switch(const char *text, bool *on) /* false: it is none */
{
    static const char *const yes[] = { "true", "yes", "1", "on" }, *const no[] = {
        "false", "no", "0", "off"
    };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        *on = !strcasecmp(text, yes[i]);
        if (*on || !strcasecmp(text, no[i])) return true;
    }
    return false;
}

/* text NULL: no value was given. */
static bool add_text(given_list *list, given_option option, const char *name, const char *text)
{
    const option_row *row = &option_rows[option.id];
    bool on = true;
    if (row->value && !text) return complain("%s wants a value, %s", name, row->value);
    if (!row->value && text && !read_switch(text, &on))
        return complain("%s: true or false is wanted", name);
    option.off = !on;
    if (row->value) {
        option.own = strdup(text);
        if (!option.own) return complain("out of memory");
        option.text = option.own;
    }
    return add(list, option, name);
}

/* ---- the environment ---- */

static void variable_of(const option_row *row, char *name, size_t size)
{
    snprintf(name, size, "ERRAND_%s", row->name);
    for (char *c = name; *c; c++) {
        if (*c == '-') *c = '_';
        else if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    }
}

static bool add_lines(given_list *list, given_option option, const char *name, const char *text)
{
    char *lines = strdup(text), *rest = NULL;
    if (!lines) return complain("out of memory");
    bool good = true;
    for (char *line = strtok_r(lines, "\n", &rest); line && good;
         line = strtok_r(NULL, "\n", &rest))
        good = add_text(list, option, name, line);
    free(lines);
    return good;
}

bool given_environment(given_list *list)
{
    for (option_id id = 0; id < OPTIONS; id++) {
        const option_row *row = &option_rows[id];
        char name[64];
        variable_of(row, name, sizeof name);
        const char *text = takes_part(row) ? getenv(name) : NULL;
        if (!text || !*text) continue;
        const given_option option = { .id = id, .rank = GIVEN_ENVIRONMENT };
        if (row->repeats ? !add_lines(list, option, name, text)
                         : !add_text(list, option, name, text))
            return false;
    }
    return true;
}

/* ---- a file ---- */

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t size = strlen(text);
    while (size && strchr(" \t\r", text[size - 1])) text[--size] = '\0';
    return text;
}

/* What stands behind an opening quotation mark, in place. NULL: it does not end, or something
 * stands behind its end. */
static char *unquote(char *text)
{
    static const char escapes[] = "tnrv", meant[] = "\t\n\r\v";
    char *to = text, *from = text;
    for (; *from && *from != '"'; from++) {
        if (*from == '\\' && from[1]) {
            from++;
            const char *escape = strchr(escapes, *from);
            *to++ = escape ? meant[escape - escapes] : *from;
        } else {
            *to++ = *from;
        }
    }
    if (*from != '"') return NULL;
    from = trim(from + 1);
    if (*from && *from != '#') return NULL;
    *to = '\0';
    return text;
}

static bool find(const char *place, const char *word, size_t size, option_id *id)
{
    er_nearest near = { .word = word, .size = size };
    for (*id = 0; *id < OPTIONS; ++*id) {
        const option_row *row = &option_rows[*id];
        if (!takes_part(row)) continue;
        if (strlen(row->name) == size && !strncmp(row->name, word, size)) return true;
        er_nearest_offer(&near, row->name);
    }
    int shown = size < 60 ? (int)size : 60;
    if (!near.name) return complain("%s: unknown option \"%.*s\"", place, shown, word);
    return complain("%s: unknown option \"%.*s\": did you mean %s?", place, shown, word, near.name);
}

static bool read_line(given_list *list, const char *place, char *line)
{
    char name[512], *word = trim(line);
    if (!*word || *word == '#') return true;
    if (!strncmp(word, "--", 2)) word += 2;
    size_t size = strcspn(word, " \t=:");
    char *value = word + size;
    option_id id;
    if (!find(place, word, size, &id)) return false;
    if (id == OPTION_CONFIG)
        return complain("%s: config: a file of options cannot name another one", place);
    snprintf(name, sizeof name, "%s: %s", place, option_rows[id].name);
    value += strspn(value, " \t");
    bool said = *value == '=' || *value == ':';
    if (said) value = trim(value + 1);
    if (*value == '"' && !(value = unquote(value + 1)))
        return complain("%s: the quotation mark does not end the value", name);
    return add_text(list, (given_option){ .id = id, .rank = GIVEN_FILE }, name,
                    said || *value ? value : NULL);
}

bool given_file(given_list *list, const char *path, const char *name)
{
    char *text = text_file_read(path), place[400];
    if (!text && errno == EINVAL) return complain("%s %s: a NUL character in it", name, path);
    if (!text) return complain("%s %s: %s", name, path, strerror(errno));
    bool good = true;
    unsigned number = 0;
    for (char *line = text, *next; line && good; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        snprintf(place, sizeof place, "%s:%u", path, ++number);
        good = read_line(list, place, line);
    }
    free(text);
    return good;
}
