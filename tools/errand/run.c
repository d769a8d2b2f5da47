/* run.c -- requests from files or standard input, results to standard output.
 *
 *     options --> log, pool, session, rate --> errand_jobs --wait 100 ms--> progress ...
 *             --> tally, exit status
 *
 * The jobs do all the work; this thread draws, another one waits for signals. */
#include "run.h"

#include "complain.h"
#include "note.h"
#include "options.h"
#include "progress.h"
#include "route_options.h"
#include "signals.h"
#include "token_command.h"
#include "total.h"

#include <errand-http.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    ALL_WELL = 0,
    SOME_FAILED = 1,
    WRONG_USAGE = 2,
    BAD_INPUT = 3,
    CANNOT_WRITE = 4,
    HALTED = 5,
    INTERRUPTED = 130
};

/* what they do is short: reading lines, writing results; transfers have threads of their own */
#define WORKERS 4

#define AUTO_FIRST 4 /* -j auto begins with that many requests at once */

struct run {
    run_options options;
    progress progress;
    signals signals;
    errand_log *log;
    bool log_reported; /* that lines are lost */
    bool complained;   /* on_error was called */
    errand_pool *pool;
    errand_bearer *bearer; /* NULL: no --token-command */
    errand_http *http;
    errand_rate *rate, *rate_total, *tokens;
    errand_sem *host_sem; /* NULL: -j is not auto */
    errand_jobs *jobs;
    bool halt_reported;
    errand_allow_fn *allow; /* of errand try; NULL: none */
    void *allow_arg;
};

/* A descriptor below 3 that is closed would be the next file's: results in a log, a
 * socket for standard input. */
static bool take_closed_ones(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) continue;
        if (fd == STDOUT_FILENO) return false;
        /* reading fails as it would have */
        int null = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDWR);
        if (null >= 0 && null != fd) close(null);
    }
    return true;
}

/* A job needs a connection, as many again may be kept for reuse, and some other files are open. */
static void allow_descriptors(run *r)
{
    struct rlimit limit;
    rlim_t wanted = 2 * (rlim_t)r->options.jobs + 32;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted) return;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit)) limit.rlim_cur = before;
    if (limit.rlim_cur >= wanted) return;
    unsigned jobs = limit.rlim_cur > 34 ? (unsigned)(limit.rlim_cur - 32) / 2 : 1;
    progress_say(&r->progress,
                 "%u jobs at once, not %u: no more than %lu files may be open (ulimit -n)", jobs,
                 r->options.jobs, (unsigned long)limit.rlim_cur);
    r->options.jobs = jobs;
    if (r->options.jobs_least > jobs) r->options.jobs_least = jobs;
}

static void complained(const char *message, void *arg)
{
    run *r = arg;
    r->complained = true; /* read before the jobs have begun only */
    progress_say(&r->progress, "%s", message);
}

/* Without a port that is usual. */
static int host_size(const char *host)
{
    const char *port = strrchr(host, ':');
    size_t size = strlen(host);
    if (port && (!strcmp(port, ":80") || !strcmp(port, ":443"))) size = (size_t)(port - host);
    return (int)(size < 260 ? size : 260);
}

/* The first wait of each host is explained; the others would only repeat it. */
static void paused(const errand_jobs_pause *pause, void *arg)
{
    run *r = arg;
    if (pause->number > 1) return;
    char asks[64] = "";
    double seconds = (double)pause->ms / 1000;
    if (pause->ms >= 0) snprintf(asks, sizeof asks, " and asks to wait %.10g s", seconds);
    const char *most = pause->ms > 300000 ? ", 300 s at most" : "";
    progress_say(&r->progress, "%.*s answered %d%s: all jobs for it wait%s", host_size(pause->host),
                 pause->host, pause->error - ERRAND_HTTP, asks,
                 pause->ms < 0 ? ", 1 s each time" : most);
}

