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

#define JOBS_MOST    10000
#define RETRIES_MOST 1000
#define TIME_MOST    INT64_C(1000000000000) /* ms */

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

static bool read_progress(run_options *o, const char *name, const char *text)
{
    static const char *const words[] = {
        [WHEN_AUTO] = "auto", [WHEN_ALWAYS] = "always", [WHEN_NEVER] = "never"
    };
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, words[i])) continue;
        o->progress = (when)i;
        return true;
    }
    return complain("%s %s: auto, always or never is wanted", name, text);
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
    [OPTION_ORDERED] = read_ordered,
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
            if (id == OPTION_HELP) help_run();
            *status = id == OPTION_HELP ? 0 : -1;
            return false;
        }
        char name[32];
        snprintf(name, sizeof name, "--%s", row->name);
        if (!given_add(o->given, id, GIVEN_COMMAND, name, optarg)) return false;
    }
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

bool run_options_read(run_options *o, int argc, char **argv, int *status)
{
    *o = (run_options){ .jobs = 16, .retries = 2 };
    *status = 2;
    o->given = calloc(1, sizeof *o->given);
    if (!o->given) return complain("out of memory");
    if (!read_command_line(o, argc, argv, status)) return false;
    if (!given_environment(o->given) || !read_files(o) || !read_values(o)) return false;
    if (o->expand && !headers_expand(o)) return false;
    return route_complete(o) && credentials_complete(o);
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
    free(o->resolve);
    free(o->secrets);
    *o = (run_options){ 0 };
}
