/* http/bearer.c -- a token for all requests, renewed once for all that were refused with it.
 *
 *   send --no token--> asks --token--> sent --401--> asks again --newer token--> sent, ended
 *        --token-->                     |                |--none--> ended as the 401
 *                                       |--else--> ended
 *
 * Tokens are counted and never change; the bearer's points at the newest, under its lock. A request
 * that asks names the token with which it was refused. The single-flight lets one call of the
 * caller's function be under way; inside of it the bearer is looked at first, so a request whose
 * 401 comes late, when there is a newer token than its own, gets that one, and no second call
 * follows the first. A request that is cancelled leaves the flight, and the last one cancels the
 * call.
 *
 * A sending has three then-functions in a row (token, answer, end), each with a count of it, since
 * without memory one may be called while the one before is still to come. Its fields are written by
 * one of them after the other, and what a call without memory gets is not looked at further; `end`
 * takes the sending out of the session. Between a 401 and the second sending nothing of the
 * session's counts the request but this, so a sending is a run of it: close waits for it and
 * cancels it at half time. A sending holds the session's memory, so the chain stays. */
#include "http/middleware.h"
#include "http/request_copy.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/options.h"
#include "base/result.h"

#include <errand/bearer.h>
#include <errand/promise.h>
#include <errand/singleflight.h>

#include <string.h>

typedef struct bearer_token {
    unsigned count;
    uint64_t number; /* from 1 */
    char text[];
} bearer_token;

struct errand_bearer {
    unsigned count; /* the caller's handle, calls, sendings, askers */
    errand_pool *pool;
    errand_bearer_opts opts;
    errand_singleflight *flight;
    er_lock lock; /* guards the rest */
    bearer_token *token;
    errand_result failure; /* given until then; error 0: none */
    int64_t again_ns;
};

typedef struct sending {
    unsigned count; /* its then-functions, er_session_run_list */
    errand_bearer *bearer;
    errand_http *http;
    errand_chain *next;
    er_request_copy *copy;
    er_session_run listed;
    bool any_status;
    bearer_token *token;   /* that it was sent with; NULL: none yet */
    errand_result refused; /* the 401, while it waits for a new token */
} sending;

typedef struct asking { /* of the single-flight */
    errand_bearer *bearer;
    uint64_t refused; /* number of the token that is not wanted; 0: any is */
} asking;

/* ---- tokens ---- */

static bearer_token *token_keep(bearer_token *token)
{
    if (token) er_add_relaxed(&token->count, 1); /* relaxed: the caller has a count, or the lock */
    return token;
}

static void token_drop(bearer_token *token)
{
    if (!token || er_sub(&token->count, 1) != 1) return;
    explicit_bzero(token->text, strlen(token->text));
    er_free(token);
}

static void token_free(void *token) { token_drop(token); }

static bearer_token *token_of(errand_bearer *bearer) /* counted */
{
    er_lock_take(&bearer->lock);
    bearer_token *token = token_keep(bearer->token);
    er_lock_give(&bearer->lock);
    return token;
}

/* ---- the bearer ---- */

static void bearer_drop(errand_bearer *bearer)
{
    if (er_sub(&bearer->count, 1) != 1) return;
    if (bearer->opts.free) bearer->opts.free(bearer->opts.arg);
    errand_singleflight_free(bearer->flight);
    errand_result_free(&bearer->failure);
    token_drop(bearer->token);
    er_pool_release(bearer->pool);
    er_free(bearer);
}

errand_bearer *errand_bearer_new_sized(errand_pool *pool, const errand_bearer_opts *given,
                                       size_t size)
{
    errand_bearer_opts opts;
    int error = pool && given ? er_options(&opts, sizeof opts, given, size) : EINVAL;
    if (!error && er_pool_dead(pool)) error = ERRAND_EFORKED;
    if (!error &&
        (!opts.token || er_option_ms(&opts.within_ms, 30000) || er_option_ms(&opts.again_ms, 1000)))
        error = EINVAL;
    errand_bearer *bearer = error ? NULL : er_alloc_zero(sizeof *bearer);
    if (!error && !bearer) error = ENOMEM;
    if (!error && !(bearer->flight = errand_singleflight_new(pool, NULL))) {
        error = errno;
        er_free(bearer);
    }
    if (error) {
        errno = error;
        return NULL;
    }
    bearer->count = 1;
    bearer->pool = pool;
    er_pool_keep(pool);
    bearer->opts = opts;
    return bearer;
}

void errand_bearer_free(errand_bearer *bearer)
{
    if (bearer) bearer_drop(bearer);
}

/* ---- a new token ---- */

static void call_over(void *bearer) { bearer_drop(bearer); }

static errand_result call(void *arg)
{
    errand_bearer *bearer = arg;
    return bearer->opts.token(bearer->opts.arg);
}

