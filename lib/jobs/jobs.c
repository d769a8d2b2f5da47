/* jobs/jobs.c -- requests as JSON Lines in, results as JSON Lines out: a reader,
 * a batch and a writer.
 *
 *     lines --next--> run --work: er_line_job_read, errand_run(attempt: errand_send)--> result
 *     result --each: er_report--> out
 *
 * The reader is the batch's next, on the pump's thread; it waits for input with poll, so that a
 * byte in the wake pipe stops it at once. A file that cannot be read goes the same way as a
 * line, as a run with seq 0 that ends at once and writes nothing: so all that is reported to
 * `on_error` and all that is written comes from each, by one thread at a time, and with
 * `ordered` in the order of the input.
 *
 * Attempts are made here, not by the session, so that they can be counted while they
 * happen: a job is "retrying" from the end of an attempt that will likely be retried to its
 * own end. Policies differ by the number of retries alone, so a few of them, made at the
 * start, serve nearly every line.
 *
 * A result that cannot be written ends the batch: nothing more is begun, what is in flight is
 * cancelled, and what ends after that is counted as failed, as it has no result line. */
#include "base/atomic.h"
#include "base/options.h"
#include "base/result.h"
#include "base/clock.h"
#include "http/classify.h"
#include "http/session.h"
#include "jobs/failures.h"
#include "jobs/json_pointer.h"
#include "jobs/output_dir.h"
#include "jobs/result_writer.h"
#include "base/histogram.h"
#include "async/current.h"
#include "async/job.h"

#include <errand/jobs.h>
#include <errand/promise.h>

#include <errno.h>
#include <string.h>

#define POLICIES  8          /* for 0 to 7 extra attempts; more get a policy of their own */
#define LINE_KEPT (1u << 20) /* bytes kept for the next result line */
/* nothing is begun while lines and bodies of that many bytes wait for the writer */
#define WAITING   ((size_t)32 << 20)

struct errand_jobs {
    errand_jobs_opts opts;
    errand_pool *pool;
    errand_http *http;
    errand_policy *policies[POLICIES]; /* [extra attempts] */
    errand_policy *once;               /* of the session's requests */
    errand_future *done;
    er_lines lines; /* the reader's */
    uint64_t seq;   /* the reader's */
    er_bytes line;  /* the writer's */
    er_report_opts report;
    er_output_dir dir;
    int wake[2];
    uint32_t stopped; /* atomic */
    er_lock lock;     /* guards the rest */
    bool input_over;
    errand_jobs_stats stats;
    er_histogram times; /* us */
    er_failures failures;
};

typedef struct run {
    er_line_job job;
    errand_jobs *jobs;
    int64_t began_ns;
    unsigned retries, tries;
    bool begun, retrying;
} run;

/* ---- input ---- */

static void *next(void *arg, int *error)
{
    errand_jobs *jobs = arg;
    if (er_load(&jobs->stopped)) return NULL;
    run *it = er_alloc_zero(sizeof *it);
    er_line line = { 0 };
    int failed = it ? er_lines_next(&jobs->lines, &line) : ENOMEM;
    if (!failed) {
        it->jobs = jobs;
        er_line_job_init(&it->job, &line, line.number ? ++jobs->seq : 0);
        return it;
    }
    er_free(it);
    if (failed == ENODATA) {
        er_lock_take(&jobs->lock);
        jobs->input_over = true;
        jobs->stats.known_total = jobs->seq;
        er_lock_give(&jobs->lock);
    } else if (failed != ECANCELED) {
        *error = failed;
    }
    return NULL;
}

/* ---- work ---- */

static errand_result attempted(errand_result in, void *arg)
{
    run *it = arg;
    const char *phase = errand_result_phase(&in); /* of a request that was refused: none */
    if (!in.error || (*phase && strcmp(phase, "queue") != 0)) it->job.attempts++;
    if (in.error && it->tries <= it->retries && !it->retrying && errand_result_transient(&in)) {
        it->retrying = true;
        er_lock_take(&it->jobs->lock);
        it->jobs->stats.retrying++;
        er_lock_give(&it->jobs->lock);
    }
    return in;
}

static errand_result attempt(void *arg)
{
    run *it = arg;
    if (!it->job.began_wall_ns) it->job.began_wall_ns = er_wall_ns();
    if (++it->tries > 1) {
        er_lock_take(&it->jobs->lock);
        it->jobs->stats.retries++;
        er_lock_give(&it->jobs->lock);
    }
    return errand_later(errand_then(errand_send(it->jobs->http, &it->job.request), attempted, it));
}

/* Its body is saved as a part: gives that its name. */
static errand_result name_body(errand_result in, void *arg)
{
    run *it = arg;
    er_line_job *job = &it->job;
    int status = in.error ? 0 : errand_response_status(in.value);
    const char *method = job->request.method ? job->request.method : "GET";
    if (status < 200 || status > 299 || er_reply_is_bare(method, status)) return in;
    int error = er_output_dir_name(&it->jobs->dir, job, in.value, &job->named);
    if (!error) return in;
    errand_result_free(&in);
    return errand_fail_as(error, ERRAND_KIND_RESOURCE, -1, true, "output_dir \"%s\": %s",
                          it->jobs->dir.path, errand_strerror(error));
}

