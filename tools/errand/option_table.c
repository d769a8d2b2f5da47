/* option_table.c -- every word of `help` is read on a terminal, in a menu of completions and on
 * paper: it begins with a verb and has no period at its end. Sentences go into
 * `more`. */
#include "option_table.h"

const group_row group_rows[GROUPS] = {
    [GROUP_LIMITS] = { "Limits and retries",
                       "TIME is in seconds or has a unit: 200ms, 1.5s, 2m, 1h. A job's own "
                       "\"timeout\" and \"retries\" go before these options. A POST without an "
                       "idempotency key is not repeated after a timeout or 503: it could be done, "
                       "and paid for, twice. A key of your own (\"order-17\") holds in later "
                       "runs, too; the key true is a new one in each run." },
    [GROUP_REQUESTS] = { "Requests", NULL },
    [GROUP_PACE] = { "Pace and failures",
                     "A 429, or a 503 with Retry-After, holds back all jobs for that host until "
                     "then, at most 5 minutes; a 429 without Retry-After for 1 s. The first such "
                     "wait of a host is reported." },
    [GROUP_OUTPUT] = { "Output", NULL },
    [GROUP_ABOUT] = { "Help", NULL },
};

const command_row command_rows[COMMANDS] = {
    [COMMAND_RUN] = { "run", "send requests given as JSON Lines, write results as JSON Lines" },
};