/* The first window of a host that is used up by half is explained. */
static void spread(const errand_jobs_quota *quota, void *arg)
{
    run *r = arg;
    if (quota->number > 1) return;
    char limit[40] = "";
    if (quota->limit >= 0) snprintf(limit, sizeof limit, " of %" PRId64, quota->limit);
    progress_say(&r->progress,
                 "%.*s: %" PRId64 "%s requests left for %" PRId64 " s: its jobs are spread",
                 host_size(quota->host), quota->host, quota->remaining, limit,
                 (quota->reset_ms + 999) / 1000);
}

static void report_halt(run *r, const errand_jobs_stats *s)
{
    char last[64];
    if (r->halt_reported || !s->halted) return;
    r->halt_reported = true;
    const char *then = r->options.halt_on.now ? "cancelling" : "finishing";
    errand_error_name(s->halt_error, last, sizeof last);
    if (s->halted == ERRAND_JOBS_TIME_OUT) {
        progress_say(&r->progress, "halted: the time of --deadline is over");
    } else if (s->halted == ERRAND_JOBS_BUDGET) {
        progress_say(&r->progress,
                     "halted: the token budget of %" PRIu64 " is used up: %" PRIu64
                     " used, too few are left for the next job; %s %" PRIu64 " in flight",
                     r->options.token_budget, s->tokens_used, then, s->in_flight);
    } else if (s->halted == ERRAND_JOBS_FAILED) {
        progress_say(&r->progress,
                     "halted: too many jobs have failed (--halt), the last with %s; "
                     "%s %" PRIu64 " in flight",
                     last, then, s->in_flight);
    } else {
        progress_say(&r->progress,
                     "halted: no job has succeeded, and three were answered 401, 402, 403 or that "
                     "a quota is used up, the last with %s; %s %" PRIu64
                     " in flight (--halt never ignores this)",
                     last, then, s->in_flight);
    }
}

static errand_rate *rate_of(run *r, const pace *p, unsigned max_keys)
{
    const errand_rate_opts opts = {
        .per_second = p->per_second, .burst = p->burst, .max_keys = max_keys
    };
    return errand_rate_new(r->pool, &opts);
}

static void signalled(unsigned count, void *arg)
{
    run *r = arg;
    errand_jobs_stats s = { 0 };
    if (count > 2) {
        progress_leave(&r->progress);
        _exit(INTERRUPTED);
    }
    if (count == 1) errand_jobs_stop(r->jobs);
    errand_jobs_stats_get(r->jobs, &s);
    if (count == 2) errand_jobs_cancel(r->jobs); /* counted before: they end at once */
    if (count == 1)
        progress_say(&r->progress, "stopping: %" PRIu64 " in flight; again to cancel", s.in_flight);
    else
        progress_say(&r->progress, "cancelling %" PRIu64 " in flight; again to end at once",
                     s.in_flight);
}

static int fail(run *r, const char *what, int error)
{
    progress_say(&r->progress, "%s: %s", what, errand_strerror(error));
    return SOME_FAILED;
}

static int open_log(run *r)
{
    const run_options *o = &r->options;
    if (!o->log) return 0;
    r->log = errand_log_new(&(errand_log_opts){
        .level = o->verbose ? ERRAND_LOG_DEBUG : ERRAND_LOG_INFO });
    if (!r->log) return fail(r, "cannot start the log", errno);
    int error = errand_log_to_file(r->log, o->log, ERRAND_LOG_DEFAULT);
    if (!error) return 0;
    fail(r, o->log, error);
    return CANNOT_WRITE;
}

/* The work goes on without its log, and its status is that of the work. */
static void report_lost_log(run *r)
{
    errand_log_stats stats;
    if (!r->log || r->log_reported || errand_log_stats_get(r->log, &stats) || !stats.failed) return;
    r->log_reported = true;
    progress_say(&r->progress, "%s: the log cannot be written; the jobs go on", r->options.log);
}

static unsigned per_host(const run_options *o)
{
    unsigned most = o->per_host ? o->per_host : 30;
    if (o->jobs_least && !o->per_host) return o->jobs;
    return most < o->jobs ? most : o->jobs;
}

