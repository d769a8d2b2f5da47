/* note.c -- the first line of each run in a journal has a member "note". */
#include "note.h"

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

static struct json_object *options_of(const char **recorded) /* name, value, ... */
{
    struct json_object *list = json_object_new_array();
    for (; recorded && *recorded; recorded += 2) {
        const char *apart = *recorded[1] ? "=" : "";
        size_t size = strlen(recorded[0]) + strlen(recorded[1]) + 4;
        char *text = malloc(size);
        if (!text) break;
        snprintf(text, size, "--%s%s%s", recorded[0], apart, recorded[1]);
        json_object_array_add(list, json_object_new_string(text));
        free(text);
    }
    return list;
}

char *note_write(const run_options *o)
{
    struct json_object *note = json_object_new_object();
    char *folder = getcwd(NULL, 0);
    json_object_object_add(note, "folder", json_object_new_string(folder ? folder : ""));
    json_object_object_add(note, "options", options_of(o->recorded));
    json_object_object_add(note, "left_out", list_of(o->left_out));
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
