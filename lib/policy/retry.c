/* policy/retry.c -- from one attempt to the next, in this order (as tenacity has it):
 *
 *     when? --> after_attempt -> wait -> stop? -> budget? -> before_sleep -> sleep
 *       no --> the end                     yes, empty --> the end
 *
 * Why there is no further attempt is noted at the last one (why_waited), becomes a cause of the
 * result, and is logged; that the attempts are used up is not. The first and last attempts of a
 * long run are kept. */
#include "policy/retry.h"
#include "policy/predicate.h"

#include "log/producer.h"

#include <errno.h>

errand_attempt_info er_retry_view(const er_retry *c, unsigned number, int64_t now_ns,
                                  const errand_result *last)
{
    return (errand_attempt_info){
        .number = number,
        .elapsed_ms = (now_ns - c->began_ns) / ER_MS,
        .idle_ms = c->idle_ms,
        .upcoming_ms = -1,
        .last = last,
        .name = c->name ? c->name : c->policy->how.name,
        .key = er_retry_key(c),
        .arg = c->arg
    };
}

errand_log *er_retry_log(const er_retry *c, errand_pool *pool)
{
    const errand_policy_opts *how = &c->policy->how;
    if (!how->name) return NULL;
    if (how->log) return how->log;
    return pool ? er_pool_log(pool) : NULL;
}

void er_retry_before(const er_retry *c, unsigned number, int64_t now_ns, const errand_result *last)
{
    const errand_policy_opts *how = &c->policy->how;
    errand_attempt_info info = er_retry_view(c, number, now_ns, number > 1 ? last : NULL);
    how->before_attempt(&info, how->hook_arg);
}

void er_retry_note(er_retry *c, const er_ended *ended, int error)
{
    errand_attempt note = { .number = ended->number,
                            .error = error,
                            .began_ms = (ended->began_ns - c->began_ns) / ER_MS,
                            .took_ms = (ended->now_ns - ended->began_ns) / ER_MS,
                            .then_waited_ms = -1,
                            .why_waited = "" };
    er_history_add(&c->history, &note);
}

/* The longest wait that the other side may ask for. */
static int64_t hint_most(const er_retry *c, int64_t now_ns)
{
    int64_t most = c->policy->how.retry_after_max_ms, left = er_ms_until(now_ns, c->deadline_ns);
    if (most != ER_RETRY_AFTER_DEFAULT) return most;
    return left != INT64_MAX ? left : 300000;
}

int er_retry_ask_breaker(const er_retry *c, er_breaker_call *call)
{
    errand_breaker *breaker = c->policy->how.breaker;
    int error = breaker ? er_breaker_allow(breaker, er_retry_key(c), call, NULL) : 0;
    if (error == ERRAND_EOPEN) er_policy_count(&c->policy->refused);
    return error;
}

void er_retry_learn(const er_retry *c, const er_ended *ended, const errand_result *r)
{
    errand_rate *rate = c->policy->how.rate;
    if (!r->error) er_policy_took(c->policy, ended->now_ns - ended->began_ns);
    if (!rate || !er_result_throttled(r)) return;
    /* the pause of all callers is no longer than this run itself would wait */
    int64_t hint = errand_result_retry_after(r), most = hint_most(c, ended->now_ns);
    if (hint > 0) errand_rate_pause(rate, er_retry_key(c), hint < most ? hint : most);
}

static bool asks(const er_retry *c, const errand_attempt_info *info)
{
    const errand_policy_opts *how = &c->policy->how;
    const errand_result *r = info->last;
    if (errand_result_kind(r) == ERRAND_KIND_CANCELLED) return false;
    if (r->error && how->repeat == ERRAND_REPEAT_NEVER) return false;
    if (r->error && errand_result_may_have_run(r) && how->repeat != ERRAND_REPEAT_ALWAYS)
        return false;
    return how->retry_if ? er_retry_if_ask(how->retry_if, info) : errand_result_transient(r);
}

static bool used_up(const er_retry *c, const errand_result *r)
{
    unsigned nested = c->policy->how.nested ? c->policy->how.nested : 1;
    if (c->once || c->number >= c->policy->most) return true;
    if (c->nested && r->error && c->failed >= nested) return true;
    return r->detail && r->detail->attempts_most && c->failed >= r->detail->attempts_most;
}

typedef struct refusal {
    int cause;       /* 0: none */
    const char *why; /* a literal */
} refusal;

/* How long to wait, or why not; used-up attempts leave *no empty. */
static bool may_go_on(er_retry *c, errand_attempt_info *info, int64_t now_ns, const char **why,
                      refusal *no)
{
    const errand_policy_opts *how = &c->policy->how;
    const errand_result *r = info->last;
    errand_attempt *before = er_history_last(c->history);
    if (!c->seed) c->seed = how->seed ? how->seed : er_random();
    int64_t wait = er_policy_wait(c->policy, c->seed, before ? before->then_waited_ms : -1, info);
    int64_t hint = errand_result_retry_after(r), left = er_ms_until(now_ns, c->deadline_ns);
    *why = r->error ? "backoff" : "poll";
    if (hint > wait) {
        wait = hint;
        *why = "retry-after";
    }
    info->upcoming_ms = wait;
    if (used_up(c, r)) return false;
    if (how->stop && er_stop_ask(how->stop, info)) return false;
    if (hint > hint_most(c, now_ns))
        *no = (refusal){ ERRAND_ELATE, "the other side asks for a longer wait than is allowed" };
    else if (wait >= left)
        *no = (refusal){ ERRAND_ELATE, "the deadline comes before the next attempt" };
    else if (c->budget && r->error &&
             !er_budget_retry(c->budget, errand_result_kind(r) == ERRAND_KIND_RATE_LIMITED))
        *no = (refusal){ ERRAND_EBUDGET, "the budget of retries is spent" };
    if (no->cause == ERRAND_EBUDGET) er_policy_count(&c->policy->refused);
    return !no->cause;
}

