/* options.c -- every value is read strictly: all of its text, in range, and a wrong one is named
 * with its option.
 *
 *     option_table --> arrays of getopt_long --> row of the option --> its reader --> run_options
 *
 * A reader gets the name that its error message shows beside the value, so a value need not come
 * from the command line. */
#include "options.h"

#include "help.h"
#include "nearest.h"
#include "option_table.h"

#include <errand.h>

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JOBS_MOST    10000
#define RETRIES_MOST 1000
#define TIME_MOST    INT64_C(1000000000000) /* ms */

static bool complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool complain(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("errand run: ", stderr);
    vfprintf(stderr, fmt, args);
    fputs("; see \"errand run --help\"\n", stderr);
    va_end(args);
    return false;
}

static bool read_count(const char *name, const char *text, unsigned least, unsigned most,
                       unsigned *value)
{
    char *end;
    errno = 0;
    long n = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    if (n < 0 || errno || *end || n < (long)least || n > (long)most) {
        return complain("%s %s: a whole number from %u to %u is wanted", name, text, least, most);
    }
    *value = (unsigned)n;
    return true;
}

/* Plain decimals, so neither "inf" nor "0x1p3". NULL: there are none. */
static const char *read_decimals(const char *text, double *value)
{
    size_t n = strspn(text, "0123456789."), digits = strspn(text, "0123456789");
    if (!n || (n == 1 && !digits) || n > 30) return NULL;
    char *end;
    *value = strtod(text, &end);
    /* no second point; what follows must not have been taken for an exponent */
    return end == text + n ? end : NULL;
}

static bool read_time(const char *name, const char *text, int64_t *ms)
{
    int64_t value = 0;
    if (errand_parse_duration(text, &value) || value <= 0 || value > TIME_MOST) {
        return complain("%s %s: a time above 0 is wanted, in seconds or with a unit: 1.5, 20ms, 2m",
                        name, text);
    }
    *ms = value;
    return true;
}

static double seconds_of(const char *unit) /* 0: no unit of ours */
{
    if (!strcmp(unit, "/s")) return 1;
    if (!strcmp(unit, "/m")) return 60;
    return !strcmp(unit, "/h") ? 3600 : 0;
}

static bool read_rate(run_options *o, const char *name, const char *text)
{
    double value = 0;
    const char *unit = read_decimals(text, &value);
    double seconds = unit ? seconds_of(unit) : 0;
    if (seconds == 0 || value / seconds < 1e-6 || value / seconds > 1e6) {
        return complain("%s %s: a number a second, minute or hour is wanted: 10/s, 600/m, 900/h",
                        name, text);
    }
    o->per_second = value / seconds;
    return true;
}

static bool add_to_list(const char ***list, const char *text)
{
    size_t n = 0;
    while (*list && (*list)[n]) n++;
    const char **longer = realloc(*list, (n + 2) * sizeof *longer);
    if (!longer) return complain("out of memory");
    longer[n] = text;
    longer[n + 1] = NULL;
    *list = longer;
    return true;
}

/* One of n words: its index, or -1. */
static int read_word(const char *text, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (!strcmp(text, words[i])) return i;
    }
    return -1;
}

static bool read_header(run_options *o, const char *name, const char *text)
{
    size_t token = strspn(
        text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (!token || text[token] != ':' || strpbrk(text, "\r\n")) {
        size_t shown = strcspn(text, ": \t\r\n"); /* what follows may be a secret */
        return complain("%s \"%.*s...\": \"Name: value\" is wanted", name,
                        (int)(shown < 60 ? shown : 60), text);
    }
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (token != strlen(ours[i]) || strncasecmp(text, ours[i], token)) continue;
        return complain("%s %s: that one is set by errand itself", name, ours[i]);
    }
    if (token == 15 && !strncasecmp(text, "Idempotency-Key", token)) {
        return complain(
            "%s Idempotency-Key: it would be the same for all jobs; each can have its own", name);
    }
    return add_to_list(&o->headers, text);
}

