/* session.c -- the options become a pool, a session and limits; so do those of a command that
 * only looks at a run. */
#include "session.h"

#include "complain.h"
#include "route_options.h"
#include "token_command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* what they do is short: reading lines, writing results; transfers have threads of their own */
#define WORKERS 4

#define AUTO_FIRST 4 /* -j auto begins with that many requests at once */

/* A descriptor below 3 that is closed would be the next file's: results in a log, a
 * socket for standard input. */
bool session_takes_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) continue;
        if (fd == STDOUT_FILENO) {
            fprintf(stderr, "errand %s: cannot write the results: standard output is closed\n",
                    complain_command);
            return false;
        }
        /* reading fails as it would have */
        int null = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDWR);
        if (null >= 0 && null != fd) close(null);
    }
    return true;
}

static void complained(const char *message, void *arg)
{
    session *s = arg;
    s->complained = true; /* read before the jobs have begun only */
    progress_say(&s->progress, "%s", message);
}

int session_fail(session *s, const char *what, int error)
{
    progress_say(&s->progress, "%s: %s", what, errand_strerror(error));
    return SOME_FAILED;
}

static errand_rate *rate_of(session *s, const pace *p, unsigned max_keys)
{
    const errand_rate_opts opts = {
        .per_second = p->per_second, .burst = p->burst, .max_keys = max_keys
    };
    return errand_rate_new(s->pool, &opts);
}

static unsigned per_host(const run_options *o)
{
    unsigned most = o->per_host ? o->per_host : 30;
    if (o->jobs_least && !o->per_host) return o->jobs;
    return most < o->jobs ? most : o->jobs;
}

/* -j auto: as many connections as permits, so that none waits for one. */
static errand_sem *auto_sem(const session *s)
{
    const run_options *o = &s->options;
    unsigned most = per_host(o), least = o->jobs_least < most ? o->jobs_least : most;
    unsigned first = least < AUTO_FIRST ? AUTO_FIRST : least;
    const errand_sem_opts opts = { .permits = first < most ? first : most,
                                   .name = "hosts",
                                   .min_permits = least,
                                   .max_permits = most };
    return errand_sem_new(s->pool, &opts);
}

/* The limits that the options name. */
static int make_limits(session *s)
{
    const run_options *o = &s->options;
    bool made =
        (o->rate.per_second == 0 || (s->rate = rate_of(s, &o->rate, 0))) &&
        (o->rate_total.per_second <= 0 ||
         (s->rate_total = rate_of(s, &o->rate_total, ERRAND_NO_KEYS))) &&
        (o->tokens.per_second <= 0 || (s->tokens = rate_of(s, &o->tokens, ERRAND_NO_KEYS))) &&
        (!o->jobs_least || (s->host_sem = auto_sem(s)));
    return made ? 0 : session_fail(s, "cannot start", errno);
}

/* The first token. A signal ends the wait: nothing else looks at signals yet. */
static int get_token(session *s)
{
    char *command = strdup(s->options.auth.token_command);
    const errand_bearer_opts opts = {
        .token = token_command_run, .arg = command, .free = free, .within_ms = TOKEN_COMMAND_MS
    };
    s->bearer = command ? errand_bearer_new(s->pool, &opts) : NULL;
    if (!s->bearer) {
        int error = command ? errno : ENOMEM;
        free(command);
        return session_fail(s, "cannot start", error);
    }
    errand_future *f = errand_bearer_token(s->bearer);
    bool interrupted = false;
    while (!interrupted && errand_wait(f, 50) == ETIMEDOUT)
        interrupted = signals_wait_there(&s->signals);
    if (interrupted) errand_cancel(f);
    errand_result result = errand_await(f);
    int status = result.error ? SOME_FAILED : 0;
    if (interrupted) status = INTERRUPTED;
    else if (status)
        progress_say(&s->progress, "--token-command: %s", errand_result_message(&result));
    errand_result_free(&result);
    return status;
}

