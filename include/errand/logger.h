/** errand/logger.h -- an asynchronous logger: say it now, write it later.
 *
 * A call copies its raw arguments, with the time, into a ring in memory that belongs to the calling
 * thread; a thread of the log formats them and writes the lines to the sinks (errand/log_sink.h).
 * Below its level a call costs a load and a branch. A log stands alone: it needs no pool.
 *
 *     errand_log *log = errand_log_new(&(errand_log_opts){ .name = "agent" });
 *     errand_log_to_file(log, "agent.log", ERRAND_LOG_INFO);
 *     errand_info(log, "generated %s in %.1f s", id, seconds);
 *     errand_info(log, "generated" errand_kv("video", "%s") errand_kv("seconds", "%.1f"), id, s);
 *     errand_log_close(log, 1000);
 *
 *     2026-11-22 14:03:07.120 - agent - INFO - [main:12] - generated video_1 in 4.2 s
 *     2026-11-22 14:03:07.120 - agent - INFO - [main:13] - generated video=video_1 seconds=4.2
 *
 * Formats. The format of errand_info() and the like is a literal, checked by the compiler, and
 * printed as printf does in the C locale; the log may be NULL. Copied and formatted later are: %d i
 * u o x X c s p m % and e f g (E F G), with flags (but '), width, precision, * and hh h l ll j z t.
 * A string is copied up to its precision, and up to what fits; what is cut is marked "...[cut N
 * bytes]". All else (%a, %Lf, %ls, %n ...) is formatted at the call. errno is unchanged.
 *
 * Order. One thread's lines stay in their order. If a call begins 10 ms after another call has
 * returned, its line comes after that one's, whatever threads they come from.
 *
 * Loss. A full ring makes WARN and above wait and drops what is below (block_from). What was
 * dropped is counted, and the log says so at its place: "... 17 lines lost here". attempted =
 * written + dropped, always. Two kinds of lines never wait, whatever their level: the library's own
 * (of a pool, a policy, a session that has the log), and those of a callback sink, which runs on
 * the thread that makes room.
 *
 * Memory. One ring (opts.ring bytes) for each thread that has logged and still lives, for each log;
 * only the part is touched that lines fill. The ring of a thread that has ended goes to the next
 * thread that begins to log, also before its lines are written: so there are never more rings than
 * threads logged at one time, even when a sink is blocked. 128 KiB for each sink, and each call
 * site's format once.
 *
 * One line. Control characters are escaped, so that no input can forge a line; a newline is always
 * the end of one.
 *
 * Late use. After close a log may still be named: lines for it are discarded and counted, until
 * 1,000 more logs have been closed; then its memory is used again.
 *
 * Fork. The child's log is dead: it counts lines as dropped and writes nothing. errand_log_reopen()
 * in the child brings it to life.
 *
 * Exit. A log that is not closed is flushed when the process ends by exit() or by returning from
 * main: after the program's atexit handlers and the destructors of its static objects, so that
 * their lines are written, too; within exit_ms, all logs together. Before that a line of level WARN
 * names pools that log to it, and their sessions, that are still open then. Not at _exit(),
 * quick_exit() or a signal.
 *
 * Signals. Do not log in signal handlers. errand_log_on_crash() saves what a dying process has
 * logged.
 */
#ifndef ERRAND_LOGGER_H
#define ERRAND_LOGGER_H

#include <errand/result.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- logs ---- */

/** A log, or a named logger of one. */
typedef struct errand_log errand_log;

/** How much a line matters. */
typedef enum errand_log_level {
    ERRAND_LOG_DEFAULT, /* in options: INFO */
    ERRAND_LOG_TRACE,
    ERRAND_LOG_DEBUG,
    ERRAND_LOG_INFO,
    ERRAND_LOG_WARN,
    ERRAND_LOG_ERROR,
    ERRAND_LOG_OFF
} errand_log_level;

/** Options of a log. */
typedef struct errand_log_opts {
    errand_log_level level; /* lines below it are not taken. DEFAULT: INFO */
    /* bytes of a thread's ring; at least 4 KiB, rounded up to a power of two. 0: 256 KiB */
    size_t ring;
    const char *name; /* copied; part of every line. NULL: "errand" */
    /* when the ring is full, a call from here up waits. DEFAULT: WARN; TRACE: all; OFF: none */
    errand_log_level block_from;
    unsigned reserved;
    /* how long exit() waits, at most, until all is written. 0: 1000; ERRAND_ZERO: not at all */
    int64_t exit_ms;
} errand_log_opts;

/**
 * Makes a log without sinks. Its thread starts with the first line.
 *
 * `opts` may be NULL. Close the log with errand_log_close().
 *
 * Returns the log, or NULL with errno
 *   EINVAL    an option is out of range
 *   ENOTSUP   `opts` has fields that this library does not know
 *   ENOMEM    no memory
 */
static inline errand_log *errand_log_new(const errand_log_opts *opts);

