/* option_table.c -- every word of `help` is read on a terminal, in a menu of completions and on
 * paper: it begins with a verb and has no period at its end. Sentences go into
 * `more`. */
#include "option_table.h"

#include <string.h>

const group_row group_rows[GROUPS] = {
    [GROUP_LIMITS] = { "Limits and retries",
                       "TIME is in seconds or has a unit: 200ms, 1.5s, 2m, 1h. A job's own "
                       "\"timeout\" and \"retries\" go before these options. A POST without an "
                       "idempotency key is not repeated after a timeout or 503: it could be done, "
                       "and paid for, twice. A key of your own (\"order-17\") holds in later "
                       "runs, too; the key true is a new one in each run that does not resume." },
    [GROUP_REQUESTS] = { "Requests", NULL },
    [GROUP_INPUT] = { "Input",
                      "In a template {name} is the column of a CSV, {line} the line of a list. "
                      "Fields are percent-encoded in urls and escaped in strings of JSON." },
    [GROUP_CONNECTIONS] = { "Authentication and connections", NULL },
    [GROUP_PACE] = { "Pace and failures",
                     "A 429, or a 503 with Retry-After, holds back all jobs for that host until "
                     "then, at most 5 minutes; a 429 without Retry-After for 1 s. The first such "
                     "wait of a host is reported." },
    [GROUP_OUTPUT] = { "Output", NULL },
    [GROUP_RESUME] = { "Results that survive a crash", NULL },
    [GROUP_PLAN] = { "Plans and tries", NULL },
    [GROUP_ABOUT] = { "Help", NULL },
};

const command_row command_rows[COMMANDS] = {
    [COMMAND_RUN] = { "run", "send requests given in files, write results as JSON Lines" },
    [COMMAND_RETRY] = { "retry", "send again what failed, with the options of its run" },
    [COMMAND_PLAN] = { "plan", "read the files of a run, say what it would do, and send nothing" },
    [COMMAND_TRY] = { "try", "send one job once, show all of it, and record nothing" },
};

command_id command_named(const char *name)
{
    command_id id = 0;
    while (id < COMMANDS && strcmp(command_rows[id].name, name)) id++;
    return id;
}

/* Those that record something: not try. */
#define RECORDING                                                                                  \
    (COMMAND_BIT(COMMAND_RUN) | COMMAND_BIT(COMMAND_RETRY) | COMMAND_BIT(COMMAND_PLAN))
#define PLAN COMMAND_BIT(COMMAND_PLAN)