static int open_session(session *s)
{
    const run_options *o = &s->options;
    char why[400] = "";
    const errand_middleware around[] = { { s->bearer ? errand_bearer_send : NULL, s->bearer },
                                         { 0 } };
    const errand_http_opts http = {
        .limit = o->jobs,
        .limit_per_host = per_host(o),
        .total_ms = o->timeout_ms,
        .connect_ms = o->connect_ms,
        .base_url = o->base_url,
        .headers = o->headers,
        .log = s->log,
        .bearer = o->auth.bearer,
        .user = o->auth.user,
        .password = o->auth.password,
        .netrc = o->netrc,
        .proxy = o->proxy && *o->proxy ? o->proxy : NULL,
        .no_proxy = o->no_proxy,
        .environment = !o->proxy && !o->unix_socket,
        .unix_socket = o->unix_socket,
        .resolve = o->resolve,
        .ca_file = o->ca_file,
        .ca_path = o->ca_path,
        .cert_file = o->cert,
        .key_file = o->key,
        .pinned_keys = o->pins,
        .http2 = o->http2,
        .max_body = o->max_body,
        .no_compression = o->no_decompress,
        .secrets = o->secrets,
        .refused_may_have_run = o->refused_may_have_run,
        .allow = o->unix_socket ? NULL : s->allow,
        .allow_arg = s->allow_arg,
        .middleware = around,
        .why = why,
        .why_size = sizeof why,
    };
    s->http = errand_http_new(s->pool, &http);
    if (s->http) return 0;
    int error = errno;
    if (!*why || error == ENOMEM) return session_fail(s, "cannot start", error);
    const char *option, *rest = route_blame(why, &option);
    progress_say(&s->progress, "%s%s", option, rest);
    return WRONG_USAGE;
}

int session_open(session *s, bool sends)
{
    s->pool = errand_pool_new(&(errand_pool_opts){ .workers = WORKERS, .log = s->log });
    if (!s->pool) return session_fail(s, "cannot start", errno);
    int status = sends && s->options.auth.token_command ? get_token(s) : 0;
    if (!status) status = open_session(s);
    return status ? status : make_limits(s);
}

/* When no more jobs are begun, and what tokens hold back. */
static void put_ends(const session *s, errand_jobs_opts *jobs)
{
    const run_options *o = &s->options;
    jobs->halt_now = o->halt_on.now;
    jobs->halt_fatal = o->halt_on.fatal;
    jobs->halt_failed = o->halt_on.failed;
    jobs->halt_failed_share = o->halt_on.share;
    jobs->token_rate = s->tokens;
    jobs->token_budget = o->token_budget;
    jobs->tokens_asked = o->tokens_asked;
    jobs->tokens_used = o->tokens_used;
}

errand_jobs_opts session_jobs(session *s)
{
    const run_options *o = &s->options;
    errand_jobs_opts jobs = {
        .files = o->files,
        .out = STDOUT_FILENO,
        .concurrency = o->jobs,
        .ordered = o->ordered,
        .verbose = o->verbose,
        .retries = o->retries,
        .rate = s->rate_total,
        .log = s->log,
        .on_error = complained,
        .arg = s,
        .host_rate = s->rate,
        .idempotent = o->idempotent,
        .idempotency_keys = o->idempotency_keys,
        .retry_if = retry_on_spec(&o->retry_on),
        .retry_within_ms = o->retry_ms,
        .job_within_ms = o->job_ms,
        .run_within_ms = o->deadline_ms,
        .expand = o->expand,
        .results = o->output,
        .begin = o->begin,
        .repeat_unknown = o->repeat_unknown,
        .retry_kinds = o->retry_kinds,
        .format = o->format,
        .delimiter = o->delimiter,
        .url_template = o->url_template,
        .json_template = o->json_template,
        .params = o->params,
        .id_column = o->id_column,
        .method = o->method,
        .defaults = o->defaults,
        .skip = o->skip,
        .take = o->take,
        .openai_results = o->openai,
        .on_notice = o->quiet ? NULL : complained,
        .headers = o->reply_headers,
        .body = o->body,
        .select = o->select,
        .output_dir = o->output_dir,
        .host_sem = s->host_sem,
        .next = o->next,
        .max_pages = o->max_pages,
    };
    put_ends(s, &jobs);
    return jobs;
}

void session_close(session *s)
{
    errand_rate_free(s->rate);
    errand_rate_free(s->rate_total);
    errand_rate_free(s->tokens);
    errand_sem_free(s->host_sem);
    errand_http_close(s->http, 1000);
    errand_bearer_free(s->bearer);
    if (s->pool) errand_pool_close(s->pool, 1000);
    errand_log_close(s->log, 1000);
    run_options_free(&s->options);
}

session *session_prepare(run_options *options, bool sends, errand_allow_fn *allow, void *arg,
                         int *status)
{
    session *s = calloc(1, sizeof *s);
    *status = SOME_FAILED;
    if (!s) {
        complain("out of memory");
        run_options_free(options);
        return NULL;
    }
    s->options = *options;
    *options = (run_options){ 0 };
    s->options.progress = WHEN_NEVER;
    s->allow = allow;
    s->allow_arg = arg;
    s->signals = (signals){ .fd = -1, .quit = -1 }; /* a signal ends it at once */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    progress_begin(&s->progress, &s->options);
    *status = session_open(s, sends);
    if (!*status) return s;
    session_end(s);
    return NULL;
}

void session_end(session *s)
{
    signals_end(&s->signals);
    progress_end(&s->progress, NULL, 0);
    session_close(s);
    free(s);
}
