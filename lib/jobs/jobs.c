/* jobs/jobs.c -- requests of files in, results as JSON Lines out: a reader,
 * a batch and a writer.
 *
 *     input --next--> job --work (job_run.c)--> result
 *     result --each: er_report--> out
 *
 * The reader is the batch's next, on the pump's thread; it waits for input with poll, so that a
 * byte in the wake pipe stops it at once. A file that cannot be read goes the same way as a
 * line, as a job with seq 0 that ends at once and writes nothing: so all that is reported to
 * `on_error` and all that is written comes from each, by one thread at a time, and with
 * `ordered` in the order of the input.
 *
 * A job with pages ends once for each: its batch item is worked on again (job_run.c).
 *
 * Halting is stopping with a reason: each counts ends (halt.c), a future waits for the deadline.
 *
 * A result that cannot be written ends the batch: nothing more is begun, what is in flight is
 * cancelled, and what ends after that is counted as failed, as it has no result line. */
#include "jobs/job_run.h"

#include "base/options.h"
#include "base/result.h"
#include "async/current.h"
#include "async/job.h"
#include "http/session.h"
#include "jobs/json_pointer.h"
#include "jobs/openai_result.h"
#include "policy/sem.h"

#include <errand/promise.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONCURRENCY 16
#define LINE_KEPT   (1u << 20) /* bytes kept for the next result line */
/* nothing is begun while lines and bodies of that many bytes wait for the writer */
#define WAITING     ((size_t)32 << 20)

/* ---- input ---- */

static void take_no_more(errand_jobs *jobs) /* also while the reader waits */
{
    if (er_swap(&jobs->stopped, 1)) return;
    er_file_write(jobs->wake[1], "", 1, NULL); /* the only byte there ever is, so there is room */
}

