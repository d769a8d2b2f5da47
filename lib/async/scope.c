/* async/scope.c -- clean-ups in order, and closing them.
 *
 *     OPEN --close--> CLOSING --no clean-up is left--> CLOSED
 *
 * While it is OPEN any thread adds and takes clean-ups, under the scope's lock. The thread that
 * makes it CLOSING takes them out one by one and does them, without the lock; from then on none is
 * added. What is being opened (errand_scope_open) stands in `opening` meanwhile, so that its name
 * is taken and nothing can fail afterwards; if the scope is no longer OPEN when it comes, it is
 * freed at once.
 *
 * The order is last in, first out, but what needs a resource is closed before it (next_of). A scope
 * inside another one is a clean-up of that, which closes it in its turn; closed before, it takes
 * itself out of the outer one. A clean-up that holds a scope never moves, so `outer` never changes.
 *
 * Counts: the user's, one for the clean-up in the outer scope, one from each scope inside. A thread
 * holds one scope's lock at a time. */
#include "async/scope.h"

#include "base/bytes.h"
#include "base/options.h"
#include "base/result.h"
#include "async/cleanup.h"
#include "async/task.h"
#include "log/producer.h"

#include <errno.h>
#include <string.h>

enum { OPEN, CLOSING, CLOSED };

struct errand_scope {
    er_lock lock;
    uint32_t count;
    unsigned generation; /* of the process that made it */
    const char *name;
    errand_pool *pool; /* kept; NULL: none */
    int64_t within_ms, each_within_ms;
    errand_scope *outer; /* counted; NULL: none */
    er_cleanup *inside;  /* in outer, under its lock; NULL: it has been taken out */
    /* under the lock */
    int state;
    size_t needing; /* clean-ups that were added with `needs` */
    er_list cleanups, opening;
};

static bool scope_dead(const errand_scope *scope)
{
    return scope->generation != er_fork_generation();
}

static void scope_keep(errand_scope *scope) { er_add_relaxed(&scope->count, 1); }

static void scope_release(errand_scope *scope)
{
    for (errand_scope *outer; scope && er_sub(&scope->count, 1) == 1; scope = outer) {
        outer = scope->outer;
        if (scope->pool) er_pool_release(scope->pool);
        er_free(scope);
    }
}

/* ---- the clean-ups of a scope, under its lock ---- */

static er_cleanup *find_in(const er_list *list, const char *name)
{
    er_list_each(n, list) {
        er_cleanup *c = er_of(n, er_cleanup, node);
        if (c->what.name && strcmp(c->what.name, name) == 0) return c;
    }
    return NULL;
}

static bool is_taken(const errand_scope *scope, const char *name)
{
    return name && (find_in(&scope->cleanups, name) || find_in(&scope->opening, name));
}

static int add(errand_scope *scope, er_list *to, er_cleanup *c)
{
    er_lock_take(&scope->lock);
    int error = 0;
    if (scope->state != OPEN) error = ECANCELED;
    else if (is_taken(scope, c->what.name)) error = EEXIST;
    else er_list_push(to, &c->node);
    if (!error && c->what.needs) scope->needing++;
    er_lock_give(&scope->lock);
    return error;
}

static er_cleanup *one_that_needs(const errand_scope *scope, const void *resource)
{
    er_list_each(n, &scope->cleanups) {
        er_cleanup *c = er_of(n, er_cleanup, node);
        if (resource && c->what.needs == resource) return c;
    }
    return NULL;
}

/* The last one, or what needs it; of those that need each other, any. */
static er_cleanup *next_of(const errand_scope *scope)
{
    if (er_list_empty(&scope->cleanups)) return NULL;
    er_cleanup *c = er_of(scope->cleanups.head.prev, er_cleanup, node), *before;
    for (size_t i = scope->needing; i; i--) {
        before = one_that_needs(scope, c->what.resource);
        if (!before) break;
        c = before;
    }
    return c;
}

static er_cleanup *take_next(errand_scope *scope, bool *last)
{
    er_lock_take(&scope->lock);
    er_cleanup *c = next_of(scope);
    if (c) er_list_remove(&c->node);
    if (c && c->scope) c->scope->inside = NULL;
    if (!c) scope->state = CLOSED;
    *last = er_list_empty(&scope->cleanups);
    er_lock_give(&scope->lock);
    return c;
}

/* ---- making ---- */

static int join_outer(errand_scope *scope, errand_scope *outer)
{
    if (scope_dead(outer)) return ERRAND_EFORKED;
    er_cleanup *c = er_cleanup_new(&(errand_cleanup){ .name = NULL });
    if (!c) return ENOMEM;
    c->scope = scope;
    scope->outer = outer;
    scope->inside = c;
    int error = add(outer, &outer->cleanups, c);
    if (error) er_cleanup_free(c);
    if (error) return error;
    scope_keep(scope);
    scope_keep(outer);
    return 0;
}