static errand_policy *new_policy(const errand_jobs *jobs, unsigned retries)
{
    const errand_policy_opts o = {
        .attempts = retries + 1,
        .rate = jobs->opts.rate,
        .name = jobs->opts.log ? "job" : NULL,
        .log = jobs->opts.log,
    };
    return errand_policy_new(&o, NULL);
}

static errand_result work(void *item, void *arg)
{
    run *it = item;
    errand_jobs *jobs = arg;
    if (!it->job.seq) return errand_fail(it->job.line.error);
    if (er_line_job_read(&it->job)) return er_line_job_refusal(&it->job);

    it->retries = it->job.retries_given ? it->job.retries : jobs->opts.retries;
    if (!it->job.request.total_ms) it->job.request.total_ms = jobs->opts.total_ms;
    it->job.request.policy = jobs->once; /* the session's would multiply ours */
    bool shared = it->retries < POLICIES;
    errand_policy *policy = shared ? jobs->policies[it->retries] : new_policy(jobs, it->retries);
    if (!policy) return errand_fail(ENOMEM);

    if (jobs->dir.path && !it->job.request.save_to) {
        it->job.request.save_to = it->job.part = er_output_dir_part(&jobs->dir, it->job.seq);
        if (!it->job.part) return errand_fail(ENOMEM);
    }
    it->begun = true;
    it->began_ns = er_pool_now(jobs->pool);
    er_lock_take(&jobs->lock);
    jobs->stats.in_flight++;
    er_lock_give(&jobs->lock);
    errand_task task = { .fn = attempt, .arg = it, .name = "job" };
    errand_future *f = errand_run_task(jobs->pool, policy, &task);
    if (!shared) errand_policy_free(policy);
    return errand_later(it->job.part ? errand_then(f, name_body, it) : f);
}

/* ---- output ---- */

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

static int write_line(errand_jobs *jobs, const run *it, const errand_result *r)
{
    jobs->line.size = 0;
    er_report(&jobs->line, &it->job, r, &jobs->report);
    int error = jobs->line.error;
    if (!error) error = er_file_write(jobs->opts.out, jobs->line.at, jobs->line.size, NULL);
    if (jobs->line.error || jobs->line.room > LINE_KEPT) er_bytes_free(&jobs->line);
    return error;
}

static size_t size_of(void *item, const errand_result *r, void *arg)
{
    const run *it = item;
    (void)arg;
    bool answered = r->value && (!r->error || (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL));
    return it->job.line.size + (answered ? errand_response_body(r->value).size : 0);
}

/* Before its line is written: a reader of the line must not find the job in flight. */
static void landed(errand_jobs *jobs, const run *it)
{
    er_lock_take(&jobs->lock);
    if (it->begun) jobs->stats.in_flight--;
    if (it->retrying) jobs->stats.retrying--;
    er_lock_give(&jobs->lock);
}

static void count(errand_jobs *jobs, const run *it, const errand_result *r, bool bad,
                  int write_error)
{
    errand_jobs_stats *s = &jobs->stats;
    er_lock_take(&jobs->lock);
    s->total_processed++;
    if (r->error || write_error) s->failed++;
    else s->successful++;
    if (bad) s->bad_lines++;
    errand_result lost = errand_fail(write_error);
    if (r->error || write_error) er_failures_add(&jobs->failures, &it->job, r->error ? r : &lost);
    if (errand_result_kind(r) == ERRAND_KIND_CANCELLED) s->cancelled++;
    if (it->begun && !bad)
        er_histogram_add(&jobs->times, (uint64_t)(er_pool_now(jobs->pool) - it->began_ns) / 1000);
    if (!s->write_error) s->write_error = write_error;
    er_lock_give(&jobs->lock);
}

static void note_read_error(errand_jobs *jobs, int error)
{
    er_lock_take(&jobs->lock);
    if (!jobs->stats.read_error) jobs->stats.read_error = error;
    er_lock_give(&jobs->lock);
}

static int each(void *item, errand_result r, void *arg)
{
    run *it = item;
    errand_jobs *jobs = arg;
    const er_line *line = &it->job.line;
    int write_error = jobs->stats.write_error; /* written by this very function only */
    if (!it->job.seq) {
        report_error(jobs, "%s: %s", line->file, errand_strerror(line->error));
        note_read_error(jobs, line->error);
    } else {
        /* an error that the session finds in a request is one of the line: a relative url without a
         * base, for example */
        bool bad = errand_result_kind(&r) == ERRAND_KIND_VALIDATION;
        if (bad)
            report_error(jobs, "%s:%llu: %s", line->file, (unsigned long long)line->number,
                         errand_result_message(&r));
        int before = write_error;
        landed(jobs, it);
        if (!write_error) write_error = write_line(jobs, it, &r);
        if (write_error && !before)
            report_error(jobs, "cannot write the results: %s", errand_strerror(write_error));
        count(jobs, it, &r, bad, write_error);
    }
    errand_result_free(&r);
    er_line_job_free(&it->job);
    er_free(it);
    return write_error;
}

