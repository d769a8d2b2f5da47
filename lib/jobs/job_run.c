/* jobs/job_run.c -- a job is read, looked up in the journal, and attempted.
 *
 *     work: er_line_job_read, options --er_journal_look--> has a result | unknown | goes
 *     goes: policy --attempt: tokens (if they are limited) --> before_send (if a repeat could do
 *           harm) --> errand_send --> attempted
 *     page: --find_next--> er_job_run_more --result line--> er_job_run_turn --> goes, for the next
 *
 *     run:  a promise, for the policy's future | the return of the last attempt, whichever is later
 *
 * Attempts are made here, not by the session, so that they can be counted while they happen: a job
 * is "retrying" from the end of an attempt that will likely be retried to its own end. Policies
 * differ by the number of retries alone, so a few of them, made at the start, serve nearly every
 * line. The key of a job's limits is its host and port; an attempt that was answered 429 pauses it
 * before the policy does, to learn whether a pause has begun. A run whose time is over ends before
 * its attempt has returned, which still uses the job: so the job ends after both. */
#include "jobs/job_run.h"

#include "base/clock.h"
#include "base/result.h"
#include "async/current.h"
#include "async/job.h"
#include "http/classify.h"
#include "http/quota.h"
#include "http/session.h"
#include "policy/predicate.h"
#include "policy/rate.h"

#include <errno.h>
#include <string.h>

/* no server holds back all jobs for longer at once */
#define PAUSE_MOST  300000
#define PAUSE_PLAIN 1000 /* after a 429 that does not say how long, as a policy's first wait */

static void pause_host(errand_jobs *jobs, const er_job_run *it, const errand_result *r)
{
    int64_t hint = errand_result_retry_after(r), ms = hint < PAUSE_MOST ? hint : PAUSE_MOST;
    if (hint < 0 && er_result_limited(r)) ms = PAUSE_PLAIN;
    if (!it->host || ms <= 0 || !er_result_throttled(r)) return;
    errand_jobs_pause pause = { .host = it->host, .error = r->error, .ms = hint };
    er_rate_pause(jobs->host_rate, it->host, ms, &pause.number);
    if (!pause.number) return;
    er_lock_take(&jobs->lock);
    jobs->stats.pauses++;
    er_lock_give(&jobs->lock);
    if (jobs->opts.on_pause) jobs->opts.on_pause(&pause, jobs->opts.arg);
    er_end_in_child();
}

static void learn_quota(errand_jobs *jobs, const er_job_run *it, const errand_result *r)
{
    errand_quota q;
    uint64_t number;
    if (!it->host || !er_rate_learns(jobs->host_rate)) return;
    if (!er_quota_report(jobs->host_rate, it->host, r, &q, &number) || !number) return;
    errand_jobs_quota quota = { .host = it->host,
                                .limit = q.limit,
                                .remaining = q.remaining,
                                .reset_ms = q.reset_ms,
                                .number = number };
    if (jobs->opts.on_quota) jobs->opts.on_quota(&quota, jobs->opts.arg);
    er_end_in_child();
}

static bool asks_again(const er_job_run *it, const errand_result *r) /* and may be tried again */
{
    const errand_retry_if *retry_if = it->jobs->opts.retry_if;
    const errand_attempt_info info = {
        .number = it->tries, .upcoming_ms = -1, .last = r, .name = "job", .key = it->host
    };
    if (!r->error || it->tries > it->retries || errand_result_may_have_run(r)) return false;
    if (errand_result_kind(r) == ERRAND_KIND_CANCELLED) return false;
    return retry_if ? er_retry_if_ask(retry_if, &info) : errand_result_transient(r);
}

/* ---- tokens ---- */

