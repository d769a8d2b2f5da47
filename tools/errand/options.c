/* options.c -- every value is read strictly: all of its text, in range, and a wrong one is named with its option. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JOBS_MOST    10000
#define RETRIES_MOST 1000
#define TIME_MOST    1e12 /* ms */

void run_help(void)
{
    fputs(
        "Usage: errand run [OPTION]... [FILE]...\n"
        "\n"
        "Sends the requests in FILEs (none, or \"-\": standard input), one JSON object a line, and writes one result\n"
        "line for each of them to standard output. All else goes to standard error.\n"
        "\n"
        "    {\"id\": 1, \"url\": \"https://example.com/a\", \"timeout\": \"10s\"}\n"
        "    {\"url\": \"/generate\", \"json\": {\"prompt\": \"Sunset\"}, \"idempotency_key\": true, \"retries\": 5}\n"
        "\n"
        "Requests\n"
        "  -j, --jobs N              so many at once (16)\n"
        "      --rate N/s            begin at most so many attempts a second; /m a minute, /h an hour (no limit)\n"
        "      --retries N           extra attempts for each job (2)\n"
        "      --timeout TIME        for one attempt, from its turn to the last byte (5m)\n"
        "      --connect-timeout TIME  for finding the host, connecting and TLS (30s)\n"
        "      --base-url URL        what relative urls are resolved against\n"
        "  -H, --header 'NAME: VALUE'  for every request that has no such header itself; repeatable\n"
        "\n"
        "Output\n"
        "      --ordered             results in the order of the input\n"
        "      --progress WHEN       always, never, or auto: when standard error is a terminal (not TERM=dumb) and\n"
        "                            the results go somewhere else\n"
        "      --log FILE            add a log of retries and failures to FILE\n"
        "  -v, --verbose             every attempt in the result lines, a more detailed log\n"
        "  -q, --quiet               no progress, no tally; errors are still told\n"
        "\n"
        "  -h, --help                show this\n"
        "      --version             show the version\n"
        "\n"
        "TIME is seconds, decimals are fine, or has a unit: 200ms, 1.5s, 2m.\n"
        "\n"
        "Keys of a job: url (the only one that must be there), id, method, headers, params, one of json, body and\n"
        "body_file, timeout, retries, idempotent, idempotency_key (a string, or true for a fresh one), save_to, meta.\n"
        "\n"
        "Tried again are failures to connect, timeouts, lost connections and the statuses 408 425 429 500 502 503\n"
        "504 522 524: after a random part of 50 ms, 100 ms, 200 ms and so on, and never before the time that a\n"
        "Retry-After names. What the server may have begun is only repeated if that is harmless: by its method\n"
        "(GET HEAD OPTIONS TRACE PUT DELETE), by \"idempotent\": true, or by a key, which goes with every attempt.\n"
        "So a POST without an idempotency key is not repeated after a timeout, and not after 429 or 503 either.\n"
        "\n"
        "The first Ctrl-C (or SIGTERM) takes no more jobs and finishes those in flight, the second cancels them, the\n"
        "third ends errand there and then.\n"
        "\n"
        "Exit status: 0 all went well, 1 some jobs failed, 2 wrong usage, 3 bad input (a line, a file), 4 results\n"
        "cannot be written, 130 interrupted. Of several the first in this order: 130 4 3 1.\n",
        stdout);
}

static bool complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool complain(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("errand run: ", stderr);
    vfprintf(stderr, fmt, args);
    fputs("\nTry \"errand run --help\".\n", stderr);
    va_end(args);
    return false;
}

static bool read_count(const char *name, const char *text, unsigned least, unsigned most, unsigned *value)
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
    return end == text + n ? end : NULL; /* no second point; what follows must not have been taken for an exponent */
}

static double ms_of(const char *unit) /* 0: no unit of ours */
{
    if (!*unit || !strcmp(unit, "s")) return 1000;
    if (!strcmp(unit, "ms")) return 1;
    return !strcmp(unit, "m") ? 60000 : 0;
}

static bool read_time(const char *name, const char *text, int64_t *ms)
{
    double value = 0;
    const char *unit = read_decimals(text, &value);
    double scale = unit ? ms_of(unit) : 0;
    if (scale == 0 || value <= 0 || value * scale > TIME_MOST) {
        return complain("%s %s: a time above 0 is wanted, in seconds or with a unit: 1.5, 200ms, 2m", name, text);
    }
    *ms = value * scale < 1 ? 1 : (int64_t)llround(value * scale);
    return true;
}

static double seconds_of(const char *unit) /* 0: no unit of ours */
{
    if (!strcmp(unit, "/s")) return 1;
    if (!strcmp(unit, "/m")) return 60;
    return !strcmp(unit, "/h") ? 3600 : 0;
}

static bool read_rate(const char *name, const char *text, double *per_second)
{
    double value = 0;
    const char *unit = read_decimals(text, &value);
    double seconds = unit ? seconds_of(unit) : 0;
    if (seconds == 0 || value / seconds < 1e-6 || value / seconds > 1e6) {
        return complain("%s %s: so many a second, minute or hour are wanted: 10/s, 600/m, 1000/h", name, text);
    }
    *per_second = value / seconds;
    return true;
}