static void report_error(const errand_jobs *jobs, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void report_error(const errand_jobs *jobs, const char *fmt, ...)
{
    if (!jobs->opts.on_error) return;
    er_bytes text = { 0 };
    va_list args;
    va_start(args, fmt);
    er_bytes_vformat(&text, fmt, args);
    va_end(args);
    jobs->opts.on_error(text.error ? "out of memory" : text.at, jobs->opts.arg);
    er_end_in_child();
    er_bytes_free(&text);
}

static void end_input(errand_jobs *jobs, int refused)
{
    if (refused) report_error(jobs, "%s", jobs->input.why); /* no job has begun: none reports */
    er_lock_take(&jobs->lock);
    jobs->input_over = true;
    jobs->stats.known_total = er_input_count(&jobs->input);
    jobs->stats.refused = refused;
    er_lock_give(&jobs->lock);
}

static void *next(void *arg, int *error)
{
    errand_jobs *jobs = arg;
    if (er_load(&jobs->stopped)) return NULL;
    er_job_run *it = er_alloc_zero(sizeof *it);
    int failed = it ? er_input_next(&jobs->input, &it->job) : ENOMEM;
    if (!failed) {
        it->jobs = jobs;
        it->job.expand = jobs->opts.expand;
        it->job.page = jobs->next_page.form ? 1 : 0;
        return it;
    }
    er_free(it);
    if (failed == ENODATA || failed == EINVAL) end_input(jobs, failed == EINVAL ? EINVAL : 0);
    else if (failed != ECANCELED) *error = failed;
    return NULL;
}

static errand_result work(void *item, void *arg)
{
    (void)arg;
    return er_job_run_work(item);
}

static bool more(void *item, const errand_result *r, void *arg)
{
    (void)arg;
    return er_job_run_more(item, r);
}

/* ---- halting ---- */

static void halt(errand_jobs *jobs, errand_jobs_halt why, int error, bool now)
{
    er_lock_take(&jobs->lock);
    bool halts = !jobs->over && !jobs->stats.halted;
    if (halts) {
        jobs->stats.halted = why;
        jobs->stats.halt_error = error;
    }
    er_lock_give(&jobs->lock);
    if (!halts) return;
    take_no_more(jobs);
    if (now) errand_cancel(jobs->done);
}

static errand_result deadline_passed(errand_result in, void *arg)
{
    if (!in.error) halt(arg, ERRAND_JOBS_TIME_OUT, 0, true);
    return in;
}

/* ---- output ---- */

static int write_line(errand_jobs *jobs, const er_job_run *it, const errand_result *r)
{
    jobs->line.size = 0;
    if (jobs->opts.openai_results) er_openai_result(&jobs->line, &it->job, r);
    else er_report(&jobs->line, &it->job, r, &jobs->report);
    int error = jobs->line.error;
    if (!error && jobs->journal) error = er_journal_put(jobs->journal, &jobs->line);
    else if (!error) error = er_file_write(jobs->opts.out, jobs->line.at, jobs->line.size, NULL);
    if (jobs->line.error || jobs->line.room > LINE_KEPT) er_bytes_free(&jobs->line);
    return error;
}

static size_t size_of(void *item, const errand_result *r, void *arg)
{
    const er_job_run *it = item;
    (void)arg;
    bool answered = r->value && (!r->error || (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL));
    return it->job.line.size + (answered ? errand_response_body(r->value).size : 0);
}

/* Before its line is written: a reader of the line must not find the job in flight. */
static void landed(errand_jobs *jobs, er_job_run *it)
{
    er_lock_take(&jobs->lock);
    if (it->begun && !it->more) jobs->stats.in_flight--;
    if (it->retrying) jobs->stats.retrying--;
    er_lock_give(&jobs->lock);
    it->retrying = false;
}

/* How a job counts that is not done. */
static void count_failure(errand_jobs *jobs, const er_job_run *it, const errand_result *r,
                          int write_error)
{
    errand_jobs_stats *s = &jobs->stats;
    bool cut = er_job_run_is_cut(it, r);
    errand_result missing = errand_fail(write_error);
    if (cut && !r->error && !write_error)
        missing = errand_fail_as(ECANCELED, ERRAND_KIND_CANCELLED, -1, false,
                                 "the run has ended before page %u", it->job.page + 1);
    s->failed++;
    if (cut) jobs->cut++;
    if (cut || errand_result_kind(r) == ERRAND_KIND_CANCELLED) s->cancelled++;
    er_failures_add(&jobs->failures, &it->job, r->error ? r : &missing);
    errand_result_free(&missing);
}

static void count(errand_jobs *jobs, const er_job_run *it, const errand_result *r, bool bad,
                  int write_error)
{
    errand_jobs_stats *s = &jobs->stats;
    bool refused = jobs->opts.halt_fatal && er_halt_refused(r);
    er_lock_take(&jobs->lock);
    if (it->job.page && !r->error) s->pages++;
    if (it->more) { /* the job counts with its last page */
        jobs->halt.let_in = true;
        if (!s->write_error) s->write_error = write_error;
        er_lock_give(&jobs->lock);
        return;
    }
    s->total_processed++;
    if (r->error || write_error || er_job_run_is_cut(it, r))
        count_failure(jobs, it, r, write_error);
    else s->successful++;
    if (bad) s->bad_lines++;
    if (r->error == EINPROGRESS) s->unknown++;
    if (r->error && errand_result_may_have_run(r)) s->may_have_run++;
    if (it->begun && !bad)
        er_histogram_add(&jobs->times, (uint64_t)(er_pool_now(jobs->pool) - it->began_ns) / 1000);
    if (!s->write_error) s->write_error = write_error;
    errand_jobs_halt why = er_halt_count(&jobs->halt, r, refused);
    if (it->over_budget) why = ERRAND_JOBS_BUDGET;
    er_lock_give(&jobs->lock);
    if (why) halt(jobs, why, r->error, jobs->opts.halt_now);
}

static void note_read_error(errand_jobs *jobs, int error)
{
    er_lock_take(&jobs->lock);
    if (!jobs->stats.read_error) jobs->stats.read_error = error;
    er_lock_give(&jobs->lock);
}

/* It gets no result line, so the next run sends it: it was cancelled before it could do anything,
 * or its tokens are not in the budget, or there was no memory to read it. */
static bool is_left(const er_job_run *it, const errand_result *r)
{
    if (!it->jobs->journal) return false;
    bool cancelled = errand_result_kind(r) == ERRAND_KIND_CANCELLED;
    return !it->job.run || it->over_budget || (cancelled && !errand_result_may_have_run(r));
}

static int write_result(errand_jobs *jobs, er_job_run *it, const errand_result *r)
{
    int before = jobs->stats.write_error; /* written by this thread only */
    const char *what = jobs->opts.results ? jobs->opts.results : "the results";
    const er_line *line = &it->job.line;
    /* an error that the session finds in a request is one of the line: a relative url without a
     * base, for example */
    bool bad = errand_result_kind(r) == ERRAND_KIND_VALIDATION;
    bool unread = jobs->journal && r->error == ENOMEM && !it->job.run;
    if (bad || unread)
        report_error(jobs, "%s:%llu: %s", line->file, (unsigned long long)line->number,
                     errand_result_message(r));
    landed(jobs, it);
    int error = before ? before : it->journal_error;
    if (!error && !is_left(it, r)) error = write_line(jobs, it, r);
    if (error && !before) {
        take_no_more(jobs);
        report_error(jobs, "cannot write %s%s: %s", what, it->journal_error ? ".journal" : "",
                     errand_strerror(error));
    }
    count(jobs, it, r, bad, error);
    return error;
}

static void skip(errand_jobs *jobs, const er_job_run *it)
{
    er_lock_take(&jobs->lock);
    jobs->stats.skipped++;
    if (it->failed) jobs->stats.skipped_failed++;
    er_lock_give(&jobs->lock);
}

static int each(void *item, errand_result r, void *arg)
{
    er_job_run *it = item;
    errand_jobs *jobs = arg;
    const er_line *line = &it->job.line;
    int write_error = jobs->stats.write_error;
    if (!it->job.seq) {
        report_error(jobs, "%s: %s", line->file,
                     line->why ? line->why : errand_strerror(line->error));
        note_read_error(jobs, line->error);
    } else if (it->done) {
        skip(jobs, it);
    } else {
        write_error = write_result(jobs, it, &r);
    }
    errand_result_free(&r);
    if (it->more) {
        er_job_run_turn(it);
        return write_error;
    }
    er_page_trail_free(&it->trail);
    er_line_job_free(&it->job);
    er_free(it->host);
    er_free(it);
    return write_error;
}

/* ---- the whole ---- */

static errand_result begin(errand_result in, void *arg)
{
    errand_jobs *jobs = arg;
    if (in.error) return in;
    const errand_batch_opts batch = {
        .concurrency = jobs->opts.concurrency,
        .ordered = jobs->opts.ordered,
        .window_bytes = WAITING,
        .size_of = size_of,
        .more = jobs->next_page.form ? more : NULL
    };
    return errand_later(errand_batch(jobs->pool, &batch, next, work, each, jobs));
}

static errand_result finished(errand_result in, void *arg)
{
    errand_jobs *jobs = arg;
    er_lock_take(&jobs->lock);
    bool first = in.error && !jobs->stats.write_error;
    if (first) jobs->stats.write_error = in.error;
    er_lock_give(&jobs->lock);
    if (first)
        report_error(jobs, "cannot write %s: %s", jobs->opts.results, errand_strerror(in.error));
    return in;
}

static void say_cut(const errand_jobs *jobs)
{
    char text[100];
    if (!jobs->cut || !jobs->opts.on_notice) return;
    snprintf(text, sizeof text, "%llu %s", (unsigned long long)jobs->cut,
             jobs->cut == 1 ? "job stopped before its last page"
                            : "jobs stopped before their last page");
    jobs->opts.on_notice(text, jobs->opts.arg);
    er_end_in_child();
}

static errand_result over(errand_result in, void *arg)
{
    errand_jobs *jobs = arg;
    er_lock_take(&jobs->lock);
    jobs->over = true;
    er_lock_give(&jobs->lock);
    if (jobs->deadline) errand_cancel(jobs->deadline);
    if (in.error && in.error != ECANCELED && in.error != jobs->stats.write_error) {
        /* it could not go on reading */
        note_read_error(jobs, in.error);
        report_error(jobs, "cannot go on: %s", errand_strerror(in.error));
    }
    say_cut(jobs);
    if (!jobs->journal) return in;
    errand_result_free(&in);
    return errand_later(errand_then(er_journal_finish(jobs->journal), finished, jobs));
}

static void free_all(errand_jobs *jobs)
{
    for (size_t i = 0; i < ER_JOB_POLICIES; i++) errand_policy_free(jobs->policies[i]);
    errand_policy_free(jobs->base);
    errand_policy_free(jobs->once);
    if (jobs->host_rate != jobs->opts.host_rate) errand_rate_free(jobs->host_rate);
    for (size_t i = 0; i < 2; i++) {
        if (jobs->wake[i] >= 0) er_file_close(jobs->wake[i]);
    }
    er_input_free(&jobs->input);
    er_job_defaults_free(jobs->defaults);
    er_bytes_free(&jobs->line);
    er_journal_close(jobs->journal);
    er_output_dir_close(&jobs->dir);
    er_failures_free(&jobs->failures);
    er_tokens_free(&jobs->tokens);
    er_next_page_free(&jobs->next_page);
    er_free(jobs);
}

/* Where bodies and parts of them go. */
static int prepare_output(errand_jobs *jobs)
{
    const errand_jobs_opts *o = &jobs->opts;
    jobs->report = (er_report_opts){ .verbose = o->verbose,
                                     .headers = o->headers,
                                     .body = o->body,
                                     .select = o->select && *o->select ? o->select : NULL,
                                     .base_url = jobs->http->defaults.base_url };
    for (const char *const *pointer = o->select; pointer && *pointer; pointer++) {
        if (er_json_pointer_valid(*pointer)) continue;
        report_error(jobs, "select \"%.200s\": it is no JSON pointer", *pointer);
        return EINVAL;
    }
    if (!o->output_dir) return 0;
    int error = er_output_dir_open(&jobs->dir, o->output_dir);
    jobs->dir.keeps = o->results && o->begin == ERRAND_RESULTS_RESUME;
    if (error)
        report_error(jobs, "output_dir \"%.200s\": %s", o->output_dir, errand_strerror(error));
    return error;
}

static int read_next_page(errand_jobs *jobs)
{
    const errand_jobs_opts *o = &jobs->opts;
    er_bytes why = { 0 };
    jobs->max_pages = o->max_pages ? o->max_pages : ERRAND_JOBS_PAGES;
    int error = er_job_options_next(&jobs->next_page, o, &why);
    if (jobs->next_page.form) jobs->report.pages = &jobs->next_page;
    if (why.size) report_error(jobs, "%s", why.at);
    er_bytes_free(&why);
    return error;
}

static int make_defaults(errand_jobs *jobs)
{
    er_bytes why = { 0 };
    int error = er_job_options_defaults(&jobs->defaults, &jobs->opts, &why);
    if (why.size) report_error(jobs, "%s", why.at);
    er_bytes_free(&why);
    return error;
}

/* Consumes opts.retry_if, always. */
static int make_policies(errand_jobs *jobs)
{
    const errand_jobs_opts *o = &jobs->opts;
    const errand_rate_opts no_pace = { .per_second = ERRAND_NO_PACE, .name = "hosts" };
    jobs->host_rate = o->host_rate ? o->host_rate : errand_rate_new(jobs->pool, &no_pace);
    int error = jobs->host_rate ? 0 : errno;
    const errand_policy_opts base = {
        .attempts = 1,
        .within_ms = o->job_within_ms,
        .stop = o->retry_within_ms ? errand_stop_before_delay(o->retry_within_ms) : NULL,
        .retry_if = o->retry_if,
        .rate = jobs->host_rate,
        .total_rate = o->rate,
        .sem = o->host_sem,
        .name = o->log ? "job" : NULL,
        .log = o->log,
    };
    jobs->base = errand_policy_new(&base, NULL);
    if (!jobs->base) return error ? error : errno;
    jobs->once = errand_policy_new(&(errand_policy_opts){ .attempts = 1 }, NULL);
    if (!jobs->once) return errno;
    for (unsigned i = 0; i < ER_JOB_POLICIES; i++) {
        jobs->policies[i] = er_job_policy(jobs, i);
        if (!jobs->policies[i]) return errno;
    }
    return error;
}

static int make_tokens(errand_jobs *jobs)
{
    const errand_jobs_opts *o = &jobs->opts;
    er_bytes why = { 0 };
    int error = er_tokens_init(&jobs->tokens, o->tokens_asked, o->tokens_used, &why);
    if (error == EINVAL) report_error(jobs, "%s", why.at);
    er_bytes_free(&why);
    er_token_budget_init(&jobs->token_budget, jobs->pool, o->token_rate, o->token_budget);
    jobs->report.tokens = o->token_rate || o->token_budget || o->tokens_asked || o->tokens_used;
    return error;
}

static int open_journal(errand_jobs *jobs)
{
    er_bytes why = { 0 };
    int error = er_journal_open(&jobs->journal, jobs->pool, &jobs->opts, &why);
    if (why.size) report_error(jobs, "%s", why.at);
    er_bytes_free(&why);
    jobs->opts.note = NULL; /* the caller's, and written */
    return error;
}

static int make_parts(errand_jobs *jobs)
{
    int error = make_policies(jobs);
    if (!error) error = prepare_output(jobs);
    if (!error) error = make_tokens(jobs);
    if (!error) error = read_next_page(jobs);
    if (error) return error;
    error = er_pipe(jobs->wake);
    if (error) jobs->wake[0] = jobs->wake[1] = -1;
    if (!error) error = make_defaults(jobs);
    if (!error)
        error = er_job_options_input(&jobs->input, &jobs->opts, jobs->defaults,
                                     jobs->http->defaults.base_url, jobs->wake[0]);
    return error || !jobs->opts.results ? error : open_journal(jobs);
}

/* The whole chain stands before anything begins: without memory for it nothing has. */
static void start(errand_jobs *jobs)
{
    int64_t within_ms = jobs->opts.run_within_ms;
    errand_future *gate_open;
    errand_promise *gate = errand_promise_new(jobs->pool, &gate_open);
    jobs->done = errand_then(errand_then(gate_open, begin, jobs), over, jobs);
    if (within_ms) {
        errand_future *asleep = errand_sleep(jobs->pool, within_ms);
        jobs->deadline = errand_then(asleep, deadline_passed, jobs);
    }
    errand_promise_resolve(gate, errand_ok(NULL, NULL));
}

errand_jobs *errand_jobs_new_sized(errand_pool *pool, errand_http *http,
                                   const errand_jobs_opts *opts, size_t size)
{
    errand_jobs_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error && (!pool || !http || !opts || er_job_options_wrong(&o))) error = EINVAL;
    errand_jobs *jobs = error ? NULL : er_alloc_zero(sizeof *jobs);
    if (!error && !jobs) error = ENOMEM;
    if (error) {
        errand_retry_if_free(o.retry_if);
        errno = error;
        return NULL;
    }
    if (!o.concurrency) o.concurrency = CONCURRENCY;
    jobs->opts = o;
    jobs->pool = pool;
    jobs->http = http;
    jobs->halt = (er_halt){ .fatal = o.halt_fatal,
                            .failed_most = o.halt_failed,
                            .failed_share_most = o.halt_failed_share };
    jobs->wake[0] = jobs->wake[1] = jobs->input.lines.fd = -1;
    error = make_parts(jobs);
    if (error) {
        free_all(jobs);
        errno = error;
        return NULL;
    }
    start(jobs);
    return jobs;
}