static bool read_progress(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = {
        [WHEN_AUTO] = "auto", [WHEN_ALWAYS] = "always", [WHEN_NEVER] = "never", [WHEN_JSON] = "json"
    };
    int i = read_word(text, words, 4);
    if (i < 0) return complain("%s %s: auto, always, never or json is wanted", name, text);
    o->progress = (when)i;
    return true;
}

static bool read_headers(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = { [ERRAND_JOBS_HEADERS_SOME] = "some",
                                         [ERRAND_JOBS_HEADERS_NONE] = "none",
                                         [ERRAND_JOBS_HEADERS_ALL] = "all" };
    int i = read_word(text, words, 3);
    if (i < 0) return complain("%s %s: none, some or all is wanted", name, text);
    o->reply_headers = (errand_jobs_headers)i;
    return true;
}

static bool read_body(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = { [ERRAND_JOBS_BODY_KEEP] = "keep",
                                         [ERRAND_JOBS_BODY_DROP] = "drop",
                                         [ERRAND_JOBS_BODY_FAILED] = "failed" };
    int i = read_word(text, words, 3);
    if (i < 0) return complain("%s %s: keep, drop or failed is wanted", name, text);
    o->body = (errand_jobs_body)i;
    return true;
}

static bool read_select(run_options *o, const char *name, const char *text)
{
    bool good = !*text || *text == '/';
    for (const char *c = text; *c && good; c++) good = *c != '~' || c[1] == '0' || c[1] == '1';
    if (!good) return complain("%s %s: a JSON pointer is wanted: /usage/total_tokens", name, text);
    for (const char **other = o->select; other && *other; other++) {
        if (!strcmp(*other, text)) return true; /* a key of an object stands there once */
    }
    return add_to_list(&o->select, text);
}

static bool read_output_dir(run_options *o, const char *name, const char *text)
{
    if (!*text) return complain("%s: the name of a folder is wanted", name);
    o->output_dir = text;
    return true;
}

static bool read_base(run_options *o, const char *name, const char *text)
{
    size_t scheme = 0;
    if (!strncasecmp(text, "http://", 7)) scheme = 7;
    else if (!strncasecmp(text, "https://", 8)) scheme = 8;
    if (!scheme || !text[scheme] || strchr("/?#", text[scheme])) {
        return complain("%s: an absolute url is wanted, http://host/ or https://host/", name);
    }
    o->base_url = text;
    return true;
}

static bool read_jobs(run_options *o, const char *name, const char *text)
{
    return read_count(name, text, 1, JOBS_MOST, &o->jobs);
}

static bool read_retries(run_options *o, const char *name, const char *text)
{
    return read_count(name, text, 0, RETRIES_MOST, &o->retries);
}

static bool read_timeout(run_options *o, const char *name, const char *text)
{
    return read_time(name, text, &o->timeout_ms);
}

static bool read_connect_timeout(run_options *o, const char *name, const char *text)
{
    return read_time(name, text, &o->connect_ms);
}

static bool read_log(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->log = text;
    return true;
}

static bool read_ordered(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->ordered = true;
}

static bool read_verbose(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->verbose = true;
}

static bool read_quiet(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->quiet = true;
}

/* text is NULL where the row has no value. --help and --version have no reader. */
static bool (*const readers[OPTIONS])(run_options *o, const char *name, const char *text) = {
    [OPTION_JOBS] = read_jobs,
    [OPTION_RATE] = read_rate,
    [OPTION_RETRIES] = read_retries,
    [OPTION_TIMEOUT] = read_timeout,
    [OPTION_CONNECT_TIMEOUT] = read_connect_timeout,
    [OPTION_BASE_URL] = read_base,
    [OPTION_HEADER] = read_header,
    [OPTION_ORDERED] = read_ordered,
    [OPTION_HEADERS] = read_headers,
    [OPTION_BODY] = read_body,
    [OPTION_SELECT] = read_select,
    [OPTION_OUTPUT_DIR] = read_output_dir,
    [OPTION_PROGRESS] = read_progress,
    [OPTION_LOG] = read_log,
    [OPTION_VERBOSE] = read_verbose,
    [OPTION_QUIET] = read_quiet,
};