static bool read_header(run_options *o, const char *name, const char *text)
{
    size_t token = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (!token || text[token] != ':' || strpbrk(text, "\r\n")) {
        size_t shown = strcspn(text, ": \t\r\n"); /* what follows may be a secret */
        return complain("%s \"%.*s...\": \"Name: value\" is wanted", name, (int)(shown < 60 ? shown : 60), text);
    }
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (token != strlen(ours[i]) || strncasecmp(text, ours[i], token)) continue;
        return complain("%s %s: that one is set by errand itself", name, ours[i]);
    }
    if (token == 15 && !strncasecmp(text, "Idempotency-Key", token)) {
        return complain("%s Idempotency-Key: it would be the same for all jobs; each can have its own", name);
    }
    size_t n = 0;
    while (o->headers && o->headers[n]) n++;
    const char **headers = realloc(o->headers, (n + 2) * sizeof *headers);
    if (!headers) return complain("out of memory");
    headers[n] = text;
    headers[n + 1] = NULL;
    o->headers = headers;
    return true;
}

static bool read_when(const char *name, const char *text, when *value)
{
    static const char *const words[] = { "auto", "always", "never" };
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, words[i])) continue;
        *value = (when)i;
        return true;
    }
    return complain("%s %s: auto, always or never is wanted", name, text);
}

static bool read_base(const char *name, const char *text, const char **value)
{
    size_t scheme = 0;
    if (!strncasecmp(text, "http://", 7)) scheme = 7;
    else if (!strncasecmp(text, "https://", 8)) scheme = 8;
    if (!scheme || !text[scheme] || strchr("/?#", text[scheme])) {
        return complain("%s: an absolute url is wanted, http://host/ or https://host/", name);
    }
    *value = text;
    return true;
}

enum { RATE = 256, RETRIES, TIMEOUT, CONNECT_TIMEOUT, BASE_URL, ORDERED, PROGRESS, LOG, VERSION };

static const struct option known[] = {
    { "jobs", required_argument, NULL, 'j' },
    { "rate", required_argument, NULL, RATE },
    { "retries", required_argument, NULL, RETRIES },
    { "timeout", required_argument, NULL, TIMEOUT },
    { "connect-timeout", required_argument, NULL, CONNECT_TIMEOUT },
    { "base-url", required_argument, NULL, BASE_URL },
    { "header", required_argument, NULL, 'H' },
    { "ordered", no_argument, NULL, ORDERED },
    { "progress", required_argument, NULL, PROGRESS },
    { "log", required_argument, NULL, LOG },
    { "verbose", no_argument, NULL, 'v' },
    { "quiet", no_argument, NULL, 'q' },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, VERSION },
    { NULL, 0, NULL, 0 },
};

static const char *name_of(int flag)
{
    static char letter[3] = "-?";
    for (const struct option *o = known; o->name; o++) {
        if (o->val == flag) return o->name;
    }
    letter[1] = (char)flag;
    return letter;
}

static bool take(run_options *o, int flag, const char *value, char **argv)
{
    char name[32];
    snprintf(name, sizeof name, "--%s", name_of(flag));
    switch (flag) {
    case 'j': return read_count(name, value, 1, JOBS_MOST, &o->jobs);
    case RETRIES: return read_count(name, value, 0, RETRIES_MOST, &o->retries);
    case RATE: return read_rate(name, value, &o->per_second);
    case TIMEOUT: return read_time(name, value, &o->timeout_ms);
    case CONNECT_TIMEOUT: return read_time(name, value, &o->connect_ms);
    case BASE_URL: return read_base(name, value, &o->base_url);
    case 'H': return read_header(o, name, value);
    case PROGRESS: return read_when(name, value, &o->progress);
    case LOG: o->log = value; return true;
    case ORDERED: o->ordered = true; return true;
    case 'v': o->verbose = true; return true;
    case 'q': o->quiet = true; return true;
    case ':':
        if (optopt < RATE && argv[optind - 1][1] != '-') return complain("option -%c wants a value", optopt);
        return complain("option --%s wants a value", name_of(optopt));
    default:
        if (optopt > 0 && optopt < RATE && argv[optind - 1][1] != '-') return complain("unknown option -%c", optopt);
        if (optopt > 0) return complain("option --%s takes no value", name_of(optopt));
        return complain("unknown or ambiguous option %s", argv[optind - 1]);
    }
}

bool run_options_read(run_options *o, int argc, char **argv, int *status)
{
    *o = (run_options){ .jobs = 16, .retries = 2 };
    *status = 2;
    opterr = 0;
    optind = 1;
    for (int flag; (flag = getopt_long(argc, argv, ":j:H:vqh", known, NULL)) != -1;) {
        if (flag == 'h' || flag == VERSION) {
            if (flag == 'h') run_help();
            *status = flag == 'h' ? 0 : -1;
            return false;
        }
        if (!take(o, flag, optarg, argv)) return false;
    }
    if (optind < argc) o->files = (const char *const *)(argv + optind);
    return true;
}

void run_options_free(run_options *o)
{
    free(o->headers);
    o->headers = NULL;
}