/* The server has not done it: the request was not sent, or refused. */
static bool was_not_done(const er_job_run *it, const errand_result *r)
{
    static const char *const before[] = { "", "queue", "resolve", "connect", "tls" };
    int status = r->error - ERRAND_HTTP;
    bool refused = er_status_not_begun(status);
    if (status >= 400 && status < 500)
        return !refused || !it->jobs->http->defaults.refused_may_have_run;
    const char *phase = errand_result_phase(r);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        if (!strcmp(phase, before[i])) return r->error && !errand_result_may_have_run(r);
    }
    return false;
}

/* What the reply says; else nothing of what was not done, and what was reserved of all else. */
static void settle_tokens(er_job_run *it, const errand_result *r)
{
    uint64_t used = 0;
    bool answered = r->value && (!r->error || (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL));
    if (!it->jobs->report.tokens) return;
    bool said = answered &&
                !er_tokens_of_reply(&it->jobs->tokens, errand_response_body(r->value), &used);
    if (!said && !was_not_done(it, r)) {
        used = it->tokens.n;
        it->job.tokens_unknown = true;
    }
    it->job.tokens += used;
    er_token_budget_settle(&it->tokens, used);
}

/* ---- attempts ---- */

static errand_result attempted(errand_result in, void *arg)
{
    er_job_run *it = arg;
    settle_tokens(it, &in);
    if (in.error && !errand_result_may_have_run(&in) && it->jobs->journal)
        er_journal_unsent(it->jobs->journal, &it->job);
    const char *phase = errand_result_phase(&in); /* of a request that was refused: none */
    if (!in.error || (*phase && strcmp(phase, "queue") != 0)) it->job.attempts++;
    pause_host(it->jobs, it, &in);
    learn_quota(it->jobs, it, &in);
    if (!it->retrying && asks_again(it, &in)) {
        it->retrying = true;
        er_lock_take(&it->jobs->lock);
        it->jobs->stats.retrying++;
        er_lock_give(&it->jobs->lock);
    }
    return in;
}

static errand_result send_now(er_job_run *it)
{
    it->went = true;
    return errand_later(errand_then(errand_send(it->jobs->http, &it->job.request), attempted, it));
}

static errand_result send_written(errand_result in, void *arg)
{
    er_job_run *it = arg;
    if (!in.error) return send_now(it);
    er_journal_unsent(it->jobs->journal, &it->job);
    er_token_budget_settle(&it->tokens, 0);
    if (in.error == ECANCELED) return in;
    it->journal_error = in.error;
    errand_result_free(&in);
    return errand_fail_as(it->journal_error, ERRAND_KIND_RESOURCE, -1, false,
                          "the journal cannot be written: %s", errand_strerror(it->journal_error));
}

static errand_result go(er_job_run *it)
{
    if (!it->job.began_wall_ns) it->job.began_wall_ns = er_wall_ns();
    if (!it->jobs->journal || !er_journal_wants(&it->job)) return send_now(it);
    errand_future *written = er_journal_before_send(it->jobs->journal, &it->job);
    return errand_later(errand_then(written, send_written, it));
}

static errand_result reserve_tokens(er_job_run *it);

static errand_result host_came(errand_result in, void *arg)
{
    if (in.error) return in;
    errand_result_free(&in);
    return reserve_tokens(arg);
}

/* Its host was paused while it waited for tokens: others need them now. */
static errand_result wait_for_host(er_job_run *it)
{
    errand_frame frame;
    er_token_budget_settle(&it->tokens, 0);
    errand_enter(&frame, er_ms_until(er_pool_now(it->jobs->pool), it->deadline_ns), false);
    errand_future *turn = errand_rate_acquire(it->jobs->host_rate, it->host);
    errand_leave(&frame);
    return errand_later(errand_then(turn, host_came, it));
}

static errand_result tokens_came(errand_result in, void *arg)
{
    er_job_run *it = arg;
    it->over_budget = in.error == ERRAND_EBUDGET;
    if (in.error) return in;
    errand_result_free(&in);
    bool paused = it->host && er_rate_paused(it->jobs->host_rate, it->host);
    return paused ? wait_for_host(it) : go(it);
}

