/* base/result.c -- results and their details.
 *
 * A detail is made where a failure is made and belongs to its result alone, so nothing here locks.
 * What must be stored even without memory (the reason, the kind, whether it may have run: what
 * decides about a retry) has static details; er_detail copies one before a write to it. The kind
 * follows from the code unless it was set. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/result.h"

#include "base/bytes.h"
#include "base/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIXED(may, ...)                                                                            \
    {                                                                                              \
        .fixed = true, .may_have_run = (may), .elapsed_ms = -1, .retry_after_ms = -1,              \
        .index = SIZE_MAX, __VA_ARGS__                                                             \
    }
#define BY(may, by) [by] = FIXED(may, .reason = (by))
#define BY_EACH(may)                                                                               \
    BY(may, ERRAND_BY_NONE), BY(may, ERRAND_BY_CALLER), BY(may, ERRAND_BY_TOTAL),                  \
        BY(may, ERRAND_BY_ATTEMPT), BY(may, ERRAND_BY_SIBLING), BY(may, ERRAND_BY_SHUTDOWN),       \
        BY(may, ERRAND_BY_HEDGE)
#define AS(may, as) [as] = FIXED(may, .kind = (as), .kind_known = true)
#define AS_EACH(may)                                                                               \
    AS(may, ERRAND_KIND_OK), AS(may, ERRAND_KIND_NETWORK), AS(may, ERRAND_KIND_TIMEOUT),           \
        AS(may, ERRAND_KIND_CANCELLED), AS(may, ERRAND_KIND_HTTP_CLIENT),                          \
        AS(may, ERRAND_KIND_HTTP_SERVER), AS(may, ERRAND_KIND_RATE_LIMITED),                       \
        AS(may, ERRAND_KIND_AUTH), AS(may, ERRAND_KIND_PROTOCOL), AS(may, ERRAND_KIND_VALIDATION), \
        AS(may, ERRAND_KIND_RESOURCE), AS(may, ERRAND_KIND_REJECTED),                              \
        AS(may, ERRAND_KIND_INTERNAL), AS(may, ERRAND_KIND_UNKNOWN)
static errand_detail fixed_by[2][ERRAND_BY_HEDGE + 1] = { { BY_EACH(false) }, { BY_EACH(true) } };
static errand_detail fixed_as[2][ERRAND_KIND_UNKNOWN + 1] = { { AS_EACH(false) },
                                                              { AS_EACH(true) } };
static errand_detail fixed_degraded = FIXED(false, .degraded = true);

/* The static detail that keeps the most: what a retry goes by, and the reason unless the kind
 * differs from the code's. */
static errand_detail *stand_in(int error, const errand_detail *d)
{
    bool by_kind = d->kind_known && (d->reason == ERRAND_BY_NONE || d->kind != er_kind_of(error));
    if (!by_kind) return &fixed_by[d->may_have_run][d->reason];
    return &fixed_as[d->may_have_run]
                    [(unsigned)d->kind < ERRAND_KIND_UNKNOWN ? d->kind : ERRAND_KIND_UNKNOWN];
}

errand_detail *er_detail(errand_result *r)
{
    if (r->detail && !r->detail->fixed) return r->detail;
    errand_detail *d = er_alloc_zero(sizeof *d);
    if (!d) return NULL;
    d->elapsed_ms = d->retry_after_ms = -1;
    d->index = SIZE_MAX;
    if (r->detail) *d = *r->detail;
    d->fixed = false;
    return r->detail = d;
}

errand_result er_fail_by(int error, errand_reason reason)
{
    errand_result r = errand_fail(error);
    r.detail = &fixed_by[false][reason];
    return r;
}

void er_result_may_have_run(errand_result *r)
{
    static const errand_detail nothing = { .may_have_run = true };
    errand_detail *d = r->detail;
    if (!r->error || (d && d->may_have_run)) return;
    if (!d) {
        r->detail = stand_in(r->error, &nothing);
    } else if (d->fixed) {
        errand_detail too = *d;
        too.may_have_run = true;
        r->detail = stand_in(r->error, &too);
    } else {
        d->may_have_run = true;
    }
}