/* -j auto: as many connections as permits, so that none waits for one. */
static errand_sem *auto_sem(const run *r)
{
    const run_options *o = &r->options;
    unsigned most = per_host(o), least = o->jobs_least < most ? o->jobs_least : most;
    unsigned first = least < AUTO_FIRST ? AUTO_FIRST : least;
    const errand_sem_opts opts = { .permits = first < most ? first : most,
                                   .name = "hosts",
                                   .min_permits = least,
                                   .max_permits = most };
    return errand_sem_new(r->pool, &opts);
}

/* The first token. A signal ends the wait: nothing else looks at signals yet. */
static int get_token(run *r)
{
    char *command = strdup(r->options.auth.token_command);
    const errand_bearer_opts opts = {
        .token = token_command_run, .arg = command, .free = free, .within_ms = TOKEN_COMMAND_MS
    };
    r->bearer = command ? errand_bearer_new(r->pool, &opts) : NULL;
    if (!r->bearer) {
        int error = command ? errno : ENOMEM;
        free(command);
        return fail(r, "cannot start", error);
    }
    errand_future *f = errand_bearer_token(r->bearer);
    bool interrupted = false;
    while (!interrupted && errand_wait(f, 50) == ETIMEDOUT)
        interrupted = signals_wait_there(&r->signals);
    if (interrupted) errand_cancel(f);
    errand_result result = errand_await(f);
    int status = result.error ? SOME_FAILED : 0;
    if (interrupted) status = INTERRUPTED;
    else if (status)
        progress_say(&r->progress, "--token-command: %s", errand_result_message(&result));
    errand_result_free(&result);
    return status;
}

static int open_session(run *r)
{
    const run_options *o = &r->options;
    char why[400] = "";
    const errand_middleware around[] = { { r->bearer ? errand_bearer_send : NULL, r->bearer },
                                         { 0 } };
    const errand_http_opts http = {
        .limit = o->jobs,
        .limit_per_host = per_host(o),
        .total_ms = o->timeout_ms,
        .connect_ms = o->connect_ms,
        .base_url = o->base_url,
        .headers = o->headers,
        .log = r->log,
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
        .allow = o->unix_socket ? NULL : r->allow,
        .allow_arg = r->allow_arg,
        .middleware = around,
        .why = why,
        .why_size = sizeof why,
    };
    r->http = errand_http_new(r->pool, &http);
    if (r->http) return 0;
    int error = errno;
    if (!*why || error == ENOMEM) return fail(r, "cannot start", error);
    const char *option, *rest = route_blame(why, &option);
    progress_say(&r->progress, "%s%s", option, rest);
    return WRONG_USAGE;
}

/* When no more jobs are begun, and what tokens hold back. */
static void put_ends(const run *r, errand_jobs_opts *jobs)
{
    const run_options *o = &r->options;
    jobs->halt_now = o->halt_on.now;
    jobs->halt_fatal = o->halt_on.fatal;
    jobs->halt_failed = o->halt_on.failed;
    jobs->halt_failed_share = o->halt_on.share;
    jobs->token_rate = r->tokens;
    jobs->token_budget = o->token_budget;
    jobs->tokens_asked = o->tokens_asked;
    jobs->tokens_used = o->tokens_used;
}

errand_jobs_opts run_jobs(run *r)
{
    const run_options *o = &r->options;
    errand_jobs_opts jobs = {
        .files = o->files,
        .out = STDOUT_FILENO,
        .concurrency = o->jobs,
        .ordered = o->ordered,
        .verbose = o->verbose,
        .retries = o->retries,
        .rate = r->rate_total,
        .log = r->log,
        .on_error = complained,
        .arg = r,
        .host_rate = r->rate,
        .on_pause = paused,
        .on_quota = spread,
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
        .host_sem = r->host_sem,
        .next = o->next,
        .max_pages = o->max_pages,
    };
    put_ends(r, &jobs);
    return jobs;
}

