/* jobs/detect.c -- the first line that has something in it decides, in this order:
 *
 *     NUL bytes, UTF-16            refused: no text
 *     [                            refused: an array
 *     { "custom_id": ... }         openai
 *     {                            JSON Lines
 *     #, http://, https://         a list of urls
 *     templates with {line}        a list of lines
 *     a delimiter, or the name of  CSV
 *     a column that is wanted
 *     /                            a list of urls, relative ones
 *
 * Where another format was asked for, only what cannot be that format is refused, as a single bad
 * line may well be the first. */
#include "jobs/detect.h"

#include "http/sanitize.h"

#include <errno.h>
#include <string.h>

typedef enum looks {
    LIKE_NOTHING,
    LIKE_EMPTY,
    LIKE_BINARY,
    LIKE_UTF16,
    LIKE_ARRAY,
    LIKE_SPREAD, /* an object over several lines */
    LIKE_OPENAI,
    LIKE_JSONL,
    LIKE_TORN, /* JSON Lines, but its first line is no whole object */
    LIKE_URLS,
    LIKE_LINES,
    LIKE_CSV,
    LIKE_PATHS
} looks;

static bool begins(er_span text, const char *with)
{
    size_t n = strlen(with);
    return text.size >= n && er_alike(text.at, with, n);
}

/* The first line with something in it, trimmed; *rest is what follows. */
static er_span first_line(er_span *rest)
{
    while (rest->size) {
        const char *end = memchr(rest->at, '\n', rest->size);
        size_t size = end ? (size_t)(end - rest->at) : rest->size, taken = size + (end != NULL);
        er_span line = er_json_trim((er_span){ rest->at, size });
        *rest = (er_span){ rest->at + taken, rest->size - taken };
        if (line.size) return line;
    }
    return (er_span){ "", 0 };
}

static looks object(er_span line, er_span rest)
{
    size_t where, cursor = 0;
    const char *why;
    er_span k, v;
    if (er_json_check(line, &where, &why)) { /* a torn one, or what goes on in the next line */
        er_span next = first_line(&rest);
        return line.size == 1 && begins(next, "\"") ? LIKE_SPREAD : LIKE_TORN;
    }
    while (er_json_member(line, &cursor, &k, &v)) {
        if (k.size == 11 && !memcmp(k.at, "\"custom_id\"", 11)) return LIKE_OPENAI;
    }
    return LIKE_JSONL;
}

static bool wants_lines(const er_form_opts *o)
{
    bool wants = er_template_has(o->url_template, "line") ||
                 er_template_has(o->json_template, "line") ||
                 (o->id_column && !strcmp(o->id_column, "line"));
    for (const char *const *p = o->params; p && *p; p++) wants |= er_template_has(*p, "line");
    return wants;
}

/* A header of one column: one of a job, or one that is asked for. */
static bool is_wanted(er_span line, const er_form_opts *o)
{
    char name[64];
    if (line.size >= sizeof name) return false;
    memcpy(name, line.at, line.size);
    name[line.size] = '\0';
    bool wanted = er_alike(name, "url", 4) || er_template_has(o->url_template, name) ||
                  er_template_has(o->json_template, name) ||
                  (o->id_column && !strcmp(o->id_column, name));
    for (const char *const *p = o->params; p && *p; p++) wanted |= er_template_has(*p, name);
    return wanted;
}

static bool has_delimiter(er_span line, char delimiter)
{
    for (size_t i = 0; i < line.size; i++) {
        if (delimiter ? line.at[i] == delimiter : line.at[i] && strchr(",;\t|", line.at[i]))
            return true;
    }
    return false;
}

static looks look(er_span ahead, const er_source_opts *opts)
{
    if (begins(ahead, "\xff\xfe") || begins(ahead, "\xfe\xff")) return LIKE_UTF16;
    er_span rest = ahead, line = first_line(&rest);
    if (!line.size) return LIKE_EMPTY;
    if (memchr(line.at, 0, line.size)) return LIKE_BINARY;
    if (line.at[0] == '[') return LIKE_ARRAY;
    if (line.at[0] == '{') return object(line, rest);
    if (line.at[0] == '#' || begins(line, "http://") || begins(line, "https://") ||
        begins(line, "\"http://") || begins(line, "\"https://"))
        return LIKE_URLS;
    if (wants_lines(&opts->form)) return LIKE_LINES;
    if (has_delimiter(line, opts->delimiter) || is_wanted(line, &opts->form)) return LIKE_CSV;
    return line.at[0] == '/' ? LIKE_PATHS : LIKE_NOTHING;
}

