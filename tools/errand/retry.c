/* retry.c -- the run that wrote these results, once more, for what failed.
 *
 *     errand retry RESULTS OPTIONS   -->   errand run NOTED-OPTIONS OPTIONS --resume -o RESULTS
 *                                              --retry-failed all -- NOTED-FILES
 *
 * The options and files are in the journal, except those with secrets, which must be given again.
 * Paths in them, and in the jobs, are relative to the folder of that run. */
#include "retry.h"

#include "complain.h"
#include "given.h"
#include "note.h"
#include "options.h"
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct words {
    char **at;
    size_t n, room;
    bool full; /* no memory */
} words;

static void add(words *w, const char *word)
{
    if (w->n == w->room) {
        size_t room = w->room ? 2 * w->room : 32;
        char **at = realloc(w->at, room * sizeof *at);
        if (!at) {
            w->full = true;
            return;
        }
        w->at = at;
        w->room = room;
    }
    w->at[w->n] = word ? strdup(word) : NULL;
    w->full = w->full || (word && !w->at[w->n]);
    w->n++;
}

static void add_all(words *w, struct json_object *note, const char *name)
{
    struct json_object *list = NULL;
    json_object_object_get_ex(note, name, &list);
    if (!json_object_is_type(list, json_type_array)) return;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        add(w, json_object_get_string(json_object_array_get_idx(list, i)));
}

static int refuse(const char *results, const char *why)
{
    fprintf(stderr, "errand retry: %s: %s\n", results, why);
    return 3;
}

static bool is_given(const run_options *given, const char *name)
{
    for (const given_option *option = given->given->first; option; option = option->next) {
        if (!strcmp(option_rows[option->id].name, name)) return true;
    }
    return false;
}

/* All options that are missing, at once. */
static int check_secrets(const char *results, struct json_object *note, const run_options *given)
{
    struct json_object *list = NULL;
    char why[400] = "";
    json_object_object_get_ex(note, "left_out", &list);
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(list, i));
        size_t size = strlen(why);
        if (is_given(given, name) || size > 300) continue;
        snprintf(why + size, sizeof why - size, "%s--%.60s", size ? ", " : "", name);
    }
    size_t size = strlen(why);
    if (!size) return 0;
    snprintf(why + size, sizeof why - size,
             " of its run may be secret and is not in the journal; give it again");
    return refuse(results, why);
}

/* 0: it can be run again from here. */
static int check(const char *results, struct json_object *note, const run_options *given)
{
    struct json_object *folder = NULL, *list = NULL;
    char *here = getcwd(NULL, 0), why[400];
    json_object_object_get_ex(note, "folder", &folder);
    const char *there = json_object_get_string(folder);
    bool elsewhere = !here || !there || strcmp(here, there) != 0;
    free(here);
    if (elsewhere) {
        snprintf(why, sizeof why, "its run was in %.300s; go there first", there ? there : "?");
        return refuse(results, why);
    }
    json_object_object_get_ex(note, "files", &list);
    size_t files = list ? json_object_array_length(list) : 0;
    bool piped = !files;
    for (size_t i = 0; i < files; i++)
        piped = piped || !strcmp(json_object_get_string(json_object_array_get_idx(list, i)), "-");
    if (piped)
        return refuse(results, "its jobs came from standard input; errand run --resume "
                               "--retry-failed all -o, with the same input, sends them again");
    return check_secrets(results, note, given);
}

static int run_again(const char *results, struct json_object *note, const run_options *given)
{
    words w = { 0 };
    int status = 1;
    add(&w, "retry"); /* for messages */
    add_all(&w, note, "options");
    for (int i = 0; i < given->n_words; i++) add(&w, given->words[i]);
    add(&w, "--resume");
    if (!is_given(given, "retry-failed")) add(&w, "--retry-failed=all");
    add(&w, "-o");
    add(&w, results);
    add(&w, "--");
    add_all(&w, note, "files");
    add(&w, NULL);
    if (w.full) fputs("errand retry: out of memory\n", stderr);
    else status = run_main((int)w.n - 1, w.at);
    for (size_t i = 0; i < w.n; i++) free(w.at[i]);
    free(w.at);
    return status;
}

int retry_main(int argc, char **argv)
{
    run_options given;
    int status = 2;
    if (run_options_words(&given, argc, argv, &status)) {
        const char *results = given.files ? given.files[0] : NULL;
        struct json_object *note = NULL;
        if (!results || given.files[1] || is_given(&given, "output")) {
            complain("one file of results is wanted");
            status = 2;
        } else if (!(note = note_read(results))) {
            status = refuse(results, errno == EBADMSG ? "its journal has no note of a run"
                                                      : "its journal cannot be read");
        } else {
            status = check(results, note, &given);
        }
        if (note && !status) status = run_again(results, note, &given);
        json_object_put(note);
    }
    run_options_free(&given);
    return status;
}