static int begin(run *r)
{
    char *note = r->options.output ? note_write(&r->options) : NULL;
    errand_jobs_opts jobs = run_jobs(r);
    jobs.note = note;
    r->jobs = errand_jobs_new(r->pool, r->http, &jobs);
    int failed = errno;
    free(note);
    errno = failed;
    if (!r->jobs && errno == EEXIST)
        progress_say(&r->progress, "--resume goes on with them, --fresh discards them");
    if (!r->jobs && r->complained) return errno == EINVAL ? WRONG_USAGE : CANNOT_WRITE;
    if (!r->jobs) return fail(r, "cannot start", errno);
    int error = signals_begin(&r->signals, signalled, r);
    return error ? fail(r, "cannot wait for signals", error) : 0;
}

static int start(run *r)
{
    const run_options *o = &r->options;
    int status = open_log(r);
    if (status) return status;
    r->pool = errand_pool_new(&(errand_pool_opts){ .workers = WORKERS, .log = r->log });
    if (!r->pool) return fail(r, "cannot start", errno);
    if (o->auth.token_command) status = get_token(r);
    if (!status) status = open_session(r);
    if (status) return status;
    if (o->rate.per_second != 0 && !(r->rate = rate_of(r, &o->rate, 0)))
        return fail(r, "cannot start", errno);
    if (o->rate_total.per_second > 0 &&
        !(r->rate_total = rate_of(r, &o->rate_total, ERRAND_NO_KEYS)))
        return fail(r, "cannot start", errno);
    if (o->tokens.per_second > 0 && !(r->tokens = rate_of(r, &o->tokens, ERRAND_NO_KEYS)))
        return fail(r, "cannot start", errno);
    if (o->jobs_least && !(r->host_sem = auto_sem(r))) return fail(r, "cannot start", errno);
    return begin(r);
}

static int status_of(const errand_jobs_stats *s, unsigned interrupted)
{
    if (interrupted) return INTERRUPTED;
    if (s->refused) return WRONG_USAGE;
    if (s->write_error) return CANNOT_WRITE;
    if (s->halted) return HALTED;
    if (s->read_error || s->bad_lines) return BAD_INPUT;
    return s->failed || s->skipped_failed ? SOME_FAILED : ALL_WELL;
}

static bool reads_terminal(const run_options *o)
{
    bool named = !o->files;
    for (const char *const *file = o->files; file && *file; file++)
        named = named || !strcmp(*file, "-");
    return named && isatty(STDIN_FILENO);
}

static const char *jobs_of(uint64_t n) { return n == 1 ? "job" : "jobs"; }

/* With -o: what earlier runs did, and what goes on from here. */
static void report_resuming(run *r, const errand_jobs_stats *s, int status)
{
    const char *output = r->options.output;
    if (!output) return;
    if (s->skipped) {
        char failed[64] = "";
        if (s->skipped_failed)
            snprintf(failed, sizeof failed, ", %" PRIu64 " of them failures", s->skipped_failed);
        progress_say(&r->progress, "%" PRIu64 " %s with a result of an earlier run%s", s->skipped,
                     jobs_of(s->skipped), failed);
    }
    if (s->unknown)
        progress_say(&r->progress,
                     "%" PRIu64 " %s may have been done before: \"unknown\"; --resume "
                     "--repeat-unknown sends them",
                     s->unknown, jobs_of(s->unknown));
    bool cut = status == INTERRUPTED || status == HALTED || status == CANNOT_WRITE;
    uint64_t open = s->may_have_run - s->unknown, plain = s->failed - s->may_have_run;
    if (cut) progress_say(&r->progress, "with --resume the same command goes on from here");
    else if (plain > s->bad_lines || s->skipped_failed)
        progress_say(&r->progress, "errand retry '%s' sends what failed again", output);
    if (open)
        progress_say(&r->progress,
                     "%" PRIu64 " %s that failed may have been done; only --repeat-unknown sends "
                     "%s again",
                     open, jobs_of(open), open == 1 ? "it" : "them");
}

static bool counts_tokens(const run_options *o)
{
    return o->tokens.per_second > 0 || o->token_budget || o->tokens_asked || o->tokens_used;
}

