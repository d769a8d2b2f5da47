/** errand/scope.h -- what was opened is closed, last first: Python's ExitStack, Go's defer, for C.
 *
 *     errand_scope *scope = errand_scope_new(NULL);
 *     errand_scope_own(scope, "db", open_db(), close_db);
 *     errand_scope_defer(scope, NULL, remove_lock_file, path);
 *     errand_result r = work(errand_scope_get(scope, "db"));
 *     r = errand_scope_close(scope, r);      remove_lock_file(path), then close_db(db)
 *     errand_scope_free(scope);
 *
 * A scope holds clean-ups. Closing it runs each of them once, in the opposite order of their
 * beginning, one after the other, whatever fails, and keeps every error. Cancels and deadlines of
 * the closing code do not reach clean-ups: they run as in a frame of errand_enter() that shields,
 * with the clean-up's own time. A frame limits how long code runs, as Trio's cancel scope does; a
 * scope says what is left to do when code has ended.
 *
 * Time. Closing takes at most `within_ms`. A clean-up gets its own within_ms, or each_within_ms,
 * but at most half of what is left of the whole; the last one gets all that is left. What has not
 * returned by then is named in the result and in the pool's log, and left behind with its thread;
 * the next one begins. Clean-ups with a limit run on threads of their own; without one
 * (ERRAND_FOREVER for both), and where no thread can be started, on the closing thread. A `close`
 * function always runs on the closing thread, and keeps its time itself.
 *
 * Success and failure. errand_scope_close() says how the code in the scope has ended. Clean-ups of
 * ERRAND_ON_ERROR run if it has failed, or if a clean-up before them has; those of
 * ERRAND_ON_SUCCESS only if all is well so far. So a commit (on success) above a rollback (on
 * error) does what one expects of it when the commit fails.
 *
 * All functions may be called from any thread. A child process must leave its parent's scopes
 * alone: there every function fails with ERRAND_EFORKED, and no clean-up runs.
 */
#ifndef ERRAND_SCOPE_H
#define ERRAND_SCOPE_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Clean-ups, in order. */
typedef struct errand_scope errand_scope;

/** Options of a scope. */
typedef struct errand_scope_opts {
    const char *name;     /* a literal, for messages. NULL: "scope" */
    errand_pool *pool;    /* whose clock and log it uses. NULL: the machine's clock, and no log */
    errand_scope *parent; /* that closes it first, if it is still open then. NULL: none */
    int64_t within_ms;    /* of closing. 0: 30 s */
    /* of a clean-up without a time of its own. 0: half of what is left */
    int64_t each_within_ms;
} errand_scope_opts;

/**
 * Makes a scope. `opts` may be NULL: all defaults.
 *
 * Close it with errand_scope_close(), then free it with errand_scope_free().
 *
 * Returns it, or NULL with errno
 *   EINVAL           a time is negative
 *   ECANCELED        the parent is being closed, or is closed
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the pool or the parent scope is a parent process's
 */
static inline errand_scope *errand_scope_new(const errand_scope_opts *opts);

/**
 * Closes a scope that is open, as after a failure with ECANCELED, and frees it. NULL is harmless.
 *
 * A failure of that closing is written to the pool's log.
 */
ERRAND_API void errand_scope_free(errand_scope *scope);

/**
 * On a variable of type `errand_scope *`: frees the scope when the variable's block is left, by
 * return, goto or break. NULL is harmless.
 *
 *     errand_scope *scope ERRAND_SCOPED = errand_scope_new(NULL);
 *     ...
 *     return errand_scope_close(scope, r);
 */
#define ERRAND_SCOPED __attribute__((cleanup(errand_scope_leave)))

/** What ERRAND_SCOPED calls. */
static inline void errand_scope_leave(errand_scope **scope) { errand_scope_free(*scope); }

/* ---- clean-ups ---- */

/** When a clean-up runs. */
typedef enum errand_scope_when {
    ERRAND_ON_CLOSE,   /* always */
    ERRAND_ON_SUCCESS, /* if all is well so far */
    ERRAND_ON_ERROR    /* if something has failed */
} errand_scope_when;

/**
 * Closes a resource within `within_ms` milliseconds, or leaves it behind, as errand_pool_close()
 * does. Returns 0 or an error.
 */
typedef int errand_close_fn(void *resource, int64_t within_ms);

/** A clean-up. */
typedef struct errand_cleanup {
    const char *name; /* copied; NULL: none */
    void *resource;   /* what its function gets, and errand_scope_get() returns; may be NULL */
    /* exactly one of these; with fn, free(resource) is called after it, also where fn does not run
     * (a dismissal, `when`) */
    errand_free_fn *free;
    errand_fn *fn;
    errand_close_fn *close;
    errand_scope_when when;
    unsigned reserved;
    int64_t within_ms; /* its time. 0: errand_scope_opts.each_within_ms */
    /* the resource of another clean-up that must come after this one, whatever their order. NULL:
     * none */
    const void *needs;
} errand_cleanup;

/**
 * Adds a clean-up, to run before all that are there.
 *
 * Returns 0, or, and then the resource is still the caller's,
 *   EEXIST           the scope has a clean-up of that name
 *   EINVAL           it has no function or several, `when` is none, a time is negative, or a
 *                    pointer is NULL
 *   ECANCELED        the scope is being closed, or is closed
 *   ENOTSUP          it has fields that this library does not know
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the scope is a parent process's
 */
static inline int errand_scope_push(errand_scope *scope, const errand_cleanup *cleanup);