/* Exhausted is a failure: the value stays, the error is ETIMEDOUT. */
static void not_done(const er_retry *c, errand_result *r)
{
    errand_result end = errand_failf(ETIMEDOUT, "still not done after %u attempt(s)", c->number);
    end.value = r->value;
    end.free = r->free;
    end.owner = r->owner;
    errand_result rest = { .detail = r->detail };
    errand_result_free(&rest);
    *r = end;
}

static void say_again(const er_retry *c, errand_log *log, const errand_attempt_info *info,
                      const char *why)
{
    const char *name = c->policy->how.name;
    double seconds = (double)info->upcoming_ms / 1000;
    if (info->last->error)
        er_log_warn(log, "[%s-retry] attempt %u failed: %s; again in %.3f s (%s)", name,
                    info->number, errand_result_message(info->last), seconds, why);
    else
        er_log_info(log, "[%s-retry] attempt %u: not done yet; again in %.3f s (%s)", name,
                    info->number, seconds, why);
}

er_next er_retry_judge(er_retry *c, errand_log *log, const er_ended *ended, errand_result *r,
                       int64_t *wait_ms)
{
    const errand_policy_opts *how = &c->policy->how;
    errand_attempt_info info = er_retry_view(c, ended->number, ended->now_ns, r);
    c->failed += r->error != 0;
    bool again = asks(c, &info);
    if (!again) {
        if (r->error || ended->number > 1) er_retry_note(c, ended, r->error);
        return ER_NEXT_END;
    }
    if (how->after_attempt) how->after_attempt(&info, how->hook_arg);
    if (!ended->alone) {
        er_retry_note(c, ended, r->error);
        return ER_NEXT_OTHERS;
    }
    const char *why;
    refusal no = { 0, NULL };
    bool goes_on = may_go_on(c, &info, ended->now_ns, &why, &no);
    er_retry_note(c, ended, r->error);
    errand_attempt *note = er_history_last(c->history);
    if (!goes_on) {
        if (note && no.why) note->why_waited = no.why;
        if (no.why) er_log_warn(log, "[%s-give-up] %s", how->name, no.why);
        if (!r->error) not_done(c, r);
        if (no.cause) er_result_because(r, errand_failf(no.cause, "%s", no.why));
        return ER_NEXT_END;
    }
    if (how->before_sleep) how->before_sleep(&info, how->hook_arg);
    say_again(c, log, &info, why);
    if (note) {
        note->then_waited_ms = info.upcoming_ms;
        note->why_waited = why;
    }
    *wait_ms = info.upcoming_ms;
    return ER_NEXT_SLEEP;
}

/* ---- the end ---- */

void er_retry_cut_short(errand_result *last, errand_result by)
{
    if (!last->error) { /* none, or polled */
        errand_result_free(last);
        *last = by;
        return;
    }
    errand_kind kind = errand_result_kind(&by);
    bool stopped = kind == ERRAND_KIND_CANCELLED || kind == ERRAND_KIND_TIMEOUT;
    errand_result outer = stopped ? by : *last;
    er_result_because(&outer, stopped ? *last : by);
    *last = outer;
}

static void say_end(const er_retry *c, errand_log *log, int64_t took, const errand_result *r)
{
    const char *name = c->policy->how.name, *message = errand_result_message(r);
    const errand_result *cause = errand_result_cause(r, 0);
    const char *because = cause ? "; because: " : "",
               *why = cause ? errand_result_message(cause) : "";
    double seconds = (double)took / 1000;
    if (!r->error)
        er_log_info(log, "[%s-success] after %.3f s, %u attempt(s)", name, seconds, c->number);
    else if (errand_result_kind(r) == ERRAND_KIND_TIMEOUT)
        er_log_warn(log, "[%s-timeout] after %.3f s, %u attempt(s): %s%s%s", name, seconds,
                    c->number, message, because, why);
    else
        er_log_error(log, "[%s-error] after %.3f s, %u attempt(s): %s%s%s", name, seconds,
                     c->number, message, because, why);
}

void er_retry_end(er_retry *c, errand_log *log, int64_t now_ns, errand_result *r)
{
    int64_t took = (now_ns - c->began_ns) / ER_MS;
    if (c->history) er_result_attempted(r, c->history);
    c->history = NULL;
    errand_detail *d = r->error ? er_detail(r) : NULL;
    if (d && d->elapsed_ms < 0) d->elapsed_ms = took;
    if (log) say_end(c, log, took, r);
    er_policy_report(c->policy, r);
}

void er_retry_leave(er_retry *c)
{
    er_budget_part(c->budget);
    c->budget = NULL;
    er_policy_end(c->policy);
}