static int go(run *r)
{
    if (!r->options.quiet && reads_terminal(&r->options)) {
        progress_say(&r->progress, "waiting for jobs, one a line; Ctrl-D ends");
    }
    snapshot s;
    total all;
    snapshot_begin(&s, progress_now());
    s.tokens = counts_tokens(&r->options);
    total_begin(&all, r->progress.on ? &r->options : NULL);
    while (errand_jobs_wait(r->jobs, 100) == ETIMEDOUT) {
        double now = progress_now();
        total_go_on(&all);
        snapshot_take(&s, r->jobs, all.known ? total_jobs(&all) : 0, now);
        report_lost_log(r);
        report_halt(r, &s.stats);
        progress_show(&r->progress, &s, now);
    }
    total_end(&all);
    snapshot_take(&s, r->jobs, 0, progress_now());
    report_halt(r, &s.stats);
    int status = status_of(&s.stats, signals_end(&r->signals));
    errand_log_flush(r->log, 1000);
    report_lost_log(r);
    if (!r->options.quiet) report_resuming(r, &s.stats, status);
    progress_end(&r->progress, &s, status);
    if (!r->options.quiet) {
        fprintf(stderr,
                "{\"successful\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"total_processed\":%" PRIu64
                "}\n",
                s.stats.successful, s.stats.failed, s.stats.total_processed);
    }
    return status;
}

static void finish(run *r)
{
    errand_jobs_free(r->jobs);
    errand_rate_free(r->rate);
    errand_rate_free(r->rate_total);
    errand_rate_free(r->tokens);
    errand_sem_free(r->host_sem);
    errand_http_close(r->http, 1000);
    errand_bearer_free(r->bearer);
    if (r->pool) errand_pool_close(r->pool, 1000);
    errand_log_close(r->log, 1000);
    run_options_free(&r->options);
}

/* ---- without beginning ---- */

const run_options *run_options_of(const run *r) { return &r->options; }
errand_http *run_session(const run *r) { return r->http; }
errand_pool *run_pool(const run *r) { return r->pool; }
bool run_complained(const run *r) { return r->complained; }

void run_say(run *r, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    progress_say(&r->progress, "%s", line);
}

void run_end(run *r)
{
    signals_end(&r->signals);
    progress_end(&r->progress, NULL, 0);
    finish(r);
    free(r);
}

static int prepare(run *r, bool sends)
{
    r->pool = errand_pool_new(&(errand_pool_opts){ .workers = WORKERS });
    if (!r->pool) return fail(r, "cannot start", errno);
    int status = sends && r->options.auth.token_command ? get_token(r) : 0;
    return status ? status : open_session(r);
}

run *run_prepare(run_options *options, bool sends, errand_allow_fn *allow, void *arg, int *status)
{
    run *r = calloc(1, sizeof *r);
    *status = SOME_FAILED;
    if (!r) {
        complain("out of memory");
        run_options_free(options);
        return NULL;
    }
    r->options = *options;
    *options = (run_options){ 0 };
    r->options.progress = WHEN_NEVER;
    r->allow = allow;
    r->allow_arg = arg;
    r->signals = (signals){ .fd = -1, .quit = -1 }; /* a signal ends it at once */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    progress_begin(&r->progress, &r->options);
    *status = prepare(r, sends);
    if (!*status) return r;
    run_end(r);
    return NULL;
}

int run_main(int argc, char **argv)
{
    run r = { 0 };
    int status = 0;
    if (!run_options_read(&r.options, argc, argv, &status)) {
        run_options_free(&r.options);
        return status;
    }
    if (!take_closed_ones()) {
        fputs("errand run: cannot write the results: standard output is closed\n", stderr);
        run_options_free(&r.options);
        return CANNOT_WRITE;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* or its status could not be known */
    progress_begin(&r.progress, &r.options);
    allow_descriptors(&r);
    int error = signals_hold(&r.signals);
    if (error) status = fail(&r, "cannot wait for signals", error);
    else status = start(&r);
    if (!status) {
        status = go(&r);
    } else {
        signals_end(&r.signals);
        progress_end(&r.progress, NULL, status);
    }
    finish(&r);
    return status;
}