static errand_result take_token(errand_bearer *bearer, const errand_result *in)
{
    const char *text = in->value;
    if (!text || !text[strspn(text, " \t")] || er_has_control(text, false)) {
        bool empty = !text || !*text;
        return errand_fail_as(EINVAL, ERRAND_KIND_AUTH, -1, false, "the token %s",
                              empty ? "is empty"
                                    : "cannot be sent: it is blank, or has a control "
                                      "character");
    }
    bearer_token *token = er_alloc(sizeof *token + strlen(text) + 1);
    if (!token) return errand_fail(ENOMEM);
    token->count = 2;
    memcpy(token->text, text, strlen(text) + 1);
    er_lock_take(&bearer->lock);
    bearer_token *before = bearer->token;
    token->number = before ? before->number + 1 : 1;
    bearer->token = token;
    er_lock_give(&bearer->lock);
    token_drop(before);
    return errand_ok(token, token_free);
}

/* The call has ended. */
static errand_result called(errand_result in, void *arg)
{
    errand_bearer *bearer = arg;
    errand_result out;
    if (!in.error) {
        out = take_token(bearer, &in);
        errand_result_free(&in);
    } else if (in.error == ETIMEDOUT && errand_result_reason(&in) == ERRAND_BY_TOTAL) {
        errand_result_free(&in);
        out = errand_fail_as(ETIMEDOUT, ERRAND_KIND_AUTH, -1, false,
                             "there was no token within %lld ms",
                             (long long)bearer->opts.within_ms);
    } else {
        out = in;
    }
    bool holds = out.error && !er_result_cancelled(&out);
    errand_result failure = holds ? er_result_copy(&out) : errand_fail(0);
    int64_t again_ns = er_deadline(er_pool_now(bearer->pool), bearer->opts.again_ms);
    er_lock_take(&bearer->lock);
    errand_result before = bearer->failure;
    bearer->failure = failure;
    bearer->again_ns = again_ns;
    er_lock_give(&bearer->lock);
    errand_result_free(&before);
    bearer_drop(bearer);
    return out;
}

static void asking_free(void *arg)
{
    asking *a = arg;
    bearer_drop(a->bearer);
    er_free(a);
}

/* The one that asks for all: there may be a newer token already, or a failure that holds. */
static errand_result ask(void *arg)
{
    const asking *a = arg;
    errand_bearer *bearer = a->bearer;
    errand_result known = errand_fail(0);
    er_lock_take(&bearer->lock);
    bool fresh = bearer->token && bearer->token->number != a->refused;
    if (fresh) known = errand_ok(token_keep(bearer->token), token_free);
    else if (bearer->failure.error && er_pool_now(bearer->pool) < bearer->again_ns)
        known = er_result_copy(&bearer->failure);
    er_lock_give(&bearer->lock);
    if (fresh || known.error) return known;
    er_add(&bearer->count, 2); /* the call, called */
    const errand_task task = {
        .fn = call, .arg = bearer, .free = call_over, .name = "token", .detached = 1
    };
    errand_future *f = errand_submit_task(bearer->pool, &task);
    if (bearer->opts.within_ms != ERRAND_FOREVER) f = errand_timeout(f, bearer->opts.within_ms);
    return errand_later(errand_then(f, called, bearer));
}

/* Ends with another token than that of this number: its value is an bearer_token. */
static errand_future *ask_for(errand_bearer *bearer, uint64_t refused)
{
    asking *a = er_alloc(sizeof *a);
    if (!a) return errand_ready(bearer->pool, errand_fail(ENOMEM));
    er_add(&bearer->count, 1);
    *a = (asking){ bearer, refused };
    const errand_task task = {
        .fn = ask, .arg = a, .free = asking_free, .name = "token", .key = "token", .detached = 1
    };
    return errand_singleflight_run(bearer->flight, NULL, &task);
}

/* ---- a request ---- */

static void sending_drop(sending *s)
{
    if (er_sub(&s->count, 1) != 1) return;
    errand_result_free(&s->refused);
    token_drop(s->token);
    er_request_copy_drop(s->copy);
    bearer_drop(s->bearer);
    er_session_let_go(s->http);
    er_free(s);
}

static errand_future *send_with(sending *s, bearer_token *token) /* counted, taken over */
{
    errand_request request = er_request_copy_use(s->copy);
    token_drop(s->token);
    s->token = token;
    request.bearer = token->text;
    return errand_chain_send(s->next, &request);
}

static errand_result got_token(errand_result in, void *arg) /* the first one */
{
    sending *s = arg;
    errand_result out = in;
    if (!in.error) {
        bearer_token *token = token_keep(in.value);
        bool closing = er_load(&s->http->closing);
        errand_result_free(&in);
        if (closing) token_drop(token);
        out = closing ? er_fail_by(ECANCELED, ERRAND_BY_SHUTDOWN)
                      : errand_later(send_with(s, token));
    }
    sending_drop(s);
    return out;
}

