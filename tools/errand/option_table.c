/* option_table.c -- every word of `help` is read on a terminal, in a menu of completions and on
 * paper: it begins with a verb and has no period at its end. Sentences go into
 * `more`. */
#include "option_table.h"

const group_row group_rows[GROUPS] = {
    [GROUP_LIMITS] = { "Limits and retries",
                       "TIME is in seconds or has a unit: 200ms, 1.5s, 2m, 1h. A job's own "
                       "\"timeout\" and \"retries\" go before these options. A POST without an "
                       "idempotency key is not repeated after a timeout, 429 or 503: it could be "
                       "done, and paid for, twice. A key of your own (\"order-17\") holds in later "
                       "runs, too; the key true is a new one in each run." },
    [GROUP_REQUESTS] = { "Requests", NULL },
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
        .help = "limit the attempts begun: 10/s, 600/m, 900/h",
        .more = "UNIT is s, m or h: a second, a minute, an hour. N may have decimals. Without this "
                "option there is no limit. The limit holds over all hosts. Retries count as well.",
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
    [OPTION_ORDERED] = {
        .name = "ordered", .group = GROUP_OUTPUT,
        .help = "write results in the order of the input",
        .more = "Without it each result is written when its job ends.",
    },
    [OPTION_HEADERS] = {
        .name = "headers", .group = GROUP_OUTPUT, .value = "WHICH", .initial = "some",
        .choices = "none some all",
        .help = "put these headers of replies into results: none, some or all",
        .more = "With some, type, length, dates, request ids and rate limits. Values of headers "
                "that sound like secrets are \"*\".",
    },
    [OPTION_BODY] = {
        .name = "body", .group = GROUP_OUTPUT, .value = "WHICH", .initial = "keep",
        .choices = "keep drop failed",
        .help = "put bodies of replies into results: keep, drop, or only of failed jobs",
        .more = "With drop and failed the \"body\" of the others is null.",
    },
    [OPTION_SELECT] = {
        .name = "select", .group = GROUP_OUTPUT, .value = "POINTER", .repeats = true,
        .help = "put only this value of a JSON reply into results; repeatable",
        .more = "POINTER is a JSON pointer (RFC 6901): /usage/total_tokens, /choices/0/text. A "
                "result of a job that succeeded then has \"selected\", an object with the value "
                "for each POINTER, instead of the body; null where there is no such value. It "
                "cannot be combined with output-dir.",
    },
    [OPTION_OUTPUT_DIR] = {
        .name = "output-dir", .group = GROUP_OUTPUT, .value = "DIR", .file = true,
        .help = "save the body of each successful reply in a file in DIR",
        .more = "DIR is made if it is missing. A file is named by the job's \"id\", else by its "
                "number, and by the type of the reply: 17.json. What cannot stand in a name becomes "
                "\"_\"; a name that another job has, in any case, gets the job's number behind it. "
                "\"saved_to\" in the result has the name. Files are whole or not there. A job's own "
                "\"save_to\" goes before it.",
    },
    [OPTION_PROGRESS] = {
        .name = "progress", .group = GROUP_OUTPUT, .value = "WHEN", .initial = "auto",
        .choices = "auto always never json",
        .help = "show progress: auto, always, never or json",
        .more = "With auto errand shows it on standard error. On a terminal that is a block of up "
                "to eight lines, with failures by class; on a small one it is one line; there is "
                "none if TERM is dumb or standard output is a terminal, too. Where standard error "
                "is no terminal it is a line every 10 seconds, and with always every second. At "
                "the end, on a terminal and with always, there is a summary. With json progress is "
                "a JSON object every second, with \"type\": \"progress\", and at the end one with "
                "\"type\": \"summary\", which has the failures by class.",
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