static errand_result failv(int error, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static errand_result failv(int error, const char *fmt, va_list args)
{
    errand_result r = errand_fail(error ? error : EINVAL);
    er_bytes text = { 0 };
    if (fmt) er_bytes_vformat(&text, fmt, args);
    errand_detail *d = text.size && !text.error ? er_detail(&r) : NULL;
    if (d) d->message = er_bytes_take(&text);
    er_bytes_free(&text);
    return r;
}

errand_result errand_failf(int error, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    errand_result r = failv(error, fmt, args);
    va_end(args);
    return r;
}

errand_result errand_fail_as(int error, errand_kind kind, int64_t retry_after_ms, bool may_have_run,
                             const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    errand_result r = failv(error, fmt, args);
    va_end(args);
    errand_detail *d = er_detail(&r);
    errand_detail least = { .kind = kind, .kind_known = true, .may_have_run = may_have_run };
    if (d) {
        d->kind = kind;
        d->kind_known = true;
        d->retry_after_ms = retry_after_ms < 0 ? -1 : retry_after_ms;
        d->may_have_run = may_have_run;
    } else {
        r.detail = stand_in(r.error, &least);
    }
    return r;
}

/* ---- freeing: results in results, causes behind causes, to any depth without taking stack ---- */

typedef struct rubble {
    /* what still holds results, each linked through a field that is not needed any more */
    errand_results *arrays; /* by `at` */
    errand_detail *details; /* by `next` */
} rubble;

static errand_result *items(errand_results *results)
{
    return (errand_result *)(void *)(results + 1);
}

static void heap(rubble *on, errand_result r)
{
    errand_results *array = r.free == er_results_free ? r.owner : NULL;
    if (array) {
        array->at = (errand_result *)(void *)on->arrays;
        on->arrays = array;
    } else if (r.free) {
        r.free(r.owner);
    }
    errand_detail *d = r.detail;
    if (!d || d->fixed) return;
    d->next = on->details;
    on->details = d;
}

static void clear(rubble *all)
{
    while (all->arrays || all->details) {
        errand_results *array = all->arrays;
        errand_detail *d = all->details;
        if (array) {
            all->arrays = (errand_results *)(void *)array->at;
            for (size_t i = 0; i < array->n; i++) heap(all, items(array)[i]);
            er_free(array);
            continue;
        }
        all->details = d->next;
        for (size_t i = 0; i < d->n_causes; i++) heap(all, d->causes[i]);
        er_free(d->causes);
        er_free(d->history);
        er_free(d->message);
        er_free(d);
    }
}

void errand_result_free(errand_result *r)
{
    if (!r) return;
    errand_result gone = *r;
    *r = (errand_result){ 0 };
    rubble all = { NULL, NULL };
    heap(&all, gone);
    clear(&all);
}

errand_results *er_results_new(size_t n)
{
    errand_results *results = n < SIZE_MAX / sizeof(errand_result) / 2
                                  ? er_alloc_zero(sizeof *results + n * sizeof(errand_result))
                                  : NULL;
    if (!results) return NULL;
    results->n = n;
    results->at = items(results);
    return results;
}

void er_results_free(void *results)
{
    rubble all = { results, NULL };
    if (results) all.arrays->at = NULL;
    clear(&all);
}

/* Room grows by powers of two, so that adding n causes one by one copies O(n) of them. */
static size_t room_of(size_t n)
{
    size_t room = n ? 1 : 0;
    while (room < n) room *= 2;
    return room;
}

static bool make_room(errand_detail *d, size_t n)
{
    if (room_of(n) == room_of(d->n_causes)) return true;
    errand_result *longer = er_resize(d->causes, room_of(n) * sizeof *longer);
    if (longer) d->causes = longer;
    return longer;
}

void er_result_because(errand_result *r, errand_result cause)
{
    if (errand_result_may_have_run(&cause)) er_result_may_have_run(r);
    errand_detail *d = er_detail(r);
    if (d && make_room(d, d->n_causes + 1)) d->causes[d->n_causes++] = cause;
    else errand_result_free(&cause);
}

/* What could not be copied is left out. The causes of the copy are still those of r: it is put
 * among those that need their own. */
static errand_result copy_but_causes(const errand_result *r, errand_detail **more)
{
    errand_result copy = errand_fail(r->error);
    const errand_detail *from = r->detail;
    copy.detail = r->detail;
    if (!from || from->fixed) return copy;
    errand_detail *to = copy.detail = er_alloc(sizeof *to);
    if (!to) copy.detail = stand_in(r->error, from);
    if (!to) return copy;
    const er_history *h = from->history;
    *to = *from;
    to->message = from->message ? er_copy_text(from->message) : NULL;
    to->history = h ? (er_history *)(void *)er_copy_bytes(h, sizeof *h + h->room * sizeof h->at[0])
                    : NULL;
    to->next = *more;
    *more = to;
    return copy;
}

errand_result er_result_copy(const errand_result *r)
{
    errand_detail *more = NULL;
    errand_result copy = copy_but_causes(r, &more);
    for (errand_detail *d; (d = more);) {
        /* causes behind causes, to any depth without taking stack */
        more = d->next;
        const errand_result *causes = d->causes;
        d->causes = d->n_causes ? er_alloc(room_of(d->n_causes) * sizeof *d->causes) : NULL;
        if (!d->causes) d->n_causes = 0;
        for (size_t i = 0; i < d->n_causes; i++) d->causes[i] = copy_but_causes(&causes[i], &more);
    }
    return copy;
}

void er_result_degrade(errand_result *r)
{
    errand_detail *d = er_detail(r);
    if (d) d->degraded = true;
    else if (!r->detail) r->detail = &fixed_degraded;
}

/* ---- attempts ---- */

#define KEPT (ER_ATTEMPTS_FIRST + ER_ATTEMPTS_LAST)

static unsigned place_of(unsigned i)
{
    return i < ER_ATTEMPTS_FIRST ? i
                                 : ER_ATTEMPTS_FIRST + (i - ER_ATTEMPTS_FIRST) % ER_ATTEMPTS_LAST;
}

static bool is_cut(const er_history *h) { return h->n > h->room && h->room < KEPT; }

void er_history_add(er_history **history, const errand_attempt *attempt)
{
    er_history *h = *history;
    unsigned n = h ? h->n : 0, room = h ? h->room : 0;
    if (n == room && room < KEPT) {          /* the first time that it is full: later it is cut */
        unsigned more = room ? room * 2 : 1; /* most operations end after one or two */
        if (more > KEPT) more = KEPT;
        er_history *grown = er_resize(h, sizeof *h + more * sizeof h->at[0]);
        if (grown) {
            *history = h = grown;
            h->room = more;
            h->n = n;
        }
    }
    if (!h) return;
    h->n = n + 1;
    if (!is_cut(h)) h->at[place_of(n)] = *attempt;
}

errand_attempt *er_history_last(er_history *h)
{
    return h && h->n && !is_cut(h) ? &h->at[place_of(h->n - 1)] : NULL;
}

void er_result_attempted(errand_result *r, er_history *history)
{
    errand_detail *d = history ? er_detail(r) : NULL;
    if (!d) {
        er_free(history);
        return;
    }
    /* the outer run's attempts are this result's; what the last of them did inside
     * stands in its message */
    er_free(d->history);
    d->history = history;
}

unsigned errand_result_attempts(const errand_result *r)
{
    return r && r->detail && r->detail->history ? r->detail->history->n : 0;
}

int errand_result_attempt_sized(const errand_result *r, size_t i, errand_attempt *out, size_t size)
{
    if (!r || !out) return EINVAL;
    const er_history *history = r->detail ? r->detail->history : NULL;
    if (!history || i >= history->n || i >= KEPT) return ENOENT;
    bool cut = is_cut(history);
    if (cut && i >= history->room) return ENOENT;
    unsigned number = (unsigned)i; /* with some left out, the last ones follow the first ones */
    if (history->n > KEPT && i >= ER_ATTEMPTS_FIRST && !cut)
        number = history->n - KEPT + (unsigned)i;
    return er_options_give(out, size, &history->at[place_of(number)], sizeof history->at[0]);
}

/* ---- what a result says ---- */

static const struct {
    int error;
    errand_kind kind;
    bool transient;
} kinds[] = {
    { ETIMEDOUT, ERRAND_KIND_TIMEOUT, true },
    { ECONNREFUSED, ERRAND_KIND_NETWORK, true },
    { ECONNRESET, ERRAND_KIND_NETWORK, true },
    { ECONNABORTED, ERRAND_KIND_NETWORK, true },
    { EPIPE, ERRAND_KIND_NETWORK, true },
    { EHOSTUNREACH, ERRAND_KIND_NETWORK, true },
    { ENETUNREACH, ERRAND_KIND_NETWORK, true },
    { ENETDOWN, ERRAND_KIND_NETWORK, true },
    { EAGAIN, ERRAND_KIND_RESOURCE, true },
    { EMFILE, ERRAND_KIND_RESOURCE, true },
    { ENFILE, ERRAND_KIND_RESOURCE, true },
    { ENOBUFS, ERRAND_KIND_RESOURCE, true },
    { ECANCELED, ERRAND_KIND_CANCELLED, false },
    { ENOMEM, ERRAND_KIND_RESOURCE, false },
    { ENOSPC, ERRAND_KIND_RESOURCE, false },
    { EDQUOT, ERRAND_KIND_RESOURCE, false },
    { EINVAL, ERRAND_KIND_VALIDATION, false },
    { EDOM, ERRAND_KIND_VALIDATION, false },
    { ERANGE, ERRAND_KIND_VALIDATION, false },
    { ENOTSUP, ERRAND_KIND_VALIDATION, false },
    { EACCES, ERRAND_KIND_AUTH, false },
    { EPERM, ERRAND_KIND_AUTH, false },
    { EPROTO, ERRAND_KIND_PROTOCOL, false },
    { EBADMSG, ERRAND_KIND_PROTOCOL, false },
    { ERRAND_ELATE, ERRAND_KIND_REJECTED, false },
    { ERRAND_EOPEN, ERRAND_KIND_REJECTED, false },
    { ERRAND_EBUDGET, ERRAND_KIND_REJECTED, false },
    { ERRAND_EFULL, ERRAND_KIND_REJECTED, false },
    { ERRAND_EABANDONED, ERRAND_KIND_INTERNAL, false },
    { ERRAND_EFORKED, ERRAND_KIND_INTERNAL, false },
};

errand_kind er_kind_of(int error)
{
    if (!error) return ERRAND_KIND_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].error == error) return kinds[i].kind;
    }
    if (error == ERRAND_HTTP + 429) return ERRAND_KIND_RATE_LIMITED;
    if (error == ERRAND_HTTP + 401 || error == ERRAND_HTTP + 403) return ERRAND_KIND_AUTH;
    if (error >= ERRAND_HTTP + 400 && error < ERRAND_HTTP + 500) return ERRAND_KIND_HTTP_CLIENT;
    if (error >= ERRAND_HTTP + 500 && error < ERRAND_HTTP + 600) return ERRAND_KIND_HTTP_SERVER;
    return ERRAND_KIND_UNKNOWN;
}

