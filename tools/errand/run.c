/* run.c -- requests from files or standard input, results to standard output.
 *
 *     options --> log, session (session.c) --> errand_jobs --wait 100 ms--> progress ...
 *             --> tally, exit status
 *
 * The jobs do all the work; this thread draws, another one waits for signals. */
#include "run.h"

#include "note.h"
#include "session.h"
#include "total.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct run {
    session session;
    bool log_reported; /* that lines are lost */
    errand_jobs *jobs;
    bool halt_reported;
} run;

/* A job needs a connection, as many again may be kept for reuse, and some other files are open. */
static void allow_descriptors(run *r)
{
    struct rlimit limit;
    rlim_t wanted = 2 * (rlim_t)r->session.options.jobs + 32;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted) return;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit)) limit.rlim_cur = before;
    if (limit.rlim_cur >= wanted) return;
    unsigned jobs = limit.rlim_cur > 34 ? (unsigned)(limit.rlim_cur - 32) / 2 : 1;
    progress_say(&r->session.progress,
                 "%u jobs at once, not %u: no more than %lu files may be open (ulimit -n)", jobs,
                 r->session.options.jobs, (unsigned long)limit.rlim_cur);
    r->session.options.jobs = jobs;
    if (r->session.options.jobs_least > jobs) r->session.options.jobs_least = jobs;
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
    session *s = arg;
    if (pause->number > 1) return;
    char asks[64] = "";
    double seconds = (double)pause->ms / 1000;
    if (pause->ms >= 0) snprintf(asks, sizeof asks, " and asks to wait %.10g s", seconds);
    const char *most = pause->ms > 300000 ? ", 300 s at most" : "";
    progress_say(&s->progress, "%.*s answered %d%s: all jobs for it wait%s", host_size(pause->host),
                 pause->host, pause->error - ERRAND_HTTP, asks,
                 pause->ms < 0 ? ", 1 s each time" : most);
}

/* The first window of a host that is used up by half is explained. */
static void spread(const errand_jobs_quota *quota, void *arg)
{
    session *s = arg;
    if (quota->number > 1) return;
    char limit[40] = "";
    if (quota->limit >= 0) snprintf(limit, sizeof limit, " of %" PRId64, quota->limit);
    progress_say(&s->progress,
                 "%.*s: %" PRId64 "%s requests left for %" PRId64 " s: its jobs are spread",
                 host_size(quota->host), quota->host, quota->remaining, limit,
                 (quota->reset_ms + 999) / 1000);
}

static void report_halt(run *r, const errand_jobs_stats *s)
{
    char last[64];
    if (r->halt_reported || !s->halted) return;
    r->halt_reported = true;
    const char *then = r->session.options.halt_on.now ? "cancelling" : "finishing";
    errand_error_name(s->halt_error, last, sizeof last);
    if (s->halted == ERRAND_JOBS_TIME_OUT) {
        progress_say(&r->session.progress, "halted: the time of --deadline is over");
    } else if (s->halted == ERRAND_JOBS_BUDGET) {
        progress_say(&r->session.progress,
                     "halted: the token budget of %" PRIu64
                     " does not suffice for the next job: %" PRIu64 " used; %s %" PRIu64
                     " in flight",
                     r->session.options.token_budget, s->tokens_used, then, s->in_flight);
    } else if (s->halted == ERRAND_JOBS_FAILED) {
        progress_say(&r->session.progress,
                     "halted: too many jobs have failed (--halt), the last with %s; "
                     "%s %" PRIu64 " in flight",
                     last, then, s->in_flight);
    } else {
        progress_say(&r->session.progress,
                     "halted: no job has succeeded, and three were answered 401, 402, 403 or that "
                     "a quota is used up, the last with %s; %s %" PRIu64
                     " in flight (--halt never ignores this)",
                     last, then, s->in_flight);
    }
}

static void signalled(unsigned count, void *arg)
{
    run *r = arg;
    errand_jobs_stats s = { 0 };
    if (count > 2) {
        progress_leave(&r->session.progress);
        _exit(INTERRUPTED);
    }
    if (count == 1) errand_jobs_stop(r->jobs);
    errand_jobs_stats_get(r->jobs, &s);
    if (count == 2) errand_jobs_cancel(r->jobs); /* counted before: they end at once */
    if (count == 1)
        progress_say(&r->session.progress, "stopping: %" PRIu64 " in flight; again to cancel",
                     s.in_flight);
    else
        progress_say(&r->session.progress, "cancelling %" PRIu64 " in flight; again to end at once",
                     s.in_flight);
}

static int open_log(run *r)
{
    const run_options *o = &r->session.options;
    if (!o->log) return 0;
    r->session.log = errand_log_new(&(errand_log_opts){
        .level = o->verbose ? ERRAND_LOG_DEBUG : ERRAND_LOG_INFO });
    if (!r->session.log) return session_fail(&r->session, "cannot start the log", errno);
    int error = errand_log_to_file(r->session.log, o->log, ERRAND_LOG_DEFAULT);
    if (!error) return 0;
    session_fail(&r->session, o->log, error);
    return CANNOT_WRITE;
}

