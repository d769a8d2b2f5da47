/* output_options.c -- where results go, what they have, and what is shown meanwhile. */
#include "output_options.h"

#include "complain.h"
#include "nearest.h"
#include "option_values.h"
#include "text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PAGES_MOST = 1000000000 };

static bool read_begin(run_options *o, const char *name, errand_results_begin begin)
{
    if (o->begin && o->begin != begin) return complain("%s: either --resume or --fresh", name);
    o->begin = begin;
    return true;
}

bool output_openai(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->openai = true;
}

bool output_progress(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = {
        [WHEN_AUTO] = "auto", [WHEN_ALWAYS] = "always", [WHEN_NEVER] = "never", [WHEN_JSON] = "json"
    };
    int i = value_word(text, words, 4);
    if (i < 0) return complain("%s %s: auto, always, never or json is wanted", name, text);
    o->progress = (when)i;
    return true;
}

bool output_headers(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = { [ERRAND_JOBS_HEADERS_SOME] = "some",
                                         [ERRAND_JOBS_HEADERS_NONE] = "none",
                                         [ERRAND_JOBS_HEADERS_ALL] = "all" };
    int i = value_word(text, words, 3);
    if (i < 0) return complain("%s %s: none, some or all is wanted", name, text);
    o->reply_headers = (errand_jobs_headers)i;
    return true;
}

bool output_body(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = { [ERRAND_JOBS_BODY_KEEP] = "keep",
                                         [ERRAND_JOBS_BODY_DROP] = "drop",
                                         [ERRAND_JOBS_BODY_FAILED] = "failed" };
    int i = value_word(text, words, 3);
    if (i < 0) return complain("%s %s: keep, drop or failed is wanted", name, text);
    o->body = (errand_jobs_body)i;
    return true;
}

static bool is_pointer(const char *text, size_t size)
{
    bool good = !size || *text == '/';
    for (size_t i = 0; i < size && good; i++)
        good = text[i] != '~' || (i + 1 < size && (text[i + 1] == '0' || text[i + 1] == '1'));
    return good;
}

bool output_select(run_options *o, const char *name, const char *text)
{
    if (!is_pointer(text, strlen(text)))
        return complain("%s %s: a JSON pointer is wanted: /usage/total_tokens", name, text);
    for (const char **other = o->select; other && *other; other++) {
        if (!strcmp(*other, text)) return true; /* a key of an object stands there once */
    }
    return run_options_list(&o->select, text);
}

bool output_output_dir(run_options *o, const char *name, const char *text)
{
    if (!*text) return complain("%s: the name of a folder is wanted", name);
    o->output_dir = text;
    return true;
}

bool output_next(run_options *o, const char *name, const char *text)
{
    bool cursor = !strncmp(text, "cursor=", 7);
    const char *pointer = cursor ? text + 7 : text, *comma = cursor ? strrchr(pointer, ',') : NULL;
    size_t size = comma ? (size_t)(comma - pointer) : strlen(pointer);
    bool good = is_pointer(pointer, size) && (cursor ? comma && comma[1] : size > 0);
    if (!good && strcmp(text, "link") != 0)
        return complain("%s %s: link, a JSON pointer (/paging/next) or cursor=POINTER,PARAM "
                        "(cursor=/next_cursor,cursor) is wanted",
                        name, text);
    o->next = text;
    return true;
}

bool output_max_pages(run_options *o, const char *name, const char *text)
{
    return value_count(name, text, 1, PAGES_MOST, &o->max_pages);
}

bool output_log(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->log = text;
    return true;
}

bool output_output(run_options *o, const char *name, const char *text)
{
    if (!*text || !strcmp(text, "-")) return complain("%s: the path of a file is wanted", name);
    o->output = text;
    return true;
}

bool output_resume(run_options *o, const char *name, const char *text)
{
    (void)text;
    return read_begin(o, name, ERRAND_RESULTS_RESUME);
}

bool output_fresh(run_options *o, const char *name, const char *text)
{
    (void)text;
    return read_begin(o, name, ERRAND_RESULTS_FRESH);
}

bool output_retry_failed(run_options *o, const char *name, const char *text)
{
    if (!strcmp(text, "all")) {
        o->retry_kinds = ~0u;
        return true;
    }
    for (size_t size; *text; text += size + (text[size] == ',')) {
        size = strcspn(text, ",");
        er_nearest near = { .word = text, .size = size };
        int kind = ERRAND_KIND_UNKNOWN;
        for (; kind > ERRAND_KIND_OK; kind--) {
            const char *word = errand_kind_name((errand_kind)kind);
            if (strlen(word) == size && !strncmp(word, text, size)) break;
            er_nearest_offer(&near, word);
        }
        if (kind == ERRAND_KIND_OK) {
            return complain("%s: \"%.*s\" is no kind of error%s%s%s", name,
                            size < 40 ? (int)size : 40, text, near.name ? ": did you mean " : "",
                            near.name ? near.name : "", near.name ? "?" : "");
        }
        o->retry_kinds |= 1u << kind;
    }
    return o->retry_kinds || complain("%s: all, or kinds of errors with commas between", name);
}

bool output_repeat_unknown(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->repeat_unknown = true;
}

bool output_ordered(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->ordered = true;
}

bool output_verbose(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->verbose = true;
}

bool output_quiet(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->quiet = true;
}

bool output_complete(const run_options *o)
{
    if (o->select && o->output_dir)
        return complain("--select and --output-dir cannot be combined: a body that is saved is not "
                        "read");
    if (o->next && o->openai)
        return complain("--next and --openai cannot be combined: such a result has no place for "
                        "the number of a page");
    if (o->next && o->output_dir && strcmp(o->next, "link") != 0)
        return complain("--next %s and --output-dir cannot be combined: a body that is saved is "
                        "not read; --next link can",
                        o->next);
    if (o->max_pages && !o->next) return complain("--max-pages goes with --next");
    if (o->ordered && o->output)
        return complain("--ordered and -o cannot be combined: a result that waits for others would "
                        "be lost in a crash; \"seq\" has the order");
    if (o->log && o->output && !strcmp(o->log, o->output))
        return complain("--log and -o name the same file");
    if (o->begin && !o->output)
        return complain("--%s goes with -o FILE",
                        o->begin == ERRAND_RESULTS_FRESH ? "fresh" : "resume");
    if (o->retry_kinds && o->begin != ERRAND_RESULTS_RESUME)
        return complain("--retry-failed goes with --resume");
    if (o->repeat_unknown && o->begin != ERRAND_RESULTS_RESUME)
        return complain("--repeat-unknown goes with --resume");
    return true;
}