errand_kind errand_result_kind(const errand_result *r)
{
    if (!r->error) return ERRAND_KIND_OK;
    return r->detail && r->detail->kind_known ? r->detail->kind : er_kind_of(r->error);
}

bool errand_result_transient(const errand_result *r)
{
    if (!r->error) return false;
    switch (errand_result_kind(r)) {
    case ERRAND_KIND_NETWORK:
    case ERRAND_KIND_TIMEOUT:
    case ERRAND_KIND_RATE_LIMITED: return true;
    default: break;
    }
    if (r->error > ERRAND_HTTP && r->error < ERRAND_CURL) {
        static const int statuses[] = { 408, 425, 429, 500, 502, 503, 504, 522, 524 };
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
            if (r->error == ERRAND_HTTP + statuses[i]) return true;
        }
        return false;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].error == r->error)
            return kinds[i].transient &&
                   (!r->detail || !r->detail->kind_known || r->detail->kind == kinds[i].kind);
    }
    return false;
}

errand_reason errand_result_reason(const errand_result *r)
{
    return r->detail ? r->detail->reason : ERRAND_BY_NONE;
}
const char *errand_result_phase(const errand_result *r)
{
    return r->detail && r->detail->phase ? r->detail->phase : "";
}
int64_t errand_result_elapsed_ms(const errand_result *r)
{
    return r->detail ? r->detail->elapsed_ms : -1;
}
int64_t errand_result_retry_after(const errand_result *r)
{
    return r->detail ? r->detail->retry_after_ms : -1;
}
size_t errand_result_index(const errand_result *r)
{
    return r->detail ? r->detail->index : SIZE_MAX;
}
bool errand_result_degraded(const errand_result *r) { return r->detail && r->detail->degraded; }
bool errand_result_may_have_run(const errand_result *r)
{
    return r->detail && r->detail->may_have_run;
}

