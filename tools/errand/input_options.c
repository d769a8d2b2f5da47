/* input_options.c -- what files are, and what jobs are made of. */
#include "input_options.h"

#include "complain.h"
#include "nearest.h"
#include "option_values.h"
#include "text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINES_MOST    2000000000
#define DEFAULTS_MOST ((size_t)1 << 20)
#define TOKEN         "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool input_method(run_options *o, const char *name, const char *text)
{
    if (!*text || text[strspn(text, TOKEN)])
        return complain("%s %.60s: a method is wanted, as GET", name, text);
    o->method = text;
    return true;
}

bool input_params(run_options *o, const char *name, const char *text)
{
    const char *value = strchr(text, '=');
    if (!value || value == text) return complain("%s %.60s: NAME=TEXT is wanted", name, text);
    return run_options_list(&o->params, text);
}

bool input_format(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = {
        [ERRAND_JOBS_JSONL] = "jsonl", [ERRAND_JOBS_AUTO] = "auto",     [ERRAND_JOBS_URLS] = "urls",
        [ERRAND_JOBS_CSV] = "csv",     [ERRAND_JOBS_OPENAI] = "openai",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i])) continue;
        o->format = (errand_jobs_format)i;
        return true;
    }
    return complain("%s %s: auto, jsonl, urls, csv or openai is wanted", name, text);
}

bool input_delimiter(run_options *o, const char *name, const char *text)
{
    bool tab = !strcmp(text, "tab") || !strcmp(text, "\\t");
    o->delimiter = tab ? '\t' : text[0];
    if (tab || (text[0] && !text[1] && !strchr("\"\r\n", text[0]))) return true;
    return complain("%s %s: one character is wanted, no quotation mark, or tab", name, text);
}

bool input_template(run_options *o, const char *name, const char *text)
{
    if (!*text) return complain("%s: a url is wanted", name);
    o->url_template = text;
    return true;
}

bool input_json(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->json_template = text;
    return true;
}

bool input_id(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->id_column = text;
    return true;
}

bool input_skip(run_options *o, const char *name, const char *text)
{
    return value_count(name, text, 0, LINES_MOST, &o->skip);
}

bool input_take(run_options *o, const char *name, const char *text)
{
    return value_count(name, text, 1, LINES_MOST, &o->take);
}

/* The whole file, which jobs then check. */
bool input_defaults(run_options *o, const char *name, const char *text)
{
    free(o->defaults);
    o->defaults = NULL;
    FILE *file = fopen(text, "re");
    if (!file) return complain("%s %s: %s", name, text, strerror(errno));
    char *at = malloc(DEFAULTS_MOST + 1);
    size_t size = at ? fread(at, 1, DEFAULTS_MOST + 1, file) : 0;
    int error = ferror(file) ? errno : 0;
    fclose(file);
    bool fine = at && !error && size <= DEFAULTS_MOST && !memchr(at, 0, size);
    if (fine) {
        at[size] = '\0';
        o->defaults = at;
        return true;
    }
    free(at);
    if (!at) return complain("out of memory");
    if (error) return complain("%s %s: %s", name, text, strerror(error));
    return complain("%s %s: an object in JSON of at most 1 MiB is wanted", name, text);
}