errand_scope *errand_scope_new_sized(const errand_scope_opts *opts, size_t size)
{
    errand_scope_opts o = { 0 };
    int error = opts ? er_options(&o, sizeof o, opts, size) : 0;
    if (!error) error = er_option_ms(&o.within_ms, 30000);
    if (!error) error = er_option_ms(&o.each_within_ms, ERRAND_FOREVER);
    if (!error && o.pool && er_pool_dead(o.pool)) error = ERRAND_EFORKED;
    errand_scope *scope = error ? NULL : er_alloc_zero(sizeof *scope);
    if (!error && !scope) error = ENOMEM;
    if (!error) {
        scope->count = 1;
        scope->generation = er_fork_generation();
        scope->name = o.name ? o.name : "scope";
        scope->within_ms = o.within_ms;
        scope->each_within_ms = o.each_within_ms;
        er_list_init(&scope->cleanups);
        er_list_init(&scope->opening);
        if (o.parent) error = join_outer(scope, o.parent);
    }
    if (!error && o.pool) er_pool_keep(scope->pool = o.pool);
    if (!error) return scope;
    er_free(scope);
    errno = error;
    return NULL;
}

/* ---- adding ---- */

static int push(errand_scope *scope, const errand_cleanup *what, errand_future *f)
{
    if (!scope) return EINVAL;
    if (scope_dead(scope)) return ERRAND_EFORKED;
    er_cleanup *c = er_cleanup_new(what);
    if (!c) return ENOMEM;
    c->f = f;
    int error = add(scope, &scope->cleanups, c);
    if (error) er_cleanup_free(c);
    return error;
}

int errand_scope_push_sized(errand_scope *scope, const errand_cleanup *cleanup, size_t size)
{
    errand_cleanup what;
    int error = cleanup ? er_options(&what, sizeof what, cleanup, size) : EINVAL;
    if (error) return error;
    bool known = (unsigned)what.when <= ERRAND_ON_ERROR && !what.reserved;
    bool one = what.close ? !what.fn && !what.free : what.fn || what.free;
    if (!one || !known) return EINVAL;
    if (what.within_ms && (error = er_option_ms(&what.within_ms, 0))) return error;
    return push(scope, &what, NULL);
}

int errand_scope_own(errand_scope *scope, const char *name, void *resource, errand_free_fn *end)
{
    errand_cleanup what = { .name = name, .resource = resource, .free = end };
    int error = resource && end ? push(scope, &what, NULL) : EINVAL;
    if (error && error != ERRAND_EFORKED && resource && end) end(resource);
    return error;
}

static int close_pool(void *pool, int64_t within_ms) { return errand_pool_close(pool, within_ms); }
static int close_log(void *log, int64_t within_ms) { return errand_log_close(log, within_ms); }

int er_scope_own_closed(errand_scope *scope, const errand_cleanup *what)
{
    int error = what->resource ? push(scope, what, NULL) : EINVAL;
    if (!error || error == ERRAND_EFORKED || !what->resource) return error;
    what->close(what->resource, scope ? scope->within_ms : 0);
    return error;
}

int errand_scope_own_pool(errand_scope *scope, const char *name, errand_pool *pool)
{
    bool open = pool && !er_pool_dead(pool);
    const void *log = open ? er_pool_log(pool) : NULL;
    errand_cleanup what = { .name = name, .resource = pool, .close = close_pool, .needs = log };
    return er_scope_own_closed(scope, &what);
}

int errand_scope_own_log(errand_scope *scope, const char *name, errand_log *log)
{
    return er_scope_own_closed(
        scope, &(errand_cleanup){ .name = name, .resource = log, .close = close_log });
}

int errand_scope_defer(errand_scope *scope, const char *name, errand_fn *fn, void *arg)
{
    errand_cleanup what = { .name = name, .resource = arg, .fn = fn };
    return fn ? push(scope, &what, NULL) : EINVAL;
}

int errand_scope_adopt(errand_scope *scope, const char *name, errand_future *f)
{
    int error = f ? push(scope, &(errand_cleanup){ .name = name }, f) : EINVAL;
    if (error && f) errand_cancel(f);
    if (error) errand_drop(f);
    return error;
}

/* ---- opening ---- */