const errand_result *errand_result_cause(const errand_result *r, size_t i)
{
    return r->detail && i < r->detail->n_causes ? &r->detail->causes[i] : NULL;
}

const char *errand_result_message(const errand_result *r)
{
    if (r->detail && r->detail->message && r->detail->message[0]) return r->detail->message;
    if (r->error == ECANCELED) {
        switch (errand_result_reason(r)) {
        case ERRAND_BY_CALLER: return "cancelled by its caller";
        case ERRAND_BY_TOTAL: return "cancelled at the deadline of the whole";
        case ERRAND_BY_ATTEMPT: return "cancelled at the deadline of the attempt";
        case ERRAND_BY_SIBLING: return "cancelled because of a sibling";
        case ERRAND_BY_SHUTDOWN: return "cancelled because of a shutdown";
        case ERRAND_BY_HEDGE: return "cancelled because another attempt has won";
        case ERRAND_BY_NONE: break;
        }
    }
    if (r->error == ETIMEDOUT) {
        switch (errand_result_reason(r)) {
        case ERRAND_BY_TOTAL: return "timed out: the deadline of the whole has passed";
        case ERRAND_BY_ATTEMPT: return "timed out: the deadline of the attempt has passed";
        default: break;
        }
    }
    return errand_strerror(r->error);
}