/* ---- the command line ---- */

#define LONG 256 /* getopt_long returns LONG + the row of an option, or the option's letter */

typedef struct forms { /* the table as getopt_long wants it */
    struct option longs[OPTIONS + 1];
    char letters[2 * OPTIONS + 2];
} forms;

static void forms_make(forms *f)
{
    char *letter = f->letters;
    *letter++ = ':'; /* distinguishes a missing value from an unknown option */
    for (int i = 0; i < OPTIONS; i++) {
        const option_row *row = &option_rows[i];
        int argument = row->value ? required_argument : no_argument;
        f->longs[i] = (struct option){ row->name, argument, NULL, LONG + i };
        if (!row->letter) continue;
        *letter++ = row->letter;
        if (row->value) *letter++ = ':';
    }
    *letter = '\0';
    f->longs[OPTIONS] = (struct option){ NULL, 0, NULL, 0 };
}

static const option_row *row_of(int flag) /* NULL: there is no such option */
{
    if (flag >= LONG) return &option_rows[flag - LONG];
    for (int i = 0; flag > 0 && i < OPTIONS; i++) {
        if (option_rows[i].letter == flag) return &option_rows[i];
    }
    return NULL;
}

/* word is the argument that has the letter, the one behind it, or NULL. */
static bool unknown_letter(int letter, const char *word)
{
    size_t size = word && word[0] == '-' ? strcspn(word + 1, "=") : 0;
    for (int i = 0; size && i < OPTIONS; i++) {
        const char *name = option_rows[i].name;
        if (strlen(name) != size || strncmp(name, word + 1, size)) continue;
        return complain("unknown option -%s: did you mean --%s?", name, name);
    }
    if (letter <= ' ' || letter > '~') return complain("unknown option: it is no letter");
    const option_row *other = row_of(letter ^ 0x20); /* the other case */
    if (!other) return complain("unknown option -%c", letter);
    return complain("unknown option -%c: did you mean -%c, --%s?", letter, other->letter,
                    other->name);
}

static bool unknown_word(const char *word) /* "--jbos=3": unknown, or the beginning of several */
{
    nearest near = { .word = word + 2, .size = strcspn(word + 2, "=") };
    char several[256] = "";
    int named = 0;
    for (int i = 0; i < OPTIONS; i++) {
        nearest_offer(&near, option_rows[i].name);
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

static bool refuse(int flag, char **argv)
{
    const option_row *row = row_of(optopt);
    bool letter = optopt && optopt < LONG;
    if (flag == ':' && letter) return complain("option -%c wants a value, %s", optopt, row->value);
    if (flag == ':') return complain("option --%s wants a value, %s", row->name, row->value);
    if (letter) return unknown_letter(optopt, argv[optind]); /* optind has not passed the word */
    if (row) return complain("option --%s takes no value", row->name);
    return unknown_word(argv[optind - 1]);
}

bool run_options_read(run_options *o, int argc, char **argv, int *status)
{
    forms f;
    forms_make(&f);
    *o = (run_options){ .jobs = 16, .retries = 2 };
    *status = 2;
    opterr = 0;
    optind = 1;
    for (int flag; (flag = getopt_long(argc, argv, f.letters, f.longs, NULL)) != -1;) {
        const option_row *row = flag == '?' || flag == ':' ? NULL : row_of(flag);
        if (!row) return refuse(flag, argv);
        option_id id = (option_id)(row - option_rows);
        if (id == OPTION_HELP || id == OPTION_VERSION) {
            if (id == OPTION_HELP) help_run();
            *status = id == OPTION_HELP ? 0 : -1;
            return false;
        }
        char name[32];
        snprintf(name, sizeof name, "--%s", row->name);
        if (!readers[id](o, name, optarg)) return false;
    }
    if (o->select && o->output_dir)
        return complain("--select and --output-dir cannot be combined: a body that is saved is not "
                        "read");
    if (optind < argc) o->files = (const char *const *)(argv + optind);
    return true;
}

void run_options_free(run_options *o)
{
    free(o->headers);
    free(o->select);
    o->headers = o->select = NULL;
}