const option_row option_rows[OPTIONS] = {
    [OPTION_JOBS] = {
        .name = "jobs", .letter = 'j', .group = GROUP_LIMITS, .value = "N", .initial = "16",
        .help = "run at most N jobs at once, or auto",
        .more = "N is from 1 to 10000. It limits the connections as well. Where the limit of open "
                "files (ulimit -n) allows fewer, errand takes fewer and says so. auto, or "
                "auto:MIN-MAX, finds out for each host how many requests it bears at the same "
                "time, between MIN and MAX (1 and 128 unless given); see RETRIES.",
    },
    [OPTION_RATE] = {
        .name = "rate", .group = GROUP_LIMITS, .value = "N/UNIT",
        .help = "limit the attempts begun for each host: 10/s, 600/m, auto",
        .more = "UNIT is s, m or h: a second, a minute, an hour. N may have decimals. A comma and "
                "a whole number may follow, as in 10/s,5: that many attempts may begin at once after "
                "a quiet time, else one. Without this option there is no limit. A host is a name "
                "with its port. Retries count as well. With auto each host's RateLimit headers say how "
                "much is left: when half of it is used up, the rest is spread over the time until "
                "there is more, which is explained the first time. See also --rate-total.",
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
        .secret = true, .repeats = true,
        .help = "add \"Name: value\", or the lines of @FILE, to each job; repeatable",
        .more = "@FILE has a header a line; blank lines are skipped. "
                "A header that a job has itself is left alone. Content-Length, Transfer-Encoding "
                "and Connection are set by errand itself. Idempotency-Key is refused, as each job "
                "needs one of its own. Other users of the machine can see the arguments of a "
                "process; a secret is better kept in a file, or in the environment with --expand.",
    },
    [OPTION_EXPAND] = {
        .name = "expand", .group = GROUP_REQUESTS,
        .help = "replace ${VAR} in headers by variables of the environment",
        .more = "It holds for the headers of jobs and for --header. A job with a variable that is "
                "not set is bad input. $${ stands for ${. Use it for jobs that you trust: they can send "
                "any variable anywhere. Values that came from the environment "
                "are stars in messages and in the log, and do not follow a redirect to another "
                "host; values of less than 6 characters are not replaced there. The body of a "
                "reply is data: a server that echoes a value has it in its result.",
    },
    [OPTION_BEARER_ENV] = {
        .name = "bearer-env", .rivals = 1, .group = GROUP_CONNECTIONS, .value = "VAR",
        .help = "send the bearer token in the variable VAR",
        .more = "At most one of --bearer-env, --bearer-file, --token-command and --user can be "
                "given. A job with a header Authorization keeps its own.",
    },
    [OPTION_BEARER_FILE] = {
        .name = "bearer-file", .rivals = 1, .group = GROUP_CONNECTIONS, .value = "FILE", .file = true,
        .help = "send the bearer token in FILE",
        .more = "Blanks and line breaks around it are left out.",
    },
    [OPTION_TOKEN_COMMAND] = {
        .name = "token-command", .rivals = 1, .secret = true, .group = GROUP_CONNECTIONS, .value = "CMD",
        .help = "send the bearer token that CMD prints, a new one after a 401",
        .more = "The shell (sh -c) runs CMD at the start; the first line of its output is the "
                "token. When a server answers 401, CMD is run again, once for all requests that "
                "wait for it, and each of these is sent once more: a 401 did not run it. CMD may "
                "take 30 seconds. If it fails at the start, errand ends with status 1 and sends "
                "nothing; later the jobs that need it fail, and it is not run again for a second. "
                "Its standard error is errand's.",
    },
    [OPTION_USER] = {
        .name = "user", .rivals = 1, .secret = true, .letter = 'u', .group = GROUP_CONNECTIONS, .value = "USER",
        .help = "send USER:PASSWORD, or ask for the password",
        .more = "It is sent with each request (Basic). Without a password ERRAND_PASSWORD is "
                "taken; else it is asked for, if standard input is a terminal.",
    },
    [OPTION_NETRC] = {
        .name = "netrc", .group = GROUP_CONNECTIONS,
        .help = "take user and password of each host from ~/.netrc",
    },
    [OPTION_PROXY] = {
        .name = "proxy", .rivals = 2, .secret = true, .letter = 'x', .group = GROUP_CONNECTIONS, .value = "URL",
        .help = "go through the proxy URL",
        .more = "URL is SCHEME://[USER:PASSWORD@]HOST:PORT with http, https, socks4, socks4a, "
                "socks5 or socks5h. Without this option the proxies of the environment count; an "
                "empty URL is none.",
    },
    [OPTION_NOPROXY] = {
        .name = "noproxy", .group = GROUP_CONNECTIONS, .value = "LIST",
        .help = "reach the hosts in LIST without a proxy",
        .more = "LIST has names, domains (.internal) and networks (10.0.0.0/8), with commas "
                "between them; * is all. It goes before the variable no_proxy.",
    },
    [OPTION_CACERT] = {
        .name = "cacert", .group = GROUP_CONNECTIONS, .value = "FILE", .file = true,
        .help = "trust the certificates in FILE (PEM), not the system's",
        .more = "There is no option like curl's -k, which trusts each server: anyone between it and "
                "you could read your secrets. A server with a certificate of its own is "
                "trusted by naming that here, or its key with --pinned-pubkey.",
    },
    [OPTION_CAPATH] = {
        .name = "capath", .group = GROUP_CONNECTIONS, .value = "DIR", .file = true,
        .help = "trust the certificates in DIR, not the system's",
        .more = "They are PEM files, named by their hashes: see openssl rehash.",
    },
    [OPTION_CERT] = {
        .name = "cert", .group = GROUP_CONNECTIONS, .value = "FILE", .file = true,
        .help = "show the certificate in FILE (PEM) to servers",
        .more = "It may have the private key as well.",
    },
    [OPTION_KEY] = {
        .name = "key", .group = GROUP_CONNECTIONS, .value = "FILE", .file = true,
        .help = "take the private key of --cert from FILE (PEM)",
    },
    [OPTION_PINNED_PUBKEY] = {
        .name = "pinned-pubkey", .group = GROUP_CONNECTIONS, .value = "KEYS",
        .help = "accept only servers with one of these public keys",
        .more = "KEYS is sha256//BASE64, several with semicolons between them, or a file with one "
                "(PEM or DER). Certificates are verified as well.",
    },
    [OPTION_UNIX_SOCKET] = {
        .name = "unix-socket", .rivals = 2, .group = GROUP_CONNECTIONS, .value = "PATH", .file = true,
        .help = "connect to the socket at PATH, not to the hosts",
    },
    [OPTION_RESOLVE] = {
        .name = "resolve", .group = GROUP_CONNECTIONS, .value = "RULE", .repeats = true,
        .help = "use the addresses of HOST:PORT:ADDR[,ADDR]; repeatable",
        .more = "They are used instead of a look-up, and tried in their order. IPv6 addresses are "
                "written in brackets. HOST may be *, for all hosts that have no rule. Names that "
                "a proxy looks up are not looked for here.",
    },
    [OPTION_HTTP2] = {
        .name = "http2", .group = GROUP_CONNECTIONS,
        .help = "speak HTTP/2 with https servers that offer it",
    },
    [OPTION_LIMIT_PER_HOST] = {
        .name = "limit-per-host", .group = GROUP_CONNECTIONS, .value = "N",
        .help = "have at most N connections to a host (default: 30, or -j)",
        .more = "The smaller of the two counts. With -j auto the default is its MAX. With --http2 "
                "it counts requests.",
    },
    [OPTION_MAX_BODY] = {
        .name = "max-body", .group = GROUP_CONNECTIONS, .value = "SIZE", .initial = "64M",
        .help = "fail a reply with a body of more than SIZE",
        .more = "SIZE is in bytes, or with k, M or G in units of 1024, 1024^2 and 1024^3. It is "
                "counted after decompression. Bodies that are saved to files have no limit unless "
                "this option is given.",
    },
    [OPTION_NO_DECOMPRESS] = {
        .name = "no-decompress", .group = GROUP_CONNECTIONS,
        .help = "ask for no compression, and take replies as they come",
    },
    [OPTION_CONFIG] = {
        .name = "config", .letter = 'K', .group = GROUP_CONNECTIONS, .value = "FILE", .file = true,
        .repeats = true,
        .help = "read options from FILE; repeatable",
        .more = "See FILES.",
    },
    [OPTION_RATE_TOTAL] = {
        .name = "rate-total", .group = GROUP_PACE, .value = "N/UNIT",
        .help = "limit the attempts begun for all hosts together",
        .more = "N/UNIT is as with --rate. An attempt waits for its turn at its host first.",
    },
    [OPTION_TOKENS] = {
        .name = "tokens", .group = GROUP_PACE, .value = "N/UNIT",
        .help = "limit the tokens of language models: 90000/m, 90k/m, 2M/h",
        .more = "UNIT is s, m or h. N may have decimals and end with k or M, for 1000 and 1000000. "
                "It holds for all hosts together. Before an attempt is sent it reserves a token "
                "for 4 bytes of its body, and the number that the body has at one of "
                "--tokens-asked; it waits until these are there. When its reply has come, what "
                "the reply says at one of --tokens-used takes their place. A reply of 4xx and an "
                "attempt that was not sent used nothing; a reply that does not say what it used, or "
                "whose body is saved to a file, used what was reserved. A comma and a number may "
                "follow, as in 90k/m,10k: that many may be used at once after a quiet time, "
                "else what a tenth of a minute brings. A result line then has \"tokens\", what the "
                "job has used; null if a reply does not say.",
    },
    [OPTION_BUDGET_TOKENS] = {
        .name = "budget-tokens", .group = GROUP_PACE, .value = "N",
        .help = "begin no more jobs when N tokens are used",
        .more = "N may end with k or M. Tokens are counted as with --tokens. A job that does not "
                "fit beside what is used and reserved waits until others have ended, as estimates "
                "are mostly too high. If it does not fit beside what is used, it is not sent, "
                "errand begins no more jobs, says so, and ends with status 5; with -o such a job "
                "has no result line, and --resume sends it. N is for this run alone: each further "
                "run has N again. A reply that uses more than was estimated can exceed it.",
    },
    [OPTION_TOKENS_ASKED] = {
        .name = "tokens-asked", .group = GROUP_PACE, .value = "LIST",
        .help = "find how many tokens a job asks for at these JSON pointers",
        .more = "LIST has JSON pointers into the bodies of jobs, with commas between them. The "
                "first one counts that leads to a whole number. Pointers with a plus sign between "
                "them are a sum: /usage/input+/usage/output. Without this option LIST is "
                "/max_tokens,/max_completion_tokens,/max_output_tokens,"
                "/generationConfig/maxOutputTokens.",
    },
    [OPTION_TOKENS_USED] = {
        .name = "tokens-used", .group = GROUP_PACE, .value = "LIST",
        .help = "find how many tokens a reply has used at these",
        .more = "LIST is as with --tokens-asked, for the bodies of replies. Without this option it "
                "is /usage/total_tokens,/usage/input_tokens+/usage/output_tokens,"
                "/usageMetadata/totalTokenCount. With this option alone tokens are counted and "
                "not limited.",
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
        .more = "Without it each result is written when its job ends. It cannot be combined with -o, "
                "as results that wait for others would be lost in a crash.",
    },
    [OPTION_OPENAI] = {
        .name = "openai", .group = GROUP_OUTPUT,
        .help = "write results as OpenAI's batch API does",
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
        .name = "output-dir", .group = GROUP_OUTPUT, .commands = RECORDING, .value = "DIR", .file = true,
        .help = "save the body of each successful reply in a file in DIR",
        .more = "DIR is made if it is missing. A file is named by the job's \"id\", else by its "
                "number, and by the type of the reply: 17.json. What cannot stand in a name becomes "
                "\"_\"; a name that another job has, in any case, gets the job's number behind it. "
                "\"saved_to\" in the result has the name. Files are whole or not there. A job's own "
                "\"save_to\" goes before it.",
    },
    [OPTION_NEXT] = {
        .name = "next", .group = GROUP_OUTPUT, .value = "FORM",
        .help = "follow pages: link, a JSON pointer, or cursor=POINTER,PARAM",
        .more = "It holds for jobs without a method, with GET and with HEAD. With link the header "
                "Link of a reply, with rel=\"next\", leads to the next page; with a pointer, "
                "/paging/next, the url there in the body; with a cursor the value there is put "
                "into the query as PARAM. The last page has none, or null, \"\" or false. Each "
                "page has a result line of the same \"seq\" and \"id\", with \"page\", from 1, "
                "and \"next\", the url of the page that follows or null. A page of another host, "
                "or one that was there before, is a failure of its job, and so is one that a reply "
                "does not name, where \"next\" is \"\". A job that a signal or a halt ends before "
                "its last page counts as failed, and --resume goes on with it. --max-time holds "
                "for all pages of a job together. With --ordered the second page "
                "of a job waits for the last pages of the jobs before it. With link it goes with "
                "--output-dir, where page N is NAME-pN.",
    },
    [OPTION_MAX_PAGES] = {
        .name = "max-pages", .group = GROUP_OUTPUT, .value = "N", .initial = "1000",
        .help = "end a job after N pages",
        .more = "If there are more, the \"next\" of its last line is not null. A run that resumes "
                "with a larger N goes on there.",
    },
    [OPTION_PROGRESS] = {
        .name = "progress", .group = GROUP_OUTPUT, .value = "WHEN", .initial = "auto",
        .choices = "auto always never json",
        .help = "show progress: auto, always, never or json",
        .more = "With auto errand shows it on standard error. On a terminal that is a block of up "
                "to eight lines, with failures by class; on a small one it is one line; there is "
                "none if TERM is dumb or the results go to a terminal, too. Where standard error "
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
    [OPTION_OUTPUT] = {
        .name = "output", .letter = 'o', .group = GROUP_RESUME, .commands = RECORDING, .value = "FILE", .file = true,
        .help = "append results to FILE, so that a later run can resume",
        .more = "Beside it errand keeps FILE.journal: before a request that could do harm twice is "
                "sent, it is on disk that it may have been. A FILE that has results is refused, "
                "unless --resume or --fresh is given.",
    },
    [OPTION_RESUME] = {
        .name = "resume", .rivals = 3, .group = GROUP_RESUME, .commands = RECORDING,
        .help = "with -o: skip the jobs that FILE has results of",
        .more = "A job is recognised by its id, or if it has none, by what it requests. What was "
                "under way when the run before ended is sent again if that is harmless or it has "
                "an idempotency key, with the same key; else its result is \"unknown\". Without a "
                "FILE the run is a new one.",
    },
    [OPTION_FRESH] = {
        .name = "fresh", .rivals = 3, .group = GROUP_RESUME, .commands = RECORDING,
        .help = "with -o: discard the results that FILE has",
    },
    [OPTION_RETRY_FAILED] = {
        .name = "retry-failed", .group = GROUP_RESUME, .commands = RECORDING, .value = "KINDS",
        .help = "with --resume: also send what failed: all, or timeout,network",
        .more = "KINDS are the kinds of errors in the results, with commas between them: network, "
                "timeout, http_client, http_server, rate_limited, auth, protocol, validation, "
                "resource, rejected, internal. What the server may have done, and may not do "
                "twice, is left as it is without --repeat-unknown.",
    },
    [OPTION_REPEAT_UNKNOWN] = {
        .name = "repeat-unknown", .group = GROUP_RESUME, .commands = RECORDING,
        .help = "with --resume: also send what may have been done already",
        .more = "Each of these jobs may then be done, and paid for, twice.",
    },
    [OPTION_SHOW] = {
        .name = "show", .commands = PLAN, .group = GROUP_PLAN, .value = "N",
        .help = "show the first N requests in full, instead of the plan",
        .more = "Lines are read up to the last of them; --skip leaves others out. Values of "
                "headers and of parameters in urls that sound like secrets are \"*\". Bodies are "
                "shown as they are sent.",
    },
    [OPTION_CURL] = {
        .name = "curl", .commands = PLAN, .group = GROUP_PLAN,
        .help = "show them as commands of curl, one if --show is not given",
        .more = "They are for sh, and are quoted for it. A secret is a variable, which the line "
                "above the command names: without it sh says so and sends nothing. A token of "
                "--bearer-env, --bearer-file or --token-command is taken from where errand "
                "takes it.",
    },
    [OPTION_SHOW_SECRETS] = {
        .name = "show-secrets", .group = GROUP_PLAN,
        .commands = COMMAND_BIT(COMMAND_PLAN) | COMMAND_BIT(COMMAND_TRY),
        .help = "show secrets as they are: mind who can see the screen",
    },
    [OPTION_REPORT] = {
        .name = "report", .commands = PLAN, .group = GROUP_PLAN, .value = "FORM",
        .choices = "text json", .initial = "text",
        .help = "write the plan as text or as one object in JSON",
        .more = "The keys of the object are described under PLANS AND TRIES.",
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