/* ---- the whole ---- */

static errand_result begin(errand_result in, void *arg)
{
    errand_jobs *jobs = arg;
    if (in.error) return in;
    const errand_batch_opts batch = { .concurrency = jobs->opts.concurrency,
                                      .ordered = jobs->opts.ordered,
                                      .window_bytes = WAITING,
                                      .size_of = size_of };
    return errand_later(errand_batch(jobs->pool, &batch, next, work, each, jobs));
}

static errand_result over(errand_result in, void *arg)
{
    errand_jobs *jobs = arg;
    if (in.error && in.error != ECANCELED && in.error != jobs->stats.write_error) {
        /* it could not go on reading */
        note_read_error(jobs, in.error);
        report_error(jobs, "cannot go on: %s", errand_strerror(in.error));
    }
    return in;
}

static void free_all(errand_jobs *jobs)
{
    for (size_t i = 0; i < POLICIES; i++) errand_policy_free(jobs->policies[i]);
    errand_policy_free(jobs->once);
    for (size_t i = 0; i < 2; i++) {
        if (jobs->wake[i] >= 0) er_file_close(jobs->wake[i]);
    }
    er_lines_free(&jobs->lines);
    er_bytes_free(&jobs->line);
    er_output_dir_close(&jobs->dir);
    er_failures_free(&jobs->failures);
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
    if (error)
        report_error(jobs, "output_dir \"%.200s\": %s", o->output_dir, errand_strerror(error));
    return error;
}

static int make_parts(errand_jobs *jobs)
{
    int error = prepare_output(jobs);
    if (!error) error = er_pipe(jobs->wake);
    if (error) {
        jobs->wake[0] = jobs->wake[1] = -1;
        return error;
    }
    error = er_lines_init(&jobs->lines, jobs->opts.files, jobs->wake[0]);
    if (error) return error;
    jobs->once = errand_policy_new(&(errand_policy_opts){ .attempts = 1 }, NULL);
    if (!jobs->once) return errno;
    for (unsigned i = 0; i < POLICIES; i++) {
        jobs->policies[i] = new_policy(jobs, i);
        if (!jobs->policies[i]) return errno;
    }
    return 0;
}

errand_jobs *errand_jobs_new_sized(errand_pool *pool, errand_http *http,
                                   const errand_jobs_opts *opts, size_t size)
{
    errand_jobs_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    bool wrong = !pool || !http || !opts || o.out < 0 || o.total_ms < 0 ||
                 o.retries > ER_JOB_RETRIES_MOST || (unsigned)o.headers > ERRAND_JOBS_HEADERS_ALL ||
                 (unsigned)o.body > ERRAND_JOBS_BODY_FAILED ||
                 (o.output_dir && o.select && *o.select);
    if (!error && wrong) error = EINVAL;
    errand_jobs *jobs = error ? NULL : er_alloc_zero(sizeof *jobs);
    if (!error && !jobs) error = ENOMEM;
    if (error) {
        errno = error;
        return NULL;
    }
    jobs->opts = o;
    jobs->pool = pool;
    jobs->http = http;
    jobs->wake[0] = jobs->wake[1] = jobs->lines.fd = -1;
    error = make_parts(jobs);
    if (error) {
        free_all(jobs);
        errno = error;
        return NULL;
    }
    /* the whole chain stands before anything begins: without memory for it nothing has */
    errand_future *start;
    errand_promise *gate = errand_promise_new(pool, &start);
    jobs->done = errand_then(errand_then(start, begin, jobs), over, jobs);
    errand_promise_resolve(gate, errand_ok(NULL, NULL));
    return jobs;
}

int errand_jobs_wait(errand_jobs *jobs, int64_t ms)
{
    return jobs ? errand_wait(jobs->done, ms) : EINVAL;
}

void errand_jobs_stop(errand_jobs *jobs)
{
    if (!jobs || er_swap(&jobs->stopped, 1)) return;
    er_lock_take(&jobs->lock);
    jobs->stats.stopped = !jobs->input_over;
    er_lock_give(&jobs->lock);
    er_file_write(jobs->wake[1], "", 1, NULL); /* the only byte there ever is, so there is room */
}

void errand_jobs_cancel(errand_jobs *jobs)
{
    if (!jobs) return;
    errand_jobs_stop(jobs);
    errand_cancel(jobs->done);
}

int errand_jobs_stats_sized(errand_jobs *jobs, errand_jobs_stats *out, size_t size)
{
    if (!jobs) return EINVAL;
    er_lock_take(&jobs->lock);
    errand_jobs_stats s = jobs->stats;
    s.p50_ms = (int64_t)(er_histogram_at(&jobs->times, 0.5) / 1000);
    s.p99_ms = (int64_t)(er_histogram_at(&jobs->times, 0.99) / 1000);
    er_lock_give(&jobs->lock);
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
    free_all(jobs);
}