static er_cleanup *reserve(errand_scope *scope, const char *name, int *error)
{
    if (!scope) *error = EINVAL;
    else if (scope_dead(scope)) *error = ERRAND_EFORKED;
    if (*error) return NULL;
    er_cleanup *c = er_cleanup_new(&(errand_cleanup){ .name = name });
    if (!c) *error = ENOMEM;
    else *error = add(scope, &scope->opening, c);
    if (!*error) return c;
    er_free(c);
    return NULL;
}

/* Owns `opened`. */
static errand_result put_in(errand_scope *scope, er_cleanup *c, errand_result opened)
{
    c->value = opened;
    errand_result seen = opened.error ? opened : errand_ok(opened.value, NULL);
    er_lock_take(&scope->lock);
    er_list_remove(&c->node);
    bool refused = !opened.error && scope->state != OPEN;
    if (!opened.error && !refused) er_list_push(&scope->cleanups, &c->node);
    er_lock_give(&scope->lock);
    if (!opened.error && !refused) return seen;
    c->value = errand_ok(NULL, NULL);
    er_cleanup_free(c);
    if (!refused) return seen;
    errand_result_free(&opened);
    return errand_fail(ECANCELED);
}

errand_result errand_scope_open(errand_scope *scope, const char *name, errand_fn *fn, void *arg)
{
    int error = fn ? 0 : EINVAL;
    er_cleanup *c = reserve(scope, name, &error);
    if (!c) return errand_fail(error);
    errand_result r = fn(arg);
    return put_in(scope, c, er_is_later(&r) ? errand_await(r.owner) : r);
}

errand_result errand_scope_await(errand_scope *scope, const char *name, errand_future *f)
{
    int error = f ? 0 : EINVAL;
    er_cleanup *c = reserve(scope, name, &error);
    if (c) return put_in(scope, c, errand_await(f));
    errand_cancel(f);
    errand_drop(f);
    return errand_fail(error);
}

/* ---- finding, taking out ---- */

void *errand_scope_get(errand_scope *scope, const char *name)
{
    if (!name) return NULL;
    for (; scope && !scope_dead(scope); scope = scope->outer) {
        er_lock_take(&scope->lock);
        const er_cleanup *c = find_in(&scope->cleanups, name);
        void *resource = c ? er_cleanup_resource(c) : NULL;
        er_lock_give(&scope->lock);
        if (c) return resource;
    }
    return NULL;
}

int errand_scope_dismiss(errand_scope *scope, const char *name, void **resource)
{
    if (!scope || !name) return EINVAL;
    if (scope_dead(scope)) return ERRAND_EFORKED;
    er_lock_take(&scope->lock);
    er_cleanup *c = find_in(&scope->cleanups, name);
    if (c) er_list_remove(&c->node);
    er_lock_give(&scope->lock);
    if (!c) return ENOENT;
    void *undone = er_cleanup_skip(c);
    if (resource) *resource = undone;
    return 0;
}

static int take_all(errand_scope *from, er_list *all)
{
    int error = 0;
    er_lock_take(&from->lock);
    if (from->state != OPEN) error = ECANCELED;
    er_list_each(n, &from->cleanups) {
        if (er_of(n, er_cleanup, node)->scope) error = error ? error : EBUSY;
    }
    if (!error) er_list_take_all(all, &from->cleanups);
    er_lock_give(&from->lock);
    return error;
}

/* Puts all to the end, or to the beginning of what has been added meanwhile. */
static int put_all(errand_scope *to, er_list *all, bool back)
{
    int error = 0;
    er_lock_take(&to->lock);
    if (!back && to->state != OPEN) error = ECANCELED;
    if (!back && !error) {
        er_list_each(n, all) {
            if (is_taken(to, er_of(n, er_cleanup, node)->what.name)) error = EEXIST;
        }
    }
    for (er_node *n; !error && (n = back ? all->head.prev : all->head.next) != &all->head;) {
        er_list_remove(n);
        to->needing += !back && er_of(n, er_cleanup, node)->what.needs;
        if (back) er_list_push_front(&to->cleanups, n);
        else er_list_push(&to->cleanups, n);
    }
    er_lock_give(&to->lock);
    return error;
}

int errand_scope_move(errand_scope *from, errand_scope *to)
{
    if (!from || !to || from == to) return EINVAL;
    if (scope_dead(from) || scope_dead(to)) return ERRAND_EFORKED;
    er_list all;
    int error = take_all(from, &all);
    if (error) return error;
    error = put_all(to, &all, false);
    if (error) put_all(from, &all, true);
    return error;
}

/* ---- closing ---- */

/* The first failure is the outcome, the others are its causes. */
static void note(errand_result *outcome, errand_result r)
{
    if (outcome->error) {
        er_result_because(outcome, r);
        return;
    }
    errand_result_free(outcome);
    *outcome = r;
}

