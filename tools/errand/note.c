/* note.c -- the first line of each run in a journal has a member "note". */
#include "note.h"

#include "given.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct json_object *list_of(const char *const *texts)
{
    struct json_object *list = json_object_new_array();
    for (; texts && *texts; texts++) json_object_array_add(list, json_object_new_string(*texts));
    return list;
}

/* A url with userinfo, or with a parameter that has a name like a secret's: rather one too many. */
static bool sounds_secret(const char *text)
{
    static const char *const words[] = {
        "@", "key=", "token=", "secret=", "sig=", "signature=", "password=", "auth=", "code="
    };
    for (size_t i = 0; text && i < sizeof words / sizeof *words; i++) {
        if (strcasestr(text, words[i])) return true;
    }
    return false;
}

/* Those of the command line: the environment and files are read again. */
static void add_options(struct json_object *options, struct json_object *left_out,
                        const given_list *given)
{
    for (const given_option *option = given->first; option; option = option->next) {
        const option_row *row = &option_rows[option->id];
        if (option->rank != GIVEN_COMMAND || row->group == GROUP_RESUME) continue;
        if (row->secret || sounds_secret(option->text)) {
            json_object_array_add(left_out, json_object_new_string(row->name));
            continue;
        }
        size_t size = strlen(row->name) + (option->text ? strlen(option->text) : 0) + 4;
        char *text = malloc(size);
        if (!text) return;
        snprintf(text, size, "--%s%s%s", row->name, option->text ? "=" : "",
                 option->text ? option->text : "");
        json_object_array_add(options, json_object_new_string(text));
        free(text);
    }
}

char *note_write(const run_options *o)
{
    struct json_object *note = json_object_new_object();
    char *folder = getcwd(NULL, 0);
    json_object_object_add(note, "folder", json_object_new_string(folder ? folder : ""));
    struct json_object *options = json_object_new_array(), *left_out = json_object_new_array();
    json_object_object_add(note, "options", options);
    json_object_object_add(note, "left_out", left_out);
    add_options(options, left_out, o->given);
    json_object_object_add(note, "files", list_of(o->files));
    const char *text = json_object_to_json_string_ext(note, JSON_C_TO_STRING_PLAIN);
    char *copy = text ? strdup(text) : NULL;
    json_object_put(note);
    free(folder);
    return copy;
}

static FILE *open_journal(const char *results)
{
    size_t size = strlen(results) + sizeof ".journal";
    char *path = malloc(size);
    if (!path) return NULL;
    snprintf(path, size, "%s.journal", results);
    FILE *f = fopen(path, "re");
    free(path);
    return f;
}

struct json_object *note_read(const char *results)
{
    static const char run[] = "{\"journal\":";
    struct json_object *note = NULL;
    char *line = NULL;
    size_t room = 0;
    FILE *f = open_journal(results);
    if (!f) return NULL;
    while (getline(&line, &room, f) > 0) {
        struct json_object *found = NULL,
                           *begun =
                               strncmp(line, run, sizeof run - 1) ? NULL : json_tokener_parse(line);
        if (json_object_object_get_ex(begun, "note", &found)) {
            json_object_put(note);
            note = json_object_get(found);
        }
        json_object_put(begun);
    }
    int error = ferror(f) ? EIO : EBADMSG;
    free(line);
    fclose(f);
    errno = error;
    return note;
}
