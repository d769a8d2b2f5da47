/*
 * Numbers are read strictly (all of the text, in range) and a bad one is named with its flag.
 * --faults fills the shares that no flag of their own has set, in whatever order the flags come. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_MS = 3600 * 1000,
    MOST_SECONDS = 365 * 24 * 3600,
    MOST_POLLS = 1000000,
    MOST_PORT = 65535
};

enum flag {
    FLAG_PORT = 256, /* behind all letters */
    FLAG_SEED,
    FLAG_DELAY,
    FLAG_DELAY_SPREAD,
    FLAG_SLOW,
    FLAG_RETRY_AFTER,
    FLAG_POLLS,
    FLAG_OPERATION,
    FLAG_QUOTA,
    FLAG_WITH_PARENT,
    FLAG_UNTIL_EOF,
    FLAG_FAULTS,
    FLAG_SHARES, /* + fate: stays last */
};

static const struct option flags[] = {
    { "port", required_argument, NULL, FLAG_PORT },
    { "seed", required_argument, NULL, FLAG_SEED },
    { "delay-ms", required_argument, NULL, FLAG_DELAY },
    { "delay-spread-ms", required_argument, NULL, FLAG_DELAY_SPREAD },
    { "slow-ms", required_argument, NULL, FLAG_SLOW },
    { "retry-after", required_argument, NULL, FLAG_RETRY_AFTER },
    { "polls", required_argument, NULL, FLAG_POLLS },
    { "operation-ms", required_argument, NULL, FLAG_OPERATION },
    { "quota", required_argument, NULL, FLAG_QUOTA },
    { "with-parent", no_argument, NULL, FLAG_WITH_PARENT },
    { "until-eof", no_argument, NULL, FLAG_UNTIL_EOF },
    { "faults", required_argument, NULL, FLAG_FAULTS },
    { "fail-503", required_argument, NULL, FLAG_SHARES + FATE_FAIL_503 },
    { "fail-429", required_argument, NULL, FLAG_SHARES + FATE_FAIL_429 },
    { "drop-unprocessed", required_argument, NULL, FLAG_SHARES + FATE_DROP_UNPROCESSED },
    { "drop-before", required_argument, NULL, FLAG_SHARES + FATE_DROP_BEFORE },
    { "drop-middle", required_argument, NULL, FLAG_SHARES + FATE_DROP_MIDDLE },
    { "slow-body", required_argument, NULL, FLAG_SHARES + FATE_SLOW_BODY },
    { "wrong-type", required_argument, NULL, FLAG_SHARES + FATE_WRONG_TYPE },
    { "verbose", no_argument, NULL, 'v' },
    { "quiet", no_argument, NULL, 'q' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const char help[] =
    "Usage: demo-server [OPTION]...\n"
    "A video-generation service on loopback, with faults on demand, to try HTTP clients against.\n"
    "Prints \"listening on http://127.0.0.1:PORT\" when it is ready and runs until SIGINT or "
    "SIGTERM.\n"
    "\n"
    "  POST /generate             {\"prompt\",\"video_id\",\"quality\",\"duration\"}: makes a "
    "video, answers when "
    "done;\n"
    "                             \"max_tokens\" limits the tokens that its usage counts\n"
    "  POST /videos               the same, answers 202 with Operation-Location at once\n"
    "  GET  /operations/ID        queued, then running, then succeeded\n"
    "  GET  /videos/ID/content    some bytes, once the video is made\n"
    "  GET  /stats, /stats/ID     what was requested and done, for all videos and for one\n"
    "  GET  /events               five server-sent events, one after the other\n"
    "  POST /uploads              answers with the number of bytes received, and their type\n"
    "  GET  /healthz              always succeeds, like /stats\n"
    "With an Idempotency-Key the work is done once and every repeat has the stored answer.\n"
    "\n"
    "      --port N               port on 127.0.0.1; 0, the default: any free one\n"
    "      --seed N               other faults and other delays (0); the n-th request for a video "
    "always meets the\n"
    "                             same fate under the same seed, whatever the order of requests\n"
    "      --delay-ms N           how long /generate takes (50)\n"
    "      --delay-spread-ms N    up to N more, drawn by seed (0)\n"
    "      --polls N              an operation is found queued by 1 to N polls, then running by 1 "
    "to N (2)\n"
    "      --operation-ms N       an operation is not done before (0)\n"
    "\n"
    "      --quota N/S            429 for all but N requests in S seconds, /stats aside; RateLimit "
    "headers in all replies\n"
    "\n"
    "Shares of requests to make fail, fractions from 0 to 1 (0), together at most 1:\n"
    "      --fail-503 F           503, not processed\n"
    "      --fail-429 F           429 with Retry-After, half in seconds, half as a date; not "
    "processed\n"
    "      --drop-unprocessed F   connection closed without a reply, not processed\n"
    "      --drop-before F        connection closed without a reply, processed\n"
    "      --drop-middle F        connection closed in the middle of the body, processed\n"
    "      --slow-body F          body comes in pieces over --slow-ms, processed\n"
    "      --wrong-type F         an HTML page instead of JSON, processed\n"
    "      --faults F             F spread evenly over those sorts of these that are not given by "
    "themselves\n"
    "      --slow-ms N            how long a slow body takes (1000)\n"
    "      --retry-after S        whole seconds that a 429 and an unfinished operation ask for "
    "(1)\n"
    "\n"
    "      --with-parent          end when the parent dies (the thread of it that started this)\n"
    "      --until-eof            end when stdin ends\n"
    "  -v, --verbose              a line on stderr for every request\n"
    "  -q, --quiet                nothing on stderr but errors: no such lines, no totals at the "
    "end\n"
    "  -h, --help                 this text\n";

static bool read_whole(const char *text, long most, long *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > most) {
        return false;
    }
    *out = value;
    return true;
}

static bool read_seed(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-')) {
        return false;
    }
    *out = value;
    return true;
}