/* So that its message begins with their names; without memory it stays as it is. */
static void name_culprit(const errand_scope *scope, const char *name, errand_result *r)
{
    er_bytes text = { 0 };
    er_bytes_format(&text, "%s: %s%s%s", scope->name, name ? name : "", name ? ": " : "",
                    errand_result_message(r));
    errand_detail *detail = text.error ? NULL : er_detail(r);
    if (!detail) {
        er_bytes_free(&text);
        return;
    }
    er_free(detail->message);
    detail->message = er_bytes_take(&text);
}

static int64_t now_of(const errand_scope *scope)
{
    return scope->pool ? er_pool_now(scope->pool) : er_now_ns();
}

/* What a clean-up gets of the time that is left, as a moment. */
static int64_t share_of(const errand_scope *scope, const er_cleanup *c, int64_t ends_ns, bool last)
{
    int64_t now = now_of(scope),
            own = c->what.within_ms ? c->what.within_ms : scope->each_within_ms;
    int64_t own_ns = er_deadline(now, own), share_ns = ends_ns;
    if (!last && ends_ns != INT64_MAX) share_ns = now + (ends_ns > now ? (ends_ns - now) / 2 : 0);
    return own_ns < share_ns ? own_ns : share_ns;
}

static bool begin_closing(errand_scope *scope)
{
    er_lock_take(&scope->lock);
    bool mine = scope->state == OPEN;
    if (mine) scope->state = CLOSING;
    er_lock_give(&scope->lock);
    return mine;
}

static void do_one(errand_scope *scope, er_cleanup *c, errand_result *outcome, int64_t ends_ns)
{
    bool left, failed = outcome->error;
    if (c->what.when == (failed ? ERRAND_ON_SUCCESS : ERRAND_ON_ERROR)) {
        er_cleanup_skip(c);
        return;
    }
    char *name = c->what.name ? er_copy_text(c->what.name) : NULL;
    errand_result r = er_cleanup_do(c, scope->pool, ends_ns, failed, &left);
    if (r.error) name_culprit(scope, name, &r);
    if (left && scope->pool && !er_pool_dead(scope->pool))
        er_log_error(er_pool_log(scope->pool), "scope %s", errand_result_message(&r));
    if (r.error) note(outcome, r);
    er_free(name);
}

/* Scopes inside first come here, too: as deep as they are, at most. */
static void close_into(errand_scope *scope, errand_result *outcome, int64_t ends_ns)
{
    bool last;
    for (er_cleanup *c; (c = take_next(scope, &last));) {
        int64_t share_ns = share_of(scope, c, ends_ns, last);
        errand_scope *inside = c->scope;
        if (!inside) {
            do_one(scope, c, outcome, share_ns);
            continue;
        }
        er_cleanup_free(c);
        int64_t own_ns = er_deadline(now_of(inside), inside->within_ms);
        int64_t theirs_ns = er_deadline(now_of(inside), er_ms_until(now_of(scope), share_ns));
        if (begin_closing(inside))
            close_into(inside, outcome, own_ns < theirs_ns ? own_ns : theirs_ns);
        scope_release(inside);
    }
}

static void leave_outer(errand_scope *scope)
{
    if (!scope->outer) return;
    er_lock_take(&scope->outer->lock);
    er_cleanup *c = scope->inside;
    if (c) er_list_remove(&c->node);
    scope->inside = NULL;
    er_lock_give(&scope->outer->lock);
    if (!c) return;
    er_cleanup_free(c);
    scope_release(scope); /* the clean-up's count */
}

errand_result errand_scope_close(errand_scope *scope, errand_result how)
{
    int error = scope ? 0 : EINVAL;
    if (scope && scope_dead(scope)) error = ERRAND_EFORKED;
    else if (scope && !begin_closing(scope)) error = EALREADY;
    if (error) {
        errand_result r = errand_fail(error);
        if (how.error) er_result_because(&r, how);
        else errand_result_free(&how);
        return r;
    }
    close_into(scope, &how, er_deadline(now_of(scope), scope->within_ms));
    leave_outer(scope);
    return how;
}

void errand_scope_free(errand_scope *scope)
{
    if (!scope || scope_dead(scope)) return;
    er_lock_take(&scope->lock);
    bool open = scope->state == OPEN;
    er_lock_give(&scope->lock);
    if (open) {
        errand_result r = errand_scope_close(scope, errand_fail(ECANCELED));
        errand_log *log = scope->pool ? er_pool_log(scope->pool) : NULL;
        const errand_result *cause;
        for (size_t i = 0; log && (cause = errand_result_cause(&r, i)); i++)
            er_log_error(log, "scope %s", errand_result_message(cause));
        errand_result_free(&r);
    }
    scope_release(scope);
}
