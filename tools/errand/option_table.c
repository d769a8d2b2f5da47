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
    [GROUP_INPUT] = { "Input",
                      "In a template {name} is the column of a CSV, {line} the line of a list. "
                      "Fields are percent-encoded in urls and escaped in strings of JSON." },
    [GROUP_OUTPUT] = { "Output", NULL },
    [GROUP_ABOUT] = { "Help", NULL },
};

const command_row command_rows[COMMANDS] = {
    [COMMAND_RUN] = { "run", "send requests given in files, write results as JSON Lines" },
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
    [OPTION_REQUEST] = {
        .name = "request", .letter = 'X', .group = GROUP_REQUESTS, .value = "METHOD",
        .help = "use METHOD for jobs that have none",
        .more = "Without it that is GET, or POST for a job with a body.",
    },
    [OPTION_FORMAT] = {
        .name = "format", .group = GROUP_INPUT, .value = "FORMAT", .initial = "auto",
        .choices = "auto jsonl urls csv openai",
        .help = "read files as auto, jsonl, urls, csv or openai",
        .more = "The formats are described under INPUT. With auto the first line of each file "
                "decides, and errand says what it took a file for unless it is JSON Lines.",
    },
    [OPTION_DELIMITER] = {
        .name = "delimiter", .group = GROUP_INPUT, .value = "CHAR",
        .help = "take CHAR for what separates the fields of a CSV",
        .more = "CHAR may be tab. Without this option it is the first comma, semicolon, tab or "
                "vertical bar in the header.",
    },
    [OPTION_TEMPLATE] = {
        .name = "template", .group = GROUP_INPUT, .value = "URL",
        .help = "make the url of each record of URL",
        .more = "In URL a {name} stands for a field, {{ and }} for braces. A field at the very "
                "beginning of URL is not percent-encoded, so it may be a url itself.",
    },
    [OPTION_JSON] = {
        .name = "json", .group = GROUP_INPUT, .value = "TEMPLATE",
        .help = "make the body of each record of TEMPLATE, JSON",
        .more = "A {name} of a column in a string is escaped. Outside a string the field must be "
                "a number, true, false or null, else the record is a bad line. Other braces are "
                "left alone.",
    },
    [OPTION_PARAMS] = {
        .name = "params", .group = GROUP_INPUT, .value = "NAME=TEXT", .repeats = true,
        .help = "add NAME=TEXT to the query of each url; repeatable",
        .more = "TEXT is a template as that of a url, and is percent-encoded.",
    },
    [OPTION_ID] = {
        .name = "id", .group = GROUP_INPUT, .value = "COLUMN",
        .help = "take the ids of jobs from COLUMN",
        .more = "The id of a list's job may be its line.",
    },
    [OPTION_DEFAULTS] = {
        .name = "defaults", .group = GROUP_INPUT, .value = "FILE", .file = true,
        .help = "take keys that a job lacks from FILE, a JSON object",
        .more = "The headers of a job and of FILE are put together; of two with the same name that "
                "of the job counts.",
    },
    [OPTION_SKIP] = {
        .name = "skip", .group = GROUP_INPUT, .value = "N",
        .help = "leave the first N jobs out",
        .more = "Jobs are counted over all files, without blank lines, comments and headers. The "
                "others keep their numbers.",
    },
    [OPTION_TAKE] = {
        .name = "take", .group = GROUP_INPUT, .value = "N",
        .help = "run N jobs at most",
        .more = "They are counted behind those of --skip.",
    },
    [OPTION_ORDERED] = {
        .name = "ordered", .group = GROUP_OUTPUT,
        .help = "write results in the order of the input",
        .more = "Without it each result is written when its job ends.",
    },
    [OPTION_OPENAI] = {
        .name = "openai", .group = GROUP_OUTPUT,
        .help = "write results as OpenAI's batch API does",
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
