/* run.c -- requests from files or standard input, results to standard output.
 *
 *     options --> log, pool, session, rate --> errand_jobs --wait 100 ms--> progress ...
 *             --> tally, exit status
 *
 * The jobs do all the work; this thread draws, another one waits for signals. */
#include "run.h"

#include "options.h"
#include "progress.h"
#include "signals.h"
#include "total.h"

#include <errand-http.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    ALL_WELL = 0,
    SOME_FAILED = 1,
    WRONG_USAGE = 2,
    BAD_INPUT = 3,
    CANNOT_WRITE = 4,
    INTERRUPTED = 130
};

/* what they do is short: reading lines, writing results; transfers have threads of their own */
#define WORKERS 4

typedef struct run {
    run_options options;
    progress progress;
    signals signals;
    errand_log *log;
    bool log_reported; /* that lines are lost */
    bool complained;   /* on_error was called */
    errand_pool *pool;
    errand_http *http;
    errand_rate *rate;
    errand_jobs *jobs;
} run;

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
}

static void complained(const char *message, void *arg)
{
    run *r = arg;
    r->complained = true; /* read before the jobs have begun only */
    progress_say(&r->progress, "%s", message);
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

static int start(run *r)
{
    const run_options *o = &r->options;
    int status = open_log(r);
    if (status) return status;
    r->pool = errand_pool_new(&(errand_pool_opts){ .workers = WORKERS, .log = r->log });
    if (!r->pool) return fail(r, "cannot start", errno);
    const errand_http_opts http = {
        .limit = o->jobs,
        .limit_per_host = o->jobs,
        .total_ms = o->timeout_ms,
        .connect_ms = o->connect_ms,
        .base_url = o->base_url,
        .headers = o->headers,
        .log = r->log,
    };
    r->http = errand_http_new(r->pool, &http);
    if (!r->http && errno == EINVAL) {
        progress_say(&r->progress, "the --base-url or a --header is not valid");
        return WRONG_USAGE;
    }
    if (!r->http) return fail(r, "cannot start", errno);
    if (o->per_second > 0) {
        const errand_rate_opts over_all_hosts = { .per_second = o->per_second,
                                                  .max_keys = ERRAND_NO_KEYS };
        r->rate = errand_rate_new(r->pool, &over_all_hosts);
        if (!r->rate) return fail(r, "cannot start", errno);
    }
    const errand_jobs_opts jobs = {
        .files = o->files,
        .out = STDOUT_FILENO,
        .concurrency = o->jobs,
        .ordered = o->ordered,
        .verbose = o->verbose,
        .retries = o->retries,
        .rate = r->rate,
        .log = r->log,
        .on_error = complained,
        .arg = r,
        .headers = o->reply_headers,
        .body = o->body,
        .select = o->select,
        .output_dir = o->output_dir,
    };
    r->jobs = errand_jobs_new(r->pool, r->http, &jobs);
    if (!r->jobs && r->complained) return errno == EINVAL ? WRONG_USAGE : CANNOT_WRITE;
    if (!r->jobs) return fail(r, "cannot start", errno);
    int error = signals_begin(&r->signals, signalled, r);
    return error ? fail(r, "cannot wait for signals", error) : 0;
}

static int status_of(const errand_jobs_stats *s, unsigned interrupted)
{
    if (interrupted) return INTERRUPTED;
    if (s->write_error) return CANNOT_WRITE;
    if (s->read_error || s->bad_lines) return BAD_INPUT;
    return s->failed ? SOME_FAILED : ALL_WELL;
}

static bool reads_terminal(const run_options *o)
{
    bool named = !o->files;
    for (const char *const *file = o->files; file && *file; file++)
        named = named || !strcmp(*file, "-");
    return named && isatty(STDIN_FILENO);
}

static int go(run *r)
{
    if (!r->options.quiet && reads_terminal(&r->options)) {
        progress_say(&r->progress, "waiting for jobs, one JSON object a line; Ctrl-D ends");
    }
    snapshot s;
    total all;
    snapshot_begin(&s, progress_now());
    total_begin(&all, r->progress.on ? r->options.files : NULL);
    while (errand_jobs_wait(r->jobs, 100) == ETIMEDOUT) {
        double now = progress_now();
        total_go_on(&all);
        snapshot_take(&s, r->jobs, all.known ? all.lines : 0, now);
        report_lost_log(r);
        progress_show(&r->progress, &s, now);
    }
    total_end(&all);
    snapshot_take(&s, r->jobs, 0, progress_now());
    int status = status_of(&s.stats, signals_end(&r->signals));
    errand_log_flush(r->log, 1000);
    report_lost_log(r);
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
    errand_http_close(r->http, 1000);
    if (r->pool) errand_pool_close(r->pool, 1000);
    errand_log_close(r->log, 1000);
    run_options_free(&r->options);
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
    progress_begin(&r.progress, r.options.progress, r.options.quiet);
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