/* Lines that end with CR alone, as old Mac programs write them: all is one line then. */
static bool has_lone_cr(er_span ahead)
{
    er_span rest = ahead, line = first_line(&rest);
    const char *cr = line.size ? memchr(line.at, '\r', line.size) : NULL;
    return cr && cr + 1 < line.at + line.size && cr[1] != '\r' && line.at[0] != '{';
}

static int refuse(er_bytes *why, const char *text)
{
    er_bytes_text(why, text);
    return why->error ? ENOMEM : EINVAL;
}

static const char
    array[] = "this looks like an array in JSON; jq -c '.[]' FILE makes a line of each "
              "of its items",
    spread[] = "this looks like JSON over several lines; jq -c . FILE makes a line of "
               "each object",
    openai[] = "this looks like a file for OpenAI's batch API: give --format openai",
    json[] = "this looks like JSON Lines: give --format jsonl",
    no_custom_id[] = "its first line has no custom_id, so it is not for OpenAI's batch "
                     "API; for jobs in JSON give --format jsonl",
    list[] = "this looks like a list of urls: give --format urls";

/* With AUTO what the line looks like; NULL in *wrong: fine. */
static errand_jobs_format by_looks(looks like, const char **wrong)
{
    *wrong = NULL;
    switch (like) {
    case LIKE_EMPTY:
    case LIKE_TORN:
    case LIKE_JSONL: return ERRAND_JOBS_JSONL;
    case LIKE_OPENAI: return ERRAND_JOBS_OPENAI;
    case LIKE_URLS:
    case LIKE_LINES:
    case LIKE_PATHS: return ERRAND_JOBS_URLS;
    case LIKE_CSV: return ERRAND_JOBS_CSV;
    default: break;
    }
    *wrong = "its first line is neither a job in JSON, nor a url, nor a header of a CSV: --format "
             "says what it is, and --template makes urls of it";
    return ERRAND_JOBS_JSONL;
}

/* With another format: why it cannot be that. */
static const char *not_as_asked(errand_jobs_format asked, looks like, const er_form_opts *form)
{
    bool object = like == LIKE_JSONL || like == LIKE_TORN || like == LIKE_OPENAI;
    if (asked == ERRAND_JOBS_JSONL && like == LIKE_URLS) return list;
    if (asked == ERRAND_JOBS_JSONL && like == LIKE_OPENAI) return openai;
    if (asked == ERRAND_JOBS_OPENAI && like == LIKE_URLS) return list;
    if (asked == ERRAND_JOBS_OPENAI && like == LIKE_JSONL) return no_custom_id;
    if (asked == ERRAND_JOBS_CSV && like == LIKE_URLS) return list;
    if (asked == ERRAND_JOBS_CSV && object) return json;
    if (asked == ERRAND_JOBS_URLS && object && !form->url_template) return json;
    return NULL;
}

int er_detect(errand_jobs_format asked, er_span ahead, const er_source_opts *opts,
              errand_jobs_format *format, er_bytes *why)
{
    looks like = look(ahead, opts);
    bool text = asked == ERRAND_JOBS_URLS && opts->form.url_template; /* any text will do */
    *format = asked;
    if (like == LIKE_UTF16)
        return refuse(why, "this is UTF-16; iconv -f UTF-16 -t UTF-8 makes it readable");
    if (has_lone_cr(ahead))
        return refuse(why, "its lines end with CR alone; tr '\\r' '\\n' <FILE gives them ends");
    if (like == LIKE_BINARY && asked != ERRAND_JOBS_JSONL) return refuse(why, "this is no text");
    if (like == LIKE_ARRAY && !text && asked != ERRAND_JOBS_CSV) return refuse(why, array);
    if (like == LIKE_SPREAD && !text) return refuse(why, spread);
    const char *wrong = NULL;
    if (asked == ERRAND_JOBS_AUTO) *format = by_looks(like, &wrong);
    else wrong = not_as_asked(asked, like, &opts->form);
    if (wrong) return refuse(why, wrong);
    bool fields = *format == ERRAND_JOBS_CSV || *format == ERRAND_JOBS_URLS;
    if (fields || like == LIKE_EMPTY || !er_form_opts_any(&opts->form)) return 0;
    return refuse(why, "--template, --json, --params and --id are for a CSV or a list, and this "
                       "looks like JSON");
}