const option_row option_rows[OPTIONS] = {
    [OPTION_JOBS] = {
        .name = "jobs", .letter = 'j', .group = GROUP_LIMITS, .value = "N", .initial = "16",
        .help = "run at most N jobs at the same time",
        .more = "N is from 1 to 10000. It limits the connections as well. Where the limit of open "
                "files (ulimit -n) allows fewer, errand takes fewer and says so.",
    },
    [OPTION_RATE] = {
        .name = "rate", .group = GROUP_LIMITS, .value = "N/UNIT",
        .help = "limit the attempts begun for each host: 10/s, 600/m, 900/h",
        .more = "UNIT is s, m or h: a second, a minute, an hour. N may have decimals. A comma and "
                "a whole number may follow, as in 10/s,5: so many attempts may begin at once after "
                "a quiet time, else one. Without this option there is no limit. A host is a name "
                "with its port. Retries count as well. See also --rate-total.",
    },
    [OPTION_RETRIES] = {
        .name = "retries", .group = GROUP_LIMITS, .value = "N", .initial = "2",
        .help = "try a failed job up to N times more",
        .more = "N is from 0 to 1000. A job's \"retries\" goes before it. Which failures are "
                "repeated is described under RETRIES.",
    },
    [OPTION_TIMEOUT] = {
        .name = "timeout", .group = GROUP_LIMITS, .value = "TIME", .initial = "5m",
        .help = "end an attempt after TIME",
        .more = "TIME is seconds, decimals are allowed, or a number with one of the units ms, s, m "
                "and h: 1.5, 200ms, 2m. It runs from the attempt's turn to the last byte of the "
                "reply. A job's \"timeout\" goes before it.",
    },
    [OPTION_CONNECT_TIMEOUT] = {
        .name = "connect-timeout", .group = GROUP_LIMITS, .value = "TIME", .initial = "30s",
        .help = "give up connecting after TIME",
        .more = "Finding the host's address, connecting and the TLS handshake count.",
    },
    [OPTION_BASE_URL] = {
        .name = "base-url", .group = GROUP_REQUESTS, .value = "URL",
        .help = "resolve relative urls of jobs against URL",
        .more = "URL is absolute, http or https.",
    },
    [OPTION_HEADER] = {
        .name = "header", .letter = 'H', .group = GROUP_REQUESTS, .value = "HEADER",
        .repeats = true,
        .help = "add a line \"Name: value\" to each job; repeatable",
        .more = "A header that a job has itself is left alone. Content-Length, Transfer-Encoding "
                "and Connection are set by errand itself. Idempotency-Key is refused, as each job "
                "needs one of its own. Other users of the machine can see the arguments of a "
                "process; a secret is better kept in the headers of the jobs.",
    },
    [OPTION_RATE_TOTAL] = {
        .name = "rate-total", .group = GROUP_PACE, .value = "N/UNIT",
        .help = "limit the attempts begun for all hosts together",
        .more = "N/UNIT is as with --rate. An attempt waits for its turn at its host first.",
    },
    [OPTION_MAX_TIME] = {
        .name = "max-time", .group = GROUP_PACE, .value = "TIME",
        .help = "end a job, with all its attempts and waits, after TIME",
        .more = "An attempt that cannot begin in that time is not waited for.",
    },
    [OPTION_DEADLINE] = {
        .name = "deadline", .group = GROUP_PACE, .value = "TIME",
        .help = "after TIME begin no more jobs, cancel those in flight",
        .more = "TIME runs from the start of errand, which then ends with status 5. Jobs that were "
                "not begun have no result line.",
    },
    [OPTION_RETRY_ON] = {
        .name = "retry-on", .group = GROUP_PACE, .value = "LIST",
        .help = "repeat after these kinds and statuses: timeout,network,503",
        .more = "LIST is instead of what is listed under RETRIES: kinds of failures and statuses "
                "from 400 to 999, with commas between them. The kinds are network, timeout, "
                "http_client, http_server, auth, rate_limited, protocol, resource and unknown, as "
                "in the \"error\" of a result. What the server may have begun is still repeated "
                "only if this is harmless.",
    },
    [OPTION_RETRY_MAX_TIME] = {
        .name = "retry-max-time", .group = GROUP_PACE, .value = "TIME",
        .help = "repeat no job later than TIME after it began",
        .more = "An attempt that has begun before may take longer.",
    },
    [OPTION_IDEMPOTENT] = {
        .name = "idempotent", .group = GROUP_PACE,
        .help = "take all jobs for harmless to do twice",
        .more = "A job's own \"idempotent\" goes before it.",
    },
    [OPTION_IDEMPOTENCY_KEY] = {
        .name = "idempotency-key", .group = GROUP_PACE, .value = "auto", .choices = "auto",
        .help = "give each job that lacks a key a fresh one",
        .more = "The key is sent as the header Idempotency-Key, the same with all attempts of a "
                "job, so that a server that knows this header does the work once. A job gets one "
                "unless its method is GET, HEAD, OPTIONS, TRACE, PUT or DELETE.",
    },
    [OPTION_REFUSED_MAY_HAVE_RUN] = {
        .name = "refused-may-have-run", .group = GROUP_PACE,
        .help = "repeat after 425 and 429 only what is harmless",
        .more = "Without it a job is repeated after these statuses whatever its method is: they "
                "say that the server has not begun it. Give this option for a service that counts "
                "such a request, or does its work all the same.",
    },
    [OPTION_HALT] = {
        .name = "halt", .group = GROUP_PACE, .value = "WHEN,WHY", .initial = "soon,fatal",
        .help = "begin no more jobs when WHY: fatal, fail=N, fail=N%; or never",
        .more = "With soon the jobs in flight are finished, with now they are cancelled. fatal: no "
                "job has succeeded yet, and three were answered 401, 402 or 403, or with a 4xx "
                "whose JSON has \"quota\" or \"billing\" in its code, type or message. fail=N: N "
                "jobs have failed. fail=N%: three or more jobs have failed, and N percent of those "
                "that ended. never: errand goes on. A run that halts says why, and its status is "
                "5. Jobs that were not begun have no result line.",
    },
    [OPTION_ORDERED] = {
        .name = "ordered", .group = GROUP_OUTPUT,
        .help = "write results in the order of the input",
        .more = "Without it each result is written when its job ends.",
    },
    [OPTION_PROGRESS] = {
        .name = "progress", .group = GROUP_OUTPUT, .value = "WHEN", .initial = "auto",
        .choices = "auto always never",
        .help = "show progress: auto, always or never",
        .more = "Progress is one line on standard error. With auto errand shows it if standard "
                "error is a terminal, TERM is not dumb, and standard output is not a terminal.",
    },
    [OPTION_LOG] = {
        .name = "log", .group = GROUP_OUTPUT, .value = "FILE", .file = true,
        .help = "append a log of retries and failures to FILE",
        .more = "If FILE cannot be opened, errand ends with status 4 before the first job. If it "
                "cannot be written later, errand says so once and the jobs go on.",
    },
    [OPTION_VERBOSE] = {
        .name = "verbose", .letter = 'v', .group = GROUP_OUTPUT,
        .help = "list every attempt in the results, and log more",
        .more = "A result line then has \"attempt_log\".",
    },
    [OPTION_QUIET] = {
        .name = "quiet", .letter = 'q', .group = GROUP_OUTPUT,
        .help = "show no progress and no totals, but errors",
    },
    [OPTION_HELP] = {
        .name = "help", .letter = 'h', .group = GROUP_ABOUT,
        .help = "show help",
    },
    [OPTION_VERSION] = {
        .name = "version", .group = GROUP_ABOUT,
        .help = "show the version and the parts it has",
    },
};