static errand_result reserve_tokens(er_job_run *it)
{
    errand_jobs *jobs = it->jobs;
    it->tokens = (er_token_hold){ .deadline_ns = it->deadline_ns, .then = tokens_came, .arg = it };
    int error = er_tokens_estimate(&jobs->tokens, &it->job, &it->tokens.n);
    if (error) return errand_fail(error);
    return errand_later(er_token_budget_reserve(&jobs->token_budget, &it->tokens));
}

static errand_result attempt(void *arg)
{
    er_job_run *it = arg;
    if (!it->tries && it->job.page < 2 && it->jobs->opts.host_sem)
        it->began_ns = er_pool_now(it->jobs->pool);
    if (++it->tries > 1) {
        er_lock_take(&it->jobs->lock);
        it->jobs->stats.retries++;
        er_lock_give(&it->jobs->lock);
    }
    it->deadline_ns = er_deadline_here(it->jobs->pool);
    return it->jobs->report.tokens ? reserve_tokens(it) : go(it);
}

/* Its body is saved as a part: gives that its name. */
static errand_result name_body(errand_result in, void *arg)
{
    er_job_run *it = arg;
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

/* ---- pages ---- */

static errand_result find_next(errand_result in, void *arg)
{
    er_job_run *it = arg;
    er_bytes why = { 0 };
    char *target = NULL;
    if (in.error) return in;
    int error = er_next_page_find(&it->jobs->next_page, in.value, it->trail.url, &target, &why);
    if (target)
        error =
            er_page_trail_lead(&it->trail, errand_response_url(in.value), target, &it->job.next);
    er_free(target);
    if (error == EBADMSG) error = er_page_trail_lose(&it->trail, why.at, &it->job.next);
    er_bytes_free(&why);
    if (!error) return in;
    errand_result_free(&in);
    return errand_fail(error);
}

bool er_job_run_more(er_job_run *it, const errand_result *r)
{
    errand_jobs *jobs = it->jobs;
    if (r->error) er_free(it->job.next);
    if (r->error) it->job.next = NULL;
    bool stopped = er_load(&jobs->stopped), left = it->job.next && it->job.page < jobs->max_pages;
    if (left && stopped) {
        er_lock_take(&jobs->lock);
        jobs->stats.stopped |= !jobs->stats.halted && !jobs->stats.write_error;
        er_lock_give(&jobs->lock);
    }
    return it->more = left && !stopped;
}

bool er_job_run_is_cut(const er_job_run *it, const errand_result *r)
{
    bool cancelled = errand_result_kind(r) == ERRAND_KIND_CANCELLED;
    if (it->more) return false;
    if (r->error) return it->job.page > 1 && (cancelled || it->over_budget);
    return it->job.next && it->job.page < it->jobs->max_pages;
}

void er_job_run_turn(er_job_run *it)
{
    er_line_job *job = &it->job;
    er_page_trail_turn(&it->trail, job->next);
    job->next = NULL;
    job->page = it->trail.number;
    job->request.url = it->trail.url;
    job->request.idempotency_key = NULL;
    job->fresh_key = false;
    if (job->part) job->request.save_to = NULL;
    er_free(job->part);
    er_free(job->named);
    job->part = job->named = NULL;
    job->attempts = it->tries = 0;
    job->began_wall_ns = 0;
    it->more = false;
}

static void notice_first_page(const er_job_run *it, unsigned page)
{
    const errand_jobs_opts *o = &it->jobs->opts;
    const er_line *line = &it->job.line;
    er_bytes text = { 0 };
    if (!o->on_notice) return;
    er_bytes_format(&text, "%s:%llu: begins at page 1 again: the url of page %u %s", line->file,
                    (unsigned long long)line->number, page,
                    it->trail.why
                        ? "is not one to follow"
                        : "has a parameter that sounds like a secret, which no file keeps");
    o->on_notice(text.error ? "out of memory" : text.at, o->arg);
    er_end_in_child();
    er_bytes_free(&text);
}

static bool has_stars(const char *url)
{
    for (const char *at = url; (at = strstr(at, "=*")); at += 2) {
        if (!at[2] || strchr("&#", at[2])) return true;
    }
    return false;
}

/* Goes on where an earlier run has left it. 0 or ENOMEM. */
static int resume_page(er_job_run *it)
{
    const char *url = NULL;
    unsigned page = it->jobs->journal ? er_journal_page(it->jobs->journal, &it->job, &url) : 1;
    if (!url) return 0;
    bool stars = has_stars(url);
    int error = stars ? 0 : er_page_trail_lead(&it->trail, it->trail.url, url, &it->job.next);
    if (error) return error;
    if (!stars && !it->trail.why) {
        it->trail.number = page - 1;
        er_job_run_turn(it);
        return 0;
    }
    notice_first_page(it, page);
    er_free(it->job.next);
    it->job.next = NULL;
    er_free(it->trail.why);
    it->trail.why = NULL;
    return 0;
}

/* Before the first attempt of a job that goes. 0 or ENOMEM. */
static int begin_pages(er_job_run *it)
{
    if (!er_job_options_paged(&it->job, &it->jobs->opts)) return 0;
    int error =
        er_page_trail_begin(&it->trail, it->job.request.url, it->jobs->http->defaults.base_url);
    if (error == EINVAL) return 0; /* the session says what is wrong with its url */
    return error ? error : resume_page(it);
}

/* ---- the job ---- */

errand_policy *er_job_policy(const errand_jobs *jobs, unsigned retries)
{
    return errand_policy_with(jobs->base, &(errand_policy_opts){ .attempts = retries + 1 }, NULL);
}

/* What the options say of all jobs. 0 or ENOMEM. */
static int apply_options(er_job_run *it)
{
    const errand_jobs *jobs = it->jobs;
    it->retries = er_job_options_retries(&it->job, &jobs->opts);
    it->job.request.policy = jobs->once; /* the session's would multiply ours */
    int error = er_job_options_apply(&it->job, &jobs->opts);
    return error ? error : er_job_options_host(&it->host, &it->job, jobs->http->defaults.base_url);
}

/* Reads the job, and decides whether it is sent. False: *r is its end. */
static bool begins(er_job_run *it, errand_result *r)
{
    errand_jobs *jobs = it->jobs;
    int error = er_line_job_read(&it->job) ? 0 : apply_options(it);
    if (jobs->journal) er_journal_guard(jobs->journal, &it->job);
    if (error || it->job.error == ENOMEM) {
        *r = errand_fail(ENOMEM);
        return false;
    }
    er_job_verdict verdict = jobs->journal ? er_journal_look(jobs->journal, &it->job) : ER_JOB_GO;
    it->failed = verdict == ER_JOB_FAILED;
    it->done = it->failed || verdict == ER_JOB_DONE;
    *r = errand_ok(NULL, NULL);
    if (verdict == ER_JOB_UNKNOWN)
        *r = errand_fail_as(EINPROGRESS, ERRAND_KIND_UNKNOWN, -1, true,
                            "it was under way when an earlier run ended; the server may have done "
                            "it");
    else if (it->job.error && !it->done) *r = er_line_job_refusal(&it->job);
    if (r->error || it->done) return false;
    if (begin_pages(it)) *r = errand_fail(ENOMEM);
    return !r->error;
}

/* What is left of the time of a job with pages; below 1: nothing. Its first page begins it. */
static int64_t ms_left(er_job_run *it)
{
    int64_t within_ms = it->jobs->opts.job_within_ms, now = er_pool_now(it->jobs->pool);
    if (it->trail.ends_ns) return (it->trail.ends_ns - now) / 1000000;
    it->trail.ends_ns = er_deadline(now, within_ms);
    return within_ms;
}

/* Another page than the first, which may be one that is not asked for. */
static bool turns(er_job_run *it, errand_result *r)
{
    if (it->trail.why)
        *r = errand_fail_as(EPROTO, ERRAND_KIND_PROTOCOL, -1, false, "%s", it->trail.why);
    else if (it->trail.ends_ns && ms_left(it) < 1)
        *r = errand_fail_as(ETIMEDOUT, ERRAND_KIND_TIMEOUT, -1, false,
                            "the job's time of %lld ms was over before page %u",
                            (long long)it->jobs->opts.job_within_ms, it->trail.number);
    else return true;
    return false;
}

static void count_begun(er_job_run *it)
{
    errand_jobs *jobs = it->jobs;
    if (it->begun) return;
    it->begun = true;
    it->began_ns = er_pool_now(jobs->pool);
    er_lock_take(&jobs->lock);
    jobs->stats.in_flight++;
    er_lock_give(&jobs->lock);
}

/* ---- its run ---- */

/* A deadline cannot know what an attempt does that it leaves behind. */
static void say_not_run(errand_result *r)
{
    errand_detail *detail = er_detail(r);
    int error = r->error;
    errand_reason reason = errand_result_reason(r);
    if (detail) {
        detail->may_have_run = false;
        return;
    }
    errand_result_free(r);
    *r = er_fail_by(error, reason);
}

static void leave_run(er_job_run *it)
{
    if (er_sub(&it->users, 1) != 1) return;
    errand_future *run = it->run;
    if (!it->went && errand_result_may_have_run(&it->end)) say_not_run(&it->end);
    errand_promise_resolve(it->over, it->end); /* from here on the job may be gone */
    errand_drop(run);
}

static void run_returned(void *arg) { leave_run(arg); }
static void cancel_run(void *arg) { errand_cancel(((er_job_run *)arg)->run); }

static errand_result run_ended(errand_result in, void *arg)
{
    er_job_run *it = arg;
    if (it->job.part) in = name_body(in, it);
    if (it->trail.url) in = find_next(in, it);
    it->end = in;
    leave_run(it);
    return errand_ok(NULL, NULL);
}

static errand_future *begin_run(er_job_run *it, errand_policy *policy)
{
    errand_future *over;
    errand_promise *promise = errand_promise_new(it->jobs->pool, &over);
    if (!promise) return over;
    errand_task task = {
        .fn = attempt, .arg = it, .free = run_returned, .name = "job", .key = it->host
    };
    if (it->trail.url && it->jobs->opts.job_within_ms) {
        int64_t left = ms_left(it);
        task.within_ms = left > 0 ? left : 1; /* 0 would be no limit */
    }
    it->went = it->over_budget = it->job.tokens_unknown = false;
    it->job.tokens = 0;
    it->over = promise;
    it->users = 3; /* the policy's future, its attempts, and this function */
    errand_promise_on_cancel(promise, cancel_run, it);
    it->run = errand_then(errand_run_task(it->jobs->pool, policy, &task), run_ended, it);
    leave_run(it);
    return over;
}

errand_result er_job_run_work(er_job_run *it)
{
    errand_jobs *jobs = it->jobs;
    errand_result end;
    if (!it->job.seq) return errand_fail(it->job.line.error);
    if (it->begun ? !turns(it, &end) : !begins(it, &end)) return end;
    bool shared = it->retries < ER_JOB_POLICIES;
    errand_policy *policy = shared ? jobs->policies[it->retries] : er_job_policy(jobs, it->retries);
    if (!policy) return errand_fail(ENOMEM);

    if (jobs->dir.path && !it->job.request.save_to) {
        it->job.request.save_to = it->job.part = er_output_dir_part(&jobs->dir, it->job.seq);
        if (!it->job.part) return errand_fail(ENOMEM);
    }
    count_begun(it);
    errand_future *f = begin_run(it, policy);
    if (!shared) errand_policy_free(policy);
    return errand_later(f);
}