int errand_jobs_wait(errand_jobs *jobs, int64_t ms)
{
    return jobs ? errand_wait(jobs->done, ms) : EINVAL;
}

void errand_jobs_stop(errand_jobs *jobs)
{
    if (!jobs) return;
    er_lock_take(&jobs->lock);
    if (!er_load(&jobs->stopped)) jobs->stats.stopped = !jobs->input_over;
    er_lock_give(&jobs->lock);
    take_no_more(jobs);
}

void errand_jobs_cancel(errand_jobs *jobs)
{
    if (!jobs) return;
    errand_jobs_stop(jobs);
    errand_cancel(jobs->done);
}

static void add_permits(const errand_jobs *jobs, errand_jobs_stats *s)
{
    er_sem_sums used, all;
    if (!jobs->opts.host_sem) return;
    er_sem_sum(jobs->opts.host_sem, &used, &all);
    const er_sem_sums *now = used.keys ? &used : &all;
    uint64_t most = jobs->opts.concurrency;
    s->waiting = used.in_use < s->in_flight ? s->in_flight - used.in_use : 0;
    s->limit = now->permits < most ? now->permits : most;
    s->limit_hosts = now->keys;
}

int errand_jobs_stats_sized(errand_jobs *jobs, errand_jobs_stats *out, size_t size)
{
    if (!jobs) return EINVAL;
    er_lock_take(&jobs->lock);
    errand_jobs_stats s = jobs->stats;
    s.p50_ms = (int64_t)(er_histogram_at(&jobs->times, 0.5) / 1000);
    s.p99_ms = (int64_t)(er_histogram_at(&jobs->times, 0.99) / 1000);
    er_lock_give(&jobs->lock);
    if (jobs->report.tokens)
        er_token_budget_look(&jobs->token_budget, &s.tokens_used, &s.tokens_reserved);
    add_permits(jobs, &s);
    return er_options_give(out, size, &s, sizeof s);
}

int errand_jobs_failures_sized(errand_jobs *jobs, size_t i, errand_jobs_failure *out, size_t size)
{
    if (!jobs || !out) return EINVAL;
    er_lock_take(&jobs->lock);
    bool there = i < jobs->failures.n;
    errand_jobs_failure class = there ? jobs->failures.classes[i] : (errand_jobs_failure){ 0 };
    er_lock_give(&jobs->lock);
    return there ? er_options_give(out, size, &class, sizeof class) : ENOENT;
}

void errand_jobs_free(errand_jobs *jobs)
{
    if (!jobs) return;
    errand_jobs_cancel(jobs);
    errand_result r = errand_await(jobs->done);
    errand_result_free(&r);
    if (jobs->deadline) {
        errand_cancel(jobs->deadline);
        r = errand_await(jobs->deadline);
        errand_result_free(&r);
    }
    free_all(jobs);
}