/* ---- names ---- */

/* A text made for a code is made once and never freed: callers may keep it. There are as many as
 * codes that came up. */
typedef struct saying {
    struct saying *next;
    int error;
    char text[];
} saying;

static const char *say(int error, const char *text)
{
    /* atomic, as the text behind each: complete when it is put there, never changed after */
    static saying *sayings[64];
    saying **list = &sayings[(unsigned)error % 64], *first = er_load(list), *own = NULL;
    size_t size = strlen(text) + 1;
    for (;;) {
        for (saying *s = first; s; s = s->next) {
            if (s->error != error || strcmp(s->text, text) != 0) continue;
            er_free(own);
            return s->text;
        }
        if (!own && !(own = er_alloc(sizeof *own + size))) return text;
        own->next = first;
        own->error = error;
        memcpy(own->text, text, size);
        if (er_cas_strong(list, &first, own)) return own->text;
    }
}

const char *errand_strerror(int error)
{
    static _Thread_local char text[96]; /* without memory it is the answer, until the next */
    switch (error) {
    case 0: return "Success";
    case ERRAND_ELATE: return "its deadline cannot be met, so it was not begun";
    case ERRAND_EOPEN: return "its breaker is open, so it was not begun";
    case ERRAND_EBUDGET: return "the budget of retries is spent";
    case ERRAND_EFULL: return "the queue is full";
    case ERRAND_EABANDONED: return "its promise was abandoned";
    case ERRAND_EFORKED: return "it belongs to a parent process";
    default: break;
    }
    if (error > ERRAND_HTTP && error < ERRAND_HTTP + 1000)
        snprintf(text, sizeof text, "HTTP %d", error - ERRAND_HTTP);
    else if (error > ERRAND_CURL && error < ERRAND_USER)
        snprintf(text, sizeof text, "curl error %d", error - ERRAND_CURL);
    else if (error >= ERRAND_USER && error < ERRAND_REFUSED)
        snprintf(text, sizeof text, "user error %d", error - ERRAND_USER);
    else return say(error, er_error_text(error));
    return say(error, text);
}

const char *errand_error_name(int error, char *buffer, size_t size)
{
    const char *name = NULL;
    switch (error) {
    case 0: name = "OK"; break;
    case ERRAND_ELATE: name = "ELATE"; break;
    case ERRAND_EOPEN: name = "EOPEN"; break;
    case ERRAND_EBUDGET: name = "EBUDGET"; break;
    case ERRAND_EFULL: name = "EFULL"; break;
    case ERRAND_EABANDONED: name = "EABANDONED"; break;
    case ERRAND_EFORKED: name = "EFORKED"; break;
    default: name = error > 0 && error < ERRAND_HTTP ? strerrorname_np(error) : NULL;
    }
    if (name) snprintf(buffer, size, "%s", name);
    else if (error > ERRAND_HTTP && error < ERRAND_CURL)
        snprintf(buffer, size, "HTTP %d", error - ERRAND_HTTP);
    else if (error > ERRAND_CURL && error < ERRAND_USER)
        snprintf(buffer, size, "curl %d", error - ERRAND_CURL);
    else if (error >= ERRAND_USER && error < ERRAND_REFUSED)
        snprintf(buffer, size, "user %d", error - ERRAND_USER);
    else snprintf(buffer, size, "error %d", error);
    return buffer;
}

const char *errand_kind_name(errand_kind kind)
{
    static const char *const names[] = {
        "ok",   "network",  "timeout",    "cancelled", "http_client", "http_server", "rate_limited",
        "auth", "protocol", "validation", "resource",  "rejected",    "internal",    "unknown"
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

const char *errand_reason_name(errand_reason reason)
{
    static const char *const names[] = { "",        "caller",   "total", "attempt",
                                         "sibling", "shutdown", "hedge" };
    return (unsigned)reason < sizeof names / sizeof *names ? names[reason] : "";
}