/* The message of a 401 for which there is no new token. */
static void explain(errand_result *refused, const errand_result *why)
{
    er_bytes text = { 0 };
    er_bytes_format(&text, "%s; no new token: %s", errand_result_message(refused),
                    errand_result_message(why));
    errand_detail *detail = text.error ? NULL : er_detail(refused);
    char *words = detail ? er_bytes_take(&text) : NULL;
    er_bytes_free(&text);
    if (!words) return;
    er_free(detail->message);
    detail->message = words;
}

static errand_result renewed(errand_result in, void *arg)
{
    sending *s = arg;
    errand_result out = in, refused = s->refused;
    s->refused = errand_fail(0);
    /* a session that closes sends nothing any more */
    if (er_result_cancelled(&in)) {
        errand_result_free(&refused);
    } else if (in.error || er_load(&s->http->closing)) {
        if (in.error && refused.error) explain(&refused, &in);
        if (in.error && refused.error) er_result_because(&refused, in);
        else errand_result_free(&in);
        out = refused;
    } else {
        bearer_token *token = token_keep(in.value);
        errand_result_free(&in);
        errand_result_free(&refused);
        out = errand_later(send_with(s, token));
    }
    sending_drop(s);
    return out;
}

static bool is_refusal(const sending *s, const errand_result *r)
{
    bool refused = r->error ? r->error == ERRAND_HTTP + 401
                            : s->any_status && r->value && errand_response_status(r->value) == 401;
    return refused && s->token; /* else the function that gives tokens failed so */
}

static errand_result answered(errand_result in, void *arg)
{
    sending *s = arg;
    errand_result out = in;
    if (is_refusal(s, &in) && !er_load(&s->http->closing)) {
        s->refused = in;
        er_add(&s->count, 1);
        out = errand_later(errand_then(ask_for(s->bearer, s->token->number), renewed, s));
    }
    sending_drop(s);
    return out;
}

static errand_result ended(errand_result in, void *arg)
{
    sending *s = arg;
    errand_http *http = s->http;
    er_session_run_end(http, &s->listed);
    sending_drop(s);
    er_session_less(http, &http->runs);
    return in;
}

static bool has_authorization(const errand_request *request)
{
    if (request->bearer || request->user) return true;
    for (const char *const *header = request->headers; header && *header; header++) {
        if (er_header_named(*header, "Authorization", 13)) return true;
    }
    return false;
}

static errand_future *refuse(errand_pool *pool, const errand_request *request, errand_result why)
{
    if (request && request->body_free) request->body_free(request->body_arg);
    return errand_ready(pool, why);
}

errand_future *errand_bearer_send(const errand_request *request, errand_chain *next, void *arg)
{
    errand_bearer *bearer = arg;
    bool ours = bearer && next && request && !er_pool_dead(bearer->pool);
    if (!ours || has_authorization(request)) return errand_chain_send(next, request);
    errand_http *http = next->http;
    sending *s = er_alloc_zero(sizeof *s);
    if (!s) return refuse(bearer->pool, request, errand_fail(ENOMEM));
    if (!er_session_run_begin(http)) {
        er_free(s);
        return refuse(bearer->pool, request, er_session_closed());
    }
    er_session_hold(http);
    er_add(&bearer->count, 1);
    *s = (sending){
        .count = 3, .bearer = bearer, .http = http, .next = next, .any_status = request->any_status
    };
    s->copy = er_request_copy_new(request);
    bearer_token *token = s->copy ? token_of(bearer) : NULL;
    errand_future *f;
    if (!s->copy) {
        f = errand_ready(bearer->pool, errand_fail(ENOMEM));
    } else if (token) {
        f = send_with(s, token);
    } else {
        er_add(&s->count, 1);
        f = errand_then(ask_for(bearer, 0), got_token, s);
    }
    f = errand_then(errand_then(f, answered, s), ended, s);
    er_session_run_list(http, &s->listed, f);
    sending_drop(s);
    return f;
}

static errand_result as_text(errand_result in, void *arg)
{
    (void)arg;
    if (!in.error) in.value = ((bearer_token *)in.value)->text; /* owner stays the token */
    return in;
}

errand_future *errand_bearer_token(errand_bearer *bearer)
{
    if (!bearer) return er_failed(NULL, errand_failf(EINVAL, "bearer is NULL"));
    if (er_pool_dead(bearer->pool)) return er_failed(bearer->pool, errand_fail(ERRAND_EFORKED));
    bearer_token *token = token_of(bearer);
    errand_result known = errand_ok(token, token_free);
    return errand_then(token ? errand_ready(bearer->pool, known) : ask_for(bearer, 0), as_text,
                       NULL);
}