/**
 * Returns the logger of that name in this log, and makes it at the first call: the same sinks, its
 * own name in the lines, its own level.
 *
 * "http.lane" has the level of "http" until it gets one of its own, and "http" has the log's. It
 * lives as long as the log.
 *
 * Returns the logger, or NULL with errno
 *   EINVAL   `log` is NULL, or `name` is NULL or empty
 *   EBADF    the log is closed
 *   ENOMEM   no memory
 */
ERRAND_API errand_log *errand_log_named(errand_log *log, const char *name);

/**
 * Sets a level: lines below it are not taken, whatever the levels of the sinks.
 *
 * DEFAULT: a named logger inherits again, the log itself goes back to INFO.
 * See also errand_log_set_sink_level().
 */
ERRAND_API void errand_log_set_level(errand_log *log, errand_log_level level);

/**
 * Waits up to `within_ms` milliseconds until all lines that were logged before this call are
 * written.
 *
 * Returns 0, or
 *   ETIMEDOUT        not yet
 *   EIO              written, but a sink has failed to take something
 *   EINVAL           `log` is NULL, or `within_ms` is negative
 *   EBADF            the log is closed
 *   EDEADLK          called on the log's own thread, by a callback sink
 *   ERRAND_EFORKED   the log is a parent process's
 */
ERRAND_API int errand_log_flush(errand_log *log, int64_t within_ms);

/**
 * Flushes, then opens every file again by its path: for a program that has moved it away. In a
 * child process it brings the log to life.
 *
 * Returns 0, or
 *   ETIMEDOUT   a sink is blocked
 *   EINVAL      `log` is NULL, or `within_ms` is negative
 *   EBADF       the log is closed
 *   EDEADLK     called on the log's own thread, by a callback sink
 *   ENOMEM      no memory
 *   EIO         a sink has failed to take something; or the errno of a file that cannot be opened:
 *               the old one is used on
 */
ERRAND_API int errand_log_reopen(errand_log *log, int64_t within_ms);

/**
 * Writes what is there, stops the log's thread and frees the log. NULL is harmless.
 *
 * Returns 0, also the second time, or
 *   ETIMEDOUT   a sink is blocked in a write. If that write returns later, the remaining lines are
 *               counted as dropped
 *   EINVAL      it is a named logger, or `within_ms` is negative
 *   EDEADLK     called on the log's own thread, by a callback sink
 */
ERRAND_API int errand_log_close(errand_log *log, int64_t within_ms);

/**
 * Writes what was logged, for at most a second, when the process dies of a fault or an abort.
 *
 * Then the signal goes where it went before: to the handler that was installed, with its mask and
 * flags (one of SA_RESETHAND is called once, then the process dies), or to the default. If that
 * handler mends the fault and returns, or leaves it by siglongjmp(), the next fault is handled in
 * the same way. A handler that is installed later takes the signal over. A thread with an
 * overflowed stack needs another one for that (sigaltstack()).
 *
 * Returns 0, or
 *   EINVAL           `log` is NULL
 *   EBADF            the log is closed
 *   ENOSPC           16 logs do so already
 *   ERRAND_EFORKED   the log is a parent process's
 */
ERRAND_API int errand_log_on_crash(errand_log *log);

/** What a log counts. */
typedef struct errand_log_stats {
    /* lines at or above the levels of the logger and of a sink: written + dropped, once flushed */
    uint64_t attempted;
    uint64_t written; /* lines taken out of the rings and given to the sinks */
    uint64_t dropped; /* on a full ring, after close, or in a child process */
    uint64_t failed;  /* lines that a sink could not take, of all sinks together */
} errand_log_stats;

/**
 * Writes a log's counts to *out.
 *
 * Returns 0, or
 *   EINVAL   `log` or `out` is NULL
 */
static inline int errand_log_stats_get(errand_log *log, errand_log_stats *out);

/* ---- lines ---- */

/** A place in the code that logs; static, one for each. */
typedef struct errand_log_site {
    errand_log_level level;
    int line;
    const char *file, *function;
    void *plan; /* the parsed format: the log's own. Begins as NULL */
} errand_log_site;

/** What every errand_log begins with. */
struct errand_log_head {
    int level;
};

/**
 * Returns whether a line of this level is taken: by the logger, and by a sink, if there are sinks.
 *
 * DEFAULT counts as INFO; OFF is never taken.
 */
static inline bool errand_log_enabled(const errand_log *log, errand_log_level level)
{
    int at = (int)level > (int)ERRAND_LOG_DEFAULT ? (int)level : (int)ERRAND_LOG_INFO;
    return log && at < (int)ERRAND_LOG_OFF &&
           at >= __atomic_load_n(&((const struct errand_log_head *)(const void *)log)->level,
                                 __ATOMIC_RELAXED);
}

