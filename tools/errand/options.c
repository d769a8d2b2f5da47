/* options.c -- every value is read strictly: all of its text, in range, and a wrong one is named
 * with its option.
 *
 *     option_table --> arrays of getopt_long --> rows of options, in a list --> readers -->
 * run_options environment, files (given.c) --^
 *
 * A reader gets the name that its error message shows beside the value, so a value need not come
 * from the command line. */
#include "options.h"

#include "complain.h"
#include "credentials.h"
#include "given.h"
#include "headers.h"
#include "help.h"
#include "nearest.h"
#include "option_table.h"
#include "route_options.h"

#include <errand.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JOBS_MOST     10000
#define RETRIES_MOST  1000
#define BURST_MOST    1000000u
#define TIME_MOST     INT64_C(1000000000000) /* ms */
#define LINES_MOST    2000000000
#define DEFAULTS_MOST ((size_t)1 << 20)
#define TOKEN         "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

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

static bool read_burst(const char *name, const char *text, const char *burst, unsigned *value)
{
    char *end;
    size_t digits = strspn(burst, "0123456789");
    unsigned long n = digits && digits < 8 ? strtoul(burst, &end, 10) : 0;
    if (!n || burst[digits] || n > BURST_MOST) {
        return complain("%s %s: a burst from 1 to %u is wanted behind the comma", name, text,
                        BURST_MOST);
    }
    *value = (unsigned)n;
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

static bool read_pace(pace *p, const char *name, const char *text)
{
    double value = 0;
    char unit[3] = "";
    const char *behind = read_decimals(text, &value);
    bool burst = behind && strlen(behind) > 3 && behind[2] == ',';
    if (behind && (burst || strlen(behind) == 2)) memcpy(unit, behind, 2);
    double seconds = seconds_of(unit);
    if (seconds == 0 || value / seconds < 1e-6 || value / seconds > 1e6) {
        return complain("%s %s: a number a second, minute or hour is wanted, maybe with a burst: "
                        "10/s, 600/m, 900/h,20",
                        name, text);
    }
    *p = (pace){ .per_second = value / seconds, .burst = 1 };
    return !burst || read_burst(name, text, behind + 3, &p->burst);
}

static bool read_rate(run_options *o, const char *name, const char *text)
{
    return read_pace(&o->rate, name, text);
}

static bool read_rate_total(run_options *o, const char *name, const char *text)
{
    return read_pace(&o->rate_total, name, text);
}

static bool read_method(run_options *o, const char *name, const char *text)
{
    if (!*text || text[strspn(text, TOKEN)])
        return complain("%s %.60s: a method is wanted, as GET", name, text);
    o->method = text;
    return true;
}

static bool read_params(run_options *o, const char *name, const char *text)
{
    const char *value = strchr(text, '=');
    if (!value || value == text) return complain("%s %.60s: NAME=TEXT is wanted", name, text);
    return run_options_list(&o->params, text);
}

static bool read_format(run_options *o, const char *name, const char *text)
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

static bool read_delimiter(run_options *o, const char *name, const char *text)
{
    bool tab = !strcmp(text, "tab") || !strcmp(text, "\\t");
    o->delimiter = tab ? '\t' : text[0];
    if (tab || (text[0] && !text[1] && !strchr("\"\r\n", text[0]))) return true;
    return complain("%s %s: one character is wanted, no quotation mark, or tab", name, text);
}

static bool read_template(run_options *o, const char *name, const char *text)
{
    if (!*text) return complain("%s: a url is wanted", name);
    o->url_template = text;
    return true;
}

static bool read_json(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->json_template = text;
    return true;
}

static bool read_id(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->id_column = text;
    return true;
}

static bool read_skip(run_options *o, const char *name, const char *text)
{
    return read_count(name, text, 0, LINES_MOST, &o->skip);
}

static bool read_take(run_options *o, const char *name, const char *text)
{
    return read_count(name, text, 1, LINES_MOST, &o->take);
}

/* The whole file, which jobs then check. */
static bool read_defaults(run_options *o, const char *name, const char *text)
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

static bool read_openai(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->openai = true;
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
    return run_options_list(&o->select, text);
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

static bool read_max_time(run_options *o, const char *name, const char *text)
{
    return read_time(name, text, &o->job_ms);
}

static bool read_retry_max_time(run_options *o, const char *name, const char *text)
{
    return read_time(name, text, &o->retry_ms);
}

static bool read_deadline(run_options *o, const char *name, const char *text)
{
    return read_time(name, text, &o->deadline_ms);
}

static bool read_retry_on(run_options *o, const char *name, const char *text)
{
    const char *bad, *near;
    int size;
    if (retry_on_read(&o->retry_on, text, &bad, &size, &near)) return true;
    if (near)
        return complain("%s %s: unknown word \"%.*s\": did you mean %s?", name, text, size, bad,
                        near);
    return complain("%s %s: \"%.*s\" is neither a kind of failure (network, timeout, http_client, "
                    "http_server, auth, rate_limited, protocol, resource, unknown) nor a status "
                    "from %d to %d",
                    name, text, size, bad, STATUS_LEAST, STATUS_MOST);
}

static bool read_halt(run_options *o, const char *name, const char *text)
{
    if (halt_on_read(&o->halt_on, text)) return true;
    return complain("%s %s: never, or now or soon with a reason is wanted: soon,fatal, now,fail=3, "
                    "soon,fail=10%%",
                    name, text);
}

static bool read_idempotent(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->idempotent = true;
}

static bool read_idempotency_key(run_options *o, const char *name, const char *text)
{
    if (strcmp(text, "auto") != 0) return complain("%s %s: auto is wanted", name, text);
    return o->idempotency_keys = true;
}

static bool read_log(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->log = text;
    return true;
}

static bool read_output(run_options *o, const char *name, const char *text)
{
    if (!*text || !strcmp(text, "-")) return complain("%s: the path of a file is wanted", name);
    o->output = text;
    return true;
}

static bool read_begin(run_options *o, const char *name, errand_results_begin begin)
{
    if (o->begin && o->begin != begin) return complain("%s: either --resume or --fresh", name);
    o->begin = begin;
    return true;
}

static bool read_resume(run_options *o, const char *name, const char *text)
{
    (void)text;
    return read_begin(o, name, ERRAND_RESULTS_RESUME);
}

static bool read_fresh(run_options *o, const char *name, const char *text)
{
    (void)text;
    return read_begin(o, name, ERRAND_RESULTS_FRESH);
}

static bool read_retry_failed(run_options *o, const char *name, const char *text)
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

static bool read_repeat_unknown(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->repeat_unknown = true;
}

static bool read_refused_may_have_run(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->refused_may_have_run = true;
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

static bool read_netrc(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->netrc = true;
}

static bool read_http2(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->http2 = true;
}

static bool read_no_decompress(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->no_decompress = true;
}

static bool read_expand(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->expand = true;
}

static bool read_limit_per_host(run_options *o, const char *name, const char *text)
{
    return read_count(name, text, 1, JOBS_MOST, &o->per_host);
}

static bool read_max_body(run_options *o, const char *name, const char *text)
{
    static const char units[] = "kKmMgG";
    char *end;
    errno = 0;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    const char *unit = n && *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * ((unsigned)(unit - units) / 2 + 1) : 0;
    if (!n || errno || (*end && (!unit || end[1])) || n > (UINT64_C(1) << 50) >> shift)
        return complain("%s %s: a size above 0 is wanted, in bytes or with k, M or G: 500k, 64M",
                        name, text);
    o->max_body = (size_t)n << shift;
    return true;
}

/* text is NULL where the row has no value. --config (given.c), --help and --version
 * have no reader. */
static bool (*const readers[OPTIONS])(run_options *o, const char *name, const char *text) = {
    [OPTION_JOBS] = read_jobs,
    [OPTION_RATE] = read_rate,
    [OPTION_RETRIES] = read_retries,
    [OPTION_TIMEOUT] = read_timeout,
    [OPTION_CONNECT_TIMEOUT] = read_connect_timeout,
    [OPTION_BASE_URL] = read_base,
    [OPTION_REQUEST] = read_method,
    [OPTION_FORMAT] = read_format,
    [OPTION_DELIMITER] = read_delimiter,
    [OPTION_TEMPLATE] = read_template,
    [OPTION_JSON] = read_json,
    [OPTION_PARAMS] = read_params,
    [OPTION_ID] = read_id,
    [OPTION_DEFAULTS] = read_defaults,
    [OPTION_SKIP] = read_skip,
    [OPTION_TAKE] = read_take,
    [OPTION_HEADER] = headers_read,
    [OPTION_EXPAND] = read_expand,
    [OPTION_BEARER_ENV] = credentials_bearer_env,
    [OPTION_BEARER_FILE] = credentials_bearer_file,
    [OPTION_TOKEN_COMMAND] = credentials_token_command,
    [OPTION_USER] = credentials_user,
    [OPTION_NETRC] = read_netrc,
    [OPTION_PROXY] = route_proxy,
    [OPTION_NOPROXY] = route_noproxy,
    [OPTION_CACERT] = route_cacert,
    [OPTION_CAPATH] = route_capath,
    [OPTION_CERT] = route_cert,
    [OPTION_KEY] = route_key,
    [OPTION_PINNED_PUBKEY] = route_pins,
    [OPTION_UNIX_SOCKET] = route_unix_socket,
    [OPTION_RESOLVE] = route_resolve,
    [OPTION_HTTP2] = read_http2,
    [OPTION_LIMIT_PER_HOST] = read_limit_per_host,
    [OPTION_MAX_BODY] = read_max_body,
    [OPTION_NO_DECOMPRESS] = read_no_decompress,
    [OPTION_OUTPUT] = read_output,
    [OPTION_RETRY_FAILED] = read_retry_failed,
    [OPTION_RESUME] = read_resume,
    [OPTION_FRESH] = read_fresh,
    [OPTION_REPEAT_UNKNOWN] = read_repeat_unknown,
    [OPTION_RATE_TOTAL] = read_rate_total,
    [OPTION_MAX_TIME] = read_max_time,
    [OPTION_DEADLINE] = read_deadline,
    [OPTION_RETRY_ON] = read_retry_on,
    [OPTION_RETRY_MAX_TIME] = read_retry_max_time,
    [OPTION_IDEMPOTENT] = read_idempotent,
    [OPTION_IDEMPOTENCY_KEY] = read_idempotency_key,
    [OPTION_HALT] = read_halt,
    [OPTION_REFUSED_MAY_HAVE_RUN] = read_refused_may_have_run,
    [OPTION_ORDERED] = read_ordered,
    [OPTION_OPENAI] = read_openai,
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

static bool insecure(const char *word) /* which users of curl look for */
{
    return complain("there is no %s: trust the server's certificate with --cacert, or its key with "
                    "--pinned-pubkey",
                    word);
}

/* word is the argument that has the letter, the one behind it, or NULL. */
static bool unknown_letter(int letter, const char *word)
{
    if (letter == 'k') return insecure("-k");
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
    if (!strcmp(word, "--insecure")) return insecure(word);
    er_nearest near = { .word = word + 2, .size = strcspn(word + 2, "=") };
    char several[256] = "";
    int named = 0;
    for (int i = 0; i < OPTIONS; i++) {
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

/* ---- the whole ---- */

/* The command line, as a list. False: end with *status, all has been said. */
static bool read_command_line(run_options *o, int argc, char **argv, int *status)
{
    forms f;
    forms_make(&f);
    opterr = 0;
    optind = 1;
    for (int flag; (flag = getopt_long(argc, argv, f.letters, f.longs, NULL)) != -1;) {
        const option_row *row = flag == '?' || flag == ':' ? NULL : row_of(flag);
        if (!row) return refuse(flag, argv);
        option_id id = (option_id)(row - option_rows);
        if (id == OPTION_HELP || id == OPTION_VERSION) {
            if (id == OPTION_HELP && !strcmp(argv[0], "retry")) help_retry();
            else if (id == OPTION_HELP) help_run();
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

static bool read_files(run_options *o)
{
    for (const given_option *given = o->given->first; given; given = given->next) {
        if (given->id == OPTION_CONFIG && !given_file(o->given, given->text, given->name))
            return false;
    }
    return true;
}

/* The values of each place in turn, the one with the lowest rank first. */
static bool read_values(run_options *o)
{
    for (given_rank rank = 0; rank < GIVEN_RANKS; rank++) {
        for (const given_option *given = o->given->first; given; given = given->next) {
            if (given->rank != rank || given->off || !readers[given->id]) continue;
            if (!given_counts(o->given, given)) continue;
            if (!readers[given->id](o, given->name, given->text)) return false;
        }
    }
    return true;
}

static bool check_resume(const run_options *o)
{
    if (o->begin && !o->output)
        return complain("--%s goes with -o FILE",
                        o->begin == ERRAND_RESULTS_FRESH ? "fresh" : "resume");
    if (o->retry_kinds && o->begin != ERRAND_RESULTS_RESUME)
        return complain("--retry-failed goes with --resume");
    if (o->repeat_unknown && o->begin != ERRAND_RESULTS_RESUME)
        return complain("--repeat-unknown goes with --resume");
    return true;
}

bool run_options_words(run_options *o, int argc, char **argv, int *status)
{
    *o = (run_options){
        .jobs = 16, .retries = 2, .halt_on.fatal = true, .format = ERRAND_JOBS_AUTO
    };
    *status = 2;
    complain_command = argv[0];
    o->given = calloc(1, sizeof *o->given);
    return o->given ? read_command_line(o, argc, argv, status) : complain("out of memory");
}

bool run_options_read(run_options *o, int argc, char **argv, int *status)
{
    if (!run_options_words(o, argc, argv, status)) return false;
    if (!given_environment(o->given) || !read_files(o) || !read_values(o)) return false;
    if (o->expand && !headers_expand(o)) return false;
    if (o->select && o->output_dir)
        return complain("--select and --output-dir cannot be combined: a body that is saved is not "
                        "read");
    return check_resume(o) && route_complete(o) && credentials_complete(o);
}

bool run_options_list(const char ***list, const char *text)
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

bool run_options_keep(run_options *o, char *text)
{
    size_t n = 0;
    while (o->kept && o->kept[n]) n++;
    char **kept = realloc(o->kept, (n + 2) * sizeof *kept);
    if (!kept) {
        free(text);
        return complain("out of memory");
    }
    kept[n] = text;
    kept[n + 1] = NULL;
    o->kept = kept;
    return true;
}

void run_options_free(run_options *o)
{
    for (size_t i = 0; o->kept && o->kept[i]; i++) free(o->kept[i]);
    if (o->given) given_free(o->given);
    free(o->given);
    free(o->kept);
    free(o->headers);
    free(o->select);
    free(o->params);
    free(o->defaults);
    free(o->resolve);
    free(o->secrets);
    *o = (run_options){ 0 };
}