/**
 * Hands `resource` over to the scope, which frees it with `end(resource)`.
 *
 * It is the scope's in any case: if this fails, the resource is freed at once.
 *
 * Returns 0, or fails as errand_scope_push() does, also with
 *   EINVAL   `resource` or `end` is NULL
 */
ERRAND_API int errand_scope_own(errand_scope *scope, const char *name, void *resource,
                                errand_free_fn *end);

/**
 * Hands a pool over: it is closed before its log, whatever their order.
 *
 * Returns 0, or fails as errand_scope_own() does; then the pool is closed at once.
 */
ERRAND_API int errand_scope_own_pool(errand_scope *scope, const char *name, errand_pool *pool);

/**
 * Hands a log over: it is closed after the pools that use it.
 *
 * Returns 0, or fails as errand_scope_own() does; then the log is closed at once.
 */
ERRAND_API int errand_scope_own_log(errand_scope *scope, const char *name, errand_log *log);

/**
 * Runs `fn(arg)` when the scope is closed, however it has ended. A failure that `fn` returns is
 * kept; a value is freed.
 *
 * Returns 0, or fails as errand_scope_push() does, and `fn` will not run.
 */
ERRAND_API int errand_scope_defer(errand_scope *scope, const char *name, errand_fn *fn, void *arg);

/**
 * Runs `fn(arg)` on the calling thread and owns its value, in one step: what was opened cannot be
 * lost in between.
 *
 * The value is freed as the result says. `fn` is not called when the name is taken already.
 *
 * Returns a success with the value, which the scope owns; or the failure of `fn`; or, and then
 * the value was freed, a failure as errand_scope_push() does.
 */
ERRAND_API errand_result errand_scope_open(errand_scope *scope, const char *name, errand_fn *fn,
                                           void *arg);

/**
 * Awaits `f` and owns its value, in one step: a cancel meanwhile loses nothing.
 *
 * Consumes `f`, also when it fails. Else as errand_scope_open() and errand_await().
 */
ERRAND_API errand_result errand_scope_await(errand_scope *scope, const char *name,
                                            errand_future *f);

/**
 * Makes the scope wait for the end of `f` when it is closed, as Trio's nursery does for its tasks.
 *
 * If all is well so far, `f` is awaited for half of its time, then cancelled, which is ETIMEDOUT;
 * else it is cancelled at once, which is no failure. A failure of its own is kept, a value freed.
 * Consumes `f`: where this fails, `f` is cancelled and left behind.
 *
 * Returns 0, or fails as errand_scope_push() does.
 */
ERRAND_API int errand_scope_adopt(errand_scope *scope, const char *name, errand_future *f);

/**
 * Returns the resource of that name, of this scope or of the nearest one around it that has it;
 * NULL: there is none. It is the scope's.
 */
ERRAND_API void *errand_scope_get(errand_scope *scope, const char *name);

/**
 * Takes the clean-up of that name out of the scope, undone.
 *
 * *resource becomes its resource, or the future that was adopted, which is the caller's from now
 * on; NULL if its own `free` beside fn has freed it. `resource` may be NULL.
 *
 * Returns 0, or
 *   ENOENT           there is none of that name
 *   EINVAL           `scope` or `name` is NULL
 *   ERRAND_EFORKED   the scope is a parent process's
 */
ERRAND_API int errand_scope_dismiss(errand_scope *scope, const char *name, void **resource);

/**
 * Hands all clean-ups of `from` over to `to`, where they run before those that are there. `from`
 * is empty then, and still open. No other thread uses `from` meanwhile.
 *
 * Returns 0, or, and then nothing has changed,
 *   EEXIST           both have a clean-up of one name
 *   EINVAL           a scope is NULL, or both are the same
 *   ECANCELED        one of them is being closed, or is closed
 *   EBUSY            a scope inside `from` is still open
 *   ERRAND_EFORKED   one of them is a parent process's
 */
ERRAND_API int errand_scope_move(errand_scope *from, errand_scope *to);

/* ---- closing ---- */

/**
 * Closes a scope: runs its clean-ups, as described above. `how` is how the code in the scope has
 * ended.
 *
 * Consumes `how`. Scopes inside it are closed with it, each in its turn. The scope stays to be
 * freed.
 *
 * Returns `how` if all went well. If `how` is a failure, the failures of clean-ups are its causes.
 * Else the first failure of a clean-up is the result, with the others as its causes, in order; the
 * value of `how` is freed. A message begins with the names of the scope and the clean-up. Among
 * them are
 *   ETIMEDOUT        a clean-up did not return in time, and was left behind
 *   EALREADY         the scope was closed before; the cause is `how`, if that is a failure
 *   EINVAL           `scope` is NULL
 *   ERRAND_EFORKED   the scope is a parent process's
 */
ERRAND_API errand_result errand_scope_close(errand_scope *scope, errand_result how);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_scope *errand_scope_new_sized(const errand_scope_opts *opts, size_t size);

static inline errand_scope *errand_scope_new(const errand_scope_opts *opts)
{
    return errand_scope_new_sized(opts, sizeof *opts);
}

ERRAND_API int errand_scope_push_sized(errand_scope *scope, const errand_cleanup *cleanup,
                                       size_t size);

static inline int errand_scope_push(errand_scope *scope, const errand_cleanup *cleanup)
{
    return errand_scope_push_sized(scope, cleanup, sizeof *cleanup);
}

#ifdef __cplusplus
}
#endif
#endif