/** Logs a line; called by the macros below. */
ERRAND_API void errand_log_put(errand_log *log, errand_log_site *site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Logs a line with a va_list. */
ERRAND_API void errand_log_vput(errand_log *log, errand_log_site *site, const char *fmt,
                                va_list args) __attribute__((format(printf, 3, 0)));

/**
 * Logs `size` bytes of ready text from a place that is known at run time only: for bindings of
 * other languages.
 *
 * All is copied. `file` and `function` may be NULL.
 */
ERRAND_API void errand_log_text(errand_log *log, errand_log_level level, const char *file, int line,
                                const char *function, const char *text, size_t size);

#define ERRAND_LOG_SITE_(lvl)                                                                      \
    {                                                                                              \
        (lvl), __LINE__, __FILE__, __func__, NULL                                                  \
    }
#define ERRAND_LOG_SAY_(put, log, lvl, ...)                                                        \
    do {                                                                                           \
        errand_log *errand_log_ = (log);                                                           \
        if (errand_log_enabled(errand_log_, (lvl))) {                                              \
            static errand_log_site errand_site_ = ERRAND_LOG_SITE_(lvl);                           \
            put(errand_log_, &errand_site_, "" __VA_ARGS__);                                       \
        }                                                                                          \
    } while (0)

/**
 * Logs a line at TRACE: errand_trace(log, "format", ...). `log` is evaluated once, the rest only if
 * the line is taken.
 */
#define errand_trace(log, ...) ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_TRACE, __VA_ARGS__)
/** Logs a line at DEBUG, as errand_trace(). */
#define errand_debug(log, ...) ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_DEBUG, __VA_ARGS__)
/** Logs a line at INFO, as errand_trace(). */
#define errand_info(log, ...)  ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_INFO, __VA_ARGS__)
/** Logs a line at WARN, as errand_trace(). */
#define errand_warn(log, ...)  ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_WARN, __VA_ARGS__)
/** Logs a line at ERROR, as errand_trace(). */
#define errand_error(log, ...) ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_ERROR, __VA_ARGS__)

/**
 * Logs a line at a level that may be known at run time only: errand_log_at(log, level, "format",
 * ...). DEFAULT is INFO.
 */
#define errand_log_at(log, lvl, ...)                                                               \
    do {                                                                                           \
        errand_log *errand_log_ = (log);                                                           \
        const errand_log_level errand_level_ = (lvl);                                              \
        if (errand_log_enabled(errand_log_, errand_level_)) {                                      \
            static errand_log_site errand_sites_[] = {                                             \
                ERRAND_LOG_SITE_(ERRAND_LOG_TRACE), ERRAND_LOG_SITE_(ERRAND_LOG_DEBUG),            \
                ERRAND_LOG_SITE_(ERRAND_LOG_INFO), ERRAND_LOG_SITE_(ERRAND_LOG_WARN),              \
                ERRAND_LOG_SITE_(ERRAND_LOG_ERROR)                                                 \
            };                                                                                     \
            const int errand_at_ =                                                                 \
                (int)errand_level_ > 0 ? (int)errand_level_ : (int)ERRAND_LOG_INFO;                \
            errand_log_put(errand_log_, &errand_sites_[errand_at_ - 1], "" __VA_ARGS__);           \
        }                                                                                          \
    } while (0)

/**
 * A key and its value, behind the message and in the same literal: errand_info(log, "sent"
 * errand_kv("bytes", "%zu"), n). At most 16.
 */
#define errand_kv(key, conversion) "\x1f" key "=" conversion

/**
 * A key that stands for an errand_result, in the place of errand_kv(), with errand_kv_result_arg()
 * as its argument:
 *
 *     errand_warn(log, "failed" errand_kv_result("error"), errand_kv_result_arg(&r));
 *
 *     failed error=ETIMEDOUT error.kind=timeout error.reason=total error.phase=connect
 *     error.attempts=3 error.message="..." error.causes="ECONNRESET: ...; HTTP 503: ..."
 *
 *     "error":{"code":"ETIMEDOUT","kind":"timeout","reason":"total","phase":"connect",
 *     "attempts":3,"message":"...","causes":[{"code":"ECONNRESET","message":"..."},...]}
 *
 * What the result does not have is left out; may_have_run is there if it is true. A success has
 * the code OK and the kind ok. NULL is (null), in JSON null. Each cause is followed by what stands
 * behind it: 16 in all, four deep; more_causes counts the others. All is copied at the call, and
 * the result may be freed after it. What does not fit is cut as in a string, the last causes
 * first. It counts as one of the line's keys and as one argument. A line that is not taken
 * evaluates nothing.
 */
#define errand_kv_result(key) errand_kv(key, "%-.0s")

/**
 * Returns the argument for errand_kv_result(): `r`, with the type that the compiler's check of the
 * format asks for.
 *
 * It is no string. Use it in the call that has the key, and nowhere else. `r` may be NULL.
 */
ERRAND_API const char *errand_kv_result_arg(const errand_result *r);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_log *errand_log_new_sized(const errand_log_opts *opts, size_t size);

static inline errand_log *errand_log_new(const errand_log_opts *opts)
{
    return errand_log_new_sized(opts, sizeof *opts);
}

ERRAND_API int errand_log_stats_sized(errand_log *log, errand_log_stats *out, size_t size);

static inline int errand_log_stats_get(errand_log *log, errand_log_stats *out)
{
    return errand_log_stats_sized(log, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