static bool read_share(const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1)) {
        return false;
    }
    *out = value;
    return true;
}

static const char *flag_name(int flag)
{
    const struct option *found = flags;
    while (found->val != flag) {
        found++;
    }
    return found->name;
}

static bool refuse(int *status)
{
    fputs("Try 'demo-server --help'.\n", stderr);
    *status = 2;
    return false;
}

static bool bad_number(int flag, const char *what, long most, int *status)
{
    if (most) {
        fprintf(stderr, "demo-server: --%s: '%s' is not a whole number from 0 to %ld\n",
                flag_name(flag), what, most);
    } else {
        fprintf(stderr, "demo-server: --%s: '%s' is not a fraction from 0 to 1\n", flag_name(flag),
                what);
    }
    return refuse(status);
}

static bool read_quota(struct options *options, int *status)
{
    char number[24] = "";
    size_t size = strcspn(optarg, "/");
    if (optarg[size] && size < sizeof number) {
        memcpy(number, optarg, size);
    }
    if (read_whole(number, MOST_SECONDS, &options->quota) && options->quota &&
        read_whole(optarg + size + 1, MOST_SECONDS, &options->quota_s) && options->quota_s) {
        return true;
    }
    fprintf(stderr, "demo-server: --quota: '%s' is not N/SECONDS, such as 100/60\n", optarg);
    return refuse(status);
}

static bool spread_faults(struct options *options, double faults, int *status)
{
    double sum = 0;
    for (int fate = 0; fate < FATES; fate++) {
        if (isnan(options->shares[fate])) {
            options->shares[fate] = faults / FATES;
        }
        sum += options->shares[fate];
    }
    if (sum > 1 + 1e-9) {
        fprintf(stderr, "demo-server: the shares of faults add up to %g, more than 1\n", sum);
        return refuse(status);
    }
    return true;
}

/* A flag that takes a whole number or a share. */
static bool read_number(struct options *options, int flag, double *faults, int *status)
{
    long most = MOST_MS, port = 0;
    bool good;
    switch (flag) {
    case FLAG_PORT:
        good = read_whole(optarg, most = MOST_PORT, &port);
        options->port = (uint16_t)port;
        break;
    case FLAG_DELAY: good = read_whole(optarg, most, &options->delay_ms); break;
    case FLAG_DELAY_SPREAD: good = read_whole(optarg, most, &options->delay_spread_ms); break;
    case FLAG_SLOW: good = read_whole(optarg, most, &options->slow_ms); break;
    case FLAG_RETRY_AFTER:
        good = read_whole(optarg, most = MOST_SECONDS, &options->retry_after);
        break;
    case FLAG_POLLS: good = read_whole(optarg, most = MOST_POLLS, &options->polls); break;
    case FLAG_OPERATION: good = read_whole(optarg, most, &options->operation_ms); break;
    case FLAG_FAULTS:
        most = 0;
        good = read_share(optarg, faults);
        break;
    default: most = 0; good = read_share(optarg, &options->shares[flag - FLAG_SHARES]);
    }
    return good || bad_number(flag, optarg, most, status);
}

bool options_read(struct options *options, int argc, char **argv, int *status)
{
    *options = (struct options){ .delay_ms = 50, .slow_ms = 1000, .retry_after = 1, .polls = 2 };
    double faults = 0;
    for (int fate = 0; fate < FATES; fate++) {
        options->shares[fate] = NAN;
    }
    for (int flag; (flag = getopt_long(argc, argv, "vqh", flags, NULL)) != -1;) {
        switch (flag) {
        case FLAG_SEED:
            if (!read_seed(optarg, &options->seed)) {
                fprintf(stderr,
                        "demo-server: --seed: '%s' is not a whole number from 0 to 2^64 - 1\n",
                        optarg);
                return refuse(status);
            }
            break;
        case FLAG_QUOTA:
            if (!read_quota(options, status)) {
                return false;
            }
            break;
        case FLAG_WITH_PARENT: options->with_parent = true; break;
        case FLAG_UNTIL_EOF: options->until_eof = true; break;
        case 'v': options->verbose = true; break;
        case 'q': options->quiet = true; break;
        case 'h':
            fputs(help, stdout);
            *status = fflush(stdout) ? 1 : 0;
            return false;
        case '?': return refuse(status);
        default:
            if (!read_number(options, flag, &faults, status)) {
                return false;
            }
        }
    }
    if (optind < argc) {
        fprintf(stderr, "demo-server: unexpected argument '%s'\n", argv[optind]);
        return refuse(status);
    }
    return spread_faults(options, faults, status);
}