/* The work goes on without its log, and its status is that of the work. */
static void report_lost_log(run *r)
{
    errand_log_stats stats;
    if (!r->session.log || r->log_reported || errand_log_stats_get(r->session.log, &stats) ||
        !stats.failed)
        return;
    r->log_reported = true;
    progress_say(&r->session.progress, "%s: the log cannot be written; the jobs go on",
                 r->session.options.log);
}

static int begin(run *r)
{
    char *note = r->session.options.output ? note_write(&r->session.options) : NULL;
    errand_jobs_opts jobs = session_jobs(&r->session);
    jobs.note = note;
    jobs.on_pause = paused;
    jobs.on_quota = spread;
    r->jobs = errand_jobs_new(r->session.pool, r->session.http, &jobs);
    int failed = errno;
    free(note);
    errno = failed;
    if (!r->jobs && errno == EEXIST)
        progress_say(&r->session.progress, "--resume goes on with them, --fresh discards them");
    if (!r->jobs && r->session.complained) return errno == EINVAL ? WRONG_USAGE : CANNOT_WRITE;
    if (!r->jobs) return session_fail(&r->session, "cannot start", errno);
    int error = signals_begin(&r->session.signals, signalled, r);
    return error ? session_fail(&r->session, "cannot wait for signals", error) : 0;
}

static int start(run *r)
{
    int status = open_log(r);
    if (!status) status = session_open(&r->session, true);
    return status ? status : begin(r);
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
    const char *output = r->session.options.output;
    if (!output) return;
    if (s->skipped) {
        char failed[64] = "";
        if (s->skipped_failed)
            snprintf(failed, sizeof failed, ", %" PRIu64 " of them failures", s->skipped_failed);
        progress_say(&r->session.progress, "%" PRIu64 " %s with a result of an earlier run%s",
                     s->skipped, jobs_of(s->skipped), failed);
    }
    if (s->unknown)
        progress_say(&r->session.progress,
                     "%" PRIu64 " %s may have been done before: \"unknown\"; --resume "
                     "--repeat-unknown sends them",
                     s->unknown, jobs_of(s->unknown));
    bool cut = status == INTERRUPTED || status == HALTED || status == CANNOT_WRITE;
    uint64_t open = s->may_have_run - s->unknown, plain = s->failed - s->may_have_run;
    if (cut) progress_say(&r->session.progress, "with --resume the same command goes on from here");
    else if (plain > s->bad_lines || s->skipped_failed)
        progress_say(&r->session.progress, "errand retry '%s' sends what failed again", output);
    if (open)
        progress_say(&r->session.progress,
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
    if (!r->session.options.quiet && reads_terminal(&r->session.options)) {
        progress_say(&r->session.progress, "waiting for jobs, one a line; Ctrl-D ends");
    }
    snapshot s;
    total all;
    snapshot_begin(&s, progress_now());
    s.tokens = counts_tokens(&r->session.options);
    total_begin(&all, r->session.progress.on ? &r->session.options : NULL);
    while (errand_jobs_wait(r->jobs, 100) == ETIMEDOUT) {
        double now = progress_now();
        total_go_on(&all);
        snapshot_take(&s, r->jobs, all.known ? total_jobs(&all) : 0, now);
        report_lost_log(r);
        report_halt(r, &s.stats);
        progress_show(&r->session.progress, &s, now);
    }
    total_end(&all);
    snapshot_take(&s, r->jobs, 0, progress_now());
    report_halt(r, &s.stats);
    int status = status_of(&s.stats, signals_end(&r->session.signals));
    errand_log_flush(r->session.log, 1000);
    report_lost_log(r);
    if (!r->session.options.quiet) report_resuming(r, &s.stats, status);
    progress_end(&r->session.progress, &s, status);
    if (!r->session.options.quiet) {
        fprintf(stderr,
                "{\"successful\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"total_processed\":%" PRIu64
                "}\n",
                s.stats.successful, s.stats.failed, s.stats.total_processed);
    }
    return status;
}

int run_main(int argc, char **argv)
{
    run r = { 0 };
    int status = 0;
    if (!run_options_read(&r.session.options, argc, argv, &status)) {
        run_options_free(&r.session.options);
        return status;
    }
    if (!session_takes_streams()) {
        run_options_free(&r.session.options);
        return CANNOT_WRITE;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* or its status could not be known */
    progress_begin(&r.session.progress, &r.session.options);
    allow_descriptors(&r);
    int error = signals_hold(&r.session.signals);
    if (error) status = session_fail(&r.session, "cannot wait for signals", error);
    else status = start(&r);
    if (!status) {
        status = go(&r);
    } else {
        signals_end(&r.session.signals);
        progress_end(&r.session.progress, NULL, status);
    }
    errand_jobs_free(r.jobs);
    session_close(&r.session);
    return status;
}
