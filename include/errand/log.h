/* errand/log.h -- say it now, write it later.
 *
 * A call copies its raw arguments, with the time, into a ring in memory that belongs to the calling thread; a thread of the
 * log formats them and writes the lines to the sinks. Below its level a call costs a load and a branch. A log stands alone:
 * it needs no pool.
 *
 *     errand_log *log = errand_log_new(&(errand_log_opts){ .name = "agent" });
 *     errand_log_to_file(log, "agent.log", ERRAND_LOG_INFO);
 *     errand_info(log, "generated %s in %.1f s", id, seconds);
 *     errand_info(log, "generated" errand_kv("video", "%s") errand_kv("seconds", "%.1f"), id, seconds);
 *     errand_log_close(log, 1000);
 *
 * 2026-11-22 14:03:07.120 - agent - INFO - [main:12] - generated video_1 in 4.2 s
 * 2026-11-22 14:03:07.120 - agent - INFO - [main:13] - generated video=video_1 seconds=4.2
 *
 * Order.    One thread's lines stay in their order. A line whose call begins 10 ms after another call has returned stands
 *           behind that one, whatever threads they come from.
 * Lost.     A full ring holds up WARN and above and drops what is below (block_from). What was dropped is counted and told in
 *           the log, at its place: "... 17 lines lost here". attempted = written + dropped, always. Two never wait, whatever
 *           their level: this library's own lines (of a pool, a policy, a session that was given the log), and what a callback
 *           sink says, for it runs on the thread that makes room.
 * Memory.   One ring (opts.ring bytes) for each thread that has logged and still lives, for each log; of it only what lines
 *           pile up is touched. The ring of a thread that has ended goes to the next thread that begins to log, also before its
 *           lines are written: so there are never more rings than threads logged at one time, even when a sink is stuck.
 *           128 KiB for each sink, and each call site's format once.
 * One line. Control characters are escaped, so that nobody can forge a line; a newline is always the end of one.
 * Late use. After close a log may still be named: what is said to it goes nowhere and is counted. (Until 1,000 more logs have
 *           been closed; then its memory is used again.)
 * Fork.     The child's log is dead: it counts what is said to it as dropped and writes nothing. errand_log_reopen in the
 *           child brings it to life.
 * Exit.     A log that is not closed is flushed when the process ends by exit() or by returning from main: after the program's
 *           atexit handlers and the destructors of its static objects, so what these say is written, too; within exit_ms, all
 *           logs together. Not at _exit(), quick_exit() or a signal.
 * Signals.  Not from signal handlers. errand_log_on_crash saves what a dying process has said.
 */
#ifndef ERRAND_LOG_H
#define ERRAND_LOG_H

#include <errand/result.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct errand_log errand_log;

typedef enum errand_log_level {
    ERRAND_LOG_DEFAULT, /* in options: INFO */
    ERRAND_LOG_TRACE,
    ERRAND_LOG_DEBUG,
    ERRAND_LOG_INFO,
    ERRAND_LOG_WARN,
    ERRAND_LOG_ERROR,
    ERRAND_LOG_OFF
} errand_log_level;

typedef struct errand_log_opts {
    errand_log_level level;      /* what is less is not taken. DEFAULT: INFO                                             */
    size_t           ring;       /* bytes of a thread's ring. 0: 256 KiB; at least 4 KiB, rounded up to a power of two    */
    const char      *name;       /* copied; stands in every line. NULL: "errand"                                         */
    errand_log_level block_from; /* full ring: from here up a call waits. DEFAULT: WARN; TRACE: all wait; OFF: none does */
    unsigned         reserved;
    int64_t          exit_ms;    /* at exit() what was said is written first, for at most so long. 0: 1000; ERRAND_ZERO: not */
} errand_log_opts;

/* A new log without sinks, or NULL with errno. Its thread starts with the first line. */
ERRAND_API errand_log *errand_log_new_sized(const errand_log_opts *opts, size_t size);
static inline errand_log *errand_log_new(const errand_log_opts *opts)
{
    return errand_log_new_sized(opts, sizeof *opts);
}

/* The logger of that name in this log, made if need be: the same sinks, its own name in the lines, its own level. "http.lane"
 * has the level of "http" until it gets one of its own, and "http" that of the log. Lives as long as the log; NULL: errno
 * (EINVAL: an empty name; EBADF: the log is closed). */
ERRAND_API errand_log *errand_log_named(errand_log *log, const char *name);

/* DEFAULT: a named logger inherits again, the log itself goes back to INFO. */
ERRAND_API void errand_log_set_level(errand_log *log, errand_log_level level);

/* ---- sinks ----------------------------------------------------------------------------------------------------------------
 * At most 8 (ENOSPC). Adding returns 0 or an errno. A sink that cannot write is counted and tried again, the others go on; when
 * it takes something again it says how many lines it missed and why. One thread serves all: a sink stuck in a write (a pipe
 * nobody reads) holds up the others, too. The same regular file, or stderr, twice: EEXIST, so a set-up that runs twice does not
 * write twice. */

typedef enum errand_log_format { ERRAND_LOG_TEXT, ERRAND_LOG_JSON } errand_log_format;
typedef enum errand_log_colour { ERRAND_LOG_COLOUR_AUTO, ERRAND_LOG_COLOUR_NEVER, ERRAND_LOG_COLOUR_ALWAYS } errand_log_colour;

/* Text is laid out by a pattern. It may hold {time} {name} {level} {function} {file} {line} {thread} {pid} {message} {fields};
 * {{ is a brace. {fields} is " key=value" for each. The default:
 *     {time} - {name} - {level} - [{function}:{line}] - {message}{fields}
 * JSON is one object a line: time (RFC 3339, UTC, microseconds), level, logger, file, line, function, thread, message, then the
 * key/values; what is no UTF-8 becomes U+FFFD. A value is a number if it is one conversion of d i u e f g (E F G) alone, without
 * flags or width, an integer without a precision, and if it is a number in JSON (not inf, nan); else a string ("%.8u" is
 * "00000042"). A gap has "lost": N. */
typedef struct errand_log_sink_opts {
    errand_log_level  level;        /* what is less is not for this sink. DEFAULT: all the log takes                       */
    errand_log_format   form;
    const char       *pattern;      /* of text; copied. NULL: the default. EINVAL: an unknown {word}                       */
    errand_log_colour colour;       /* of text, by level. AUTO: on a terminal, unless the environment has NO_COLOR or TERM=dumb */
    unsigned          keep;         /* rotated files that are kept: path.1 (the latest) to path.keep. 0: 5                  */
    uint64_t          rotate_bytes; /* a file that would grow beyond it is rotated. 0: never                               */
    int64_t           rotate_ms;    /* rotated at each multiple of it, of local time (86400000: at midnight). 0: never      */
} errand_log_sink_opts;

/* The file is opened for appending, made if need be (0644). A relative path is meant in the working directory of this call.
 *
 * A file that rotates is followed by its path: before lines are written the log looks whether the path still names its file. If
 * another program has renamed, removed or rotated the file, the log goes on in the file that the path names now, or makes it
 * again; a file that was cut short (logrotate's copytruncate) counts anew. (A file that does not rotate is opened again by
 * errand_log_reopen alone.) So several processes may rotate one path, if all use the same sizes and numbers; lines stay whole, each
 * file rotates once, and what one process writes while another rotates may stand in path.1.
 *
 * A new file has the permissions of the file before. Where the path is a symbolic link, its target is rotated, in the target's
 * folder. Up to the first free number files move up: keep costs as much time as there are rotated files.
 *
 * A rotation that fails is counted once (errand_log_flush: EIO) and tried again with the first line a second later, or after
 * errand_log_reopen. Nothing is lost by it: lines go on into the file there is. Only where that file has been removed and
 * cannot be made again (its folder is gone) lines are lost, and told when it can.
 *
 * rotate_ms: on the days when the clocks change a period may be longer or shorter; a multiple that the clock skips is left out.
 * If the clock is set back, or the file is dated in the future, the next rotation is at most one period away. */
ERRAND_API int errand_log_add_file_sized(errand_log *log, const char *path, const errand_log_sink_opts *opts, size_t size);
ERRAND_API int errand_log_add_stderr_sized(errand_log *log, const errand_log_sink_opts *opts, size_t size);
/* The system's log, by datagrams to a socket (NULL: "/dev/log") in the form of RFC 3164, facility user. ident is copied. */
ERRAND_API int errand_log_add_syslog_sized(errand_log *log, const char *ident, const char *socket,
                                           const errand_log_sink_opts *opts, size_t size);
static inline int errand_log_add_file(errand_log *log, const char *path, const errand_log_sink_opts *opts)
{
    return errand_log_add_file_sized(log, path, opts, sizeof *opts);
}
static inline int errand_log_add_stderr(errand_log *log, const errand_log_sink_opts *opts)
{
    return errand_log_add_stderr_sized(log, opts, sizeof *opts);
}
static inline int errand_log_add_syslog(errand_log *log, const char *ident, const char *socket,
                                        const errand_log_sink_opts *opts)
{
    return errand_log_add_syslog_sized(log, ident, socket, opts, sizeof *opts);
}

/* Each line goes to fn, on the log's thread, one at a time; what it is given is valid until it returns. It returns 0 or an
 * errno, which counts as a line it could not take. It may log: what it says finds its ring full sooner or later, and then is
 * dropped and counted, for it never waits. It may not flush, reopen or close its own log (EDEADLK). A child that it
 * forks, and returns in, ends there with status 127. free(arg) once, when the log has closed; when this fails it is not called. */
typedef struct errand_log_line {
    errand_log_level level;
    int              line;
    const char      *name, *file, *function;
    int64_t          time_ns; /* since 1970 */
    const char      *text;    /* as the pattern or JSON has it, without newline; NUL-terminated */
    size_t           size;
    uint64_t         lost;    /* not 0: a gap of so many lines */
} errand_log_line;
typedef int errand_log_fn(void *arg, const errand_log_line *line);
ERRAND_API int errand_log_add_callback_sized(errand_log *log, errand_log_fn *fn, void *arg, errand_free_fn *free,
                                             const errand_log_sink_opts *opts, size_t size);
static inline int errand_log_add_callback(errand_log *log, errand_log_fn *fn, void *arg, errand_free_fn *free,
                                          const errand_log_sink_opts *opts)
{
    return errand_log_add_callback_sized(log, fn, arg, free, opts, sizeof *opts);
}

/* The plain ones. */
ERRAND_API int errand_log_to_stderr(errand_log *log, errand_log_level level);
ERRAND_API int errand_log_to_file(errand_log *log, const char *path, errand_log_level level);

/* ---- ends ------------------------------------------------------------------------------------------------------------------ */

/* Returns when all that was said before is written, or ETIMEDOUT. EIO: written, but a sink has failed to take something. */
ERRAND_API int errand_log_flush(errand_log *log, int64_t within_ms);

/* Flushes, then opens every file anew, by its path: for who has moved it away. In a child process it brings the log to life.
 * An errno: a file cannot be opened, the old one is used on. */
ERRAND_API int errand_log_reopen(errand_log *log, int64_t within_ms);

/* Writes what is there, stops the thread, frees. 0, also the second time; ETIMEDOUT: a sink is stuck; should it come loose, the
 * rest is told lost and freed then. For named loggers EINVAL. NULL is harmless. */
ERRAND_API int errand_log_close(errand_log *log, int64_t within_ms);

/* When the process dies of a fault or an abort, what was said by then is written first, for at most a second; then the signal
 * goes where it went before: to the handler that was there, with its mask and flags (one of SA_RESETHAND is called once, then the
 * process dies), or to the default. If that handler mends the fault and returns, or jumps out of it (siglongjmp), the next fault is
 * met in the same way. A handler that is installed later takes the signal over. 0 or an errno. At most 16 logs (ENOSPC). A thread
 * whose stack has overflowed needs another for that (sigaltstack). */
ERRAND_API int errand_log_on_crash(errand_log *log);

typedef struct errand_log_stats {
    uint64_t attempted; /* lines at or above the level: written + dropped, once flushed                            */
    uint64_t written;   /* lines taken out of the rings and given to the sinks                                      */
    uint64_t dropped;   /* on a full ring, after close, or in a child process after fork                           */
    uint64_t failed;    /* lines that a sink could not take, of all sinks together                                  */
} errand_log_stats;
ERRAND_API int errand_log_stats_sized(errand_log *log, errand_log_stats *out, size_t size);
static inline int errand_log_stats_get(errand_log *log, errand_log_stats *out)
{
    return errand_log_stats_sized(log, out, sizeof *out);
}

/* ---- saying it: errand_info(log, "format", ...); log may be NULL -----------------------------------------------------------
 * The format is a literal, checked by the compiler, and printed as printf does in the C locale. What is copied and formatted
 * later: %d i u o x X c s p m % and e f g (also E F G), with flags (but '), width, precision, * and hh h l ll j z t. A string is
 * copied up to its precision, and up to what fits: what is cut is marked "...[cut N bytes]". All else (%a, %Lf, %ls, %n ...) is
 * formatted on the spot, in the C locale, too: lines do not depend on the program's locale, nor does the text of %m. errno is as
 * before after each call. */

typedef struct errand_log_site { /* a place in the code that logs; static, one for each */
    errand_log_level level;
    int              line;
    const char      *file, *function;
    void            *plan; /* the format, parsed: the log's own. Begins as NULL */
} errand_log_site;

struct errand_log_head { /* what every errand_log begins with */
    int level;
};
/* Would a line of this level be taken? DEFAULT counts as INFO; nothing is said at OFF. */
static inline bool errand_log_enabled(const errand_log *log, errand_log_level level)
{
    int at = (int)level > (int)ERRAND_LOG_DEFAULT ? (int)level : (int)ERRAND_LOG_INFO;
    return log && at < (int)ERRAND_LOG_OFF &&
           at >= __atomic_load_n(&((const struct errand_log_head *)(const void *)log)->level, __ATOMIC_RELAXED);
}
ERRAND_API void errand_log_put(errand_log *log, errand_log_site *site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
ERRAND_API void errand_log_vput(errand_log *log, errand_log_site *site, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Text that is ready, from a place that is known at run time only: for bindings of other languages. All is copied; file and
 * function may be NULL. */
ERRAND_API void errand_log_text(errand_log *log, errand_log_level level, const char *file, int line, const char *function,
                                const char *text, size_t size);

/* Each macro evaluates `log` once, and the other arguments only where the line is taken. */
#define ERRAND_LOG_SITE_(lvl) { (lvl), __LINE__, __FILE__, __func__, NULL }
#define ERRAND_LOG_SAY_(put, log, lvl, ...)                                                        \
    do {                                                                                           \
        errand_log *errand_log_ = (log);                                                           \
        if (errand_log_enabled(errand_log_, (lvl))) {                                                   \
            static errand_log_site errand_site_ = ERRAND_LOG_SITE_(lvl);                           \
            put(errand_log_, &errand_site_, "" __VA_ARGS__);                                       \
        }                                                                                          \
    } while (0)
#define errand_trace(log, ...) ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_TRACE, __VA_ARGS__)
#define errand_debug(log, ...) ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_DEBUG, __VA_ARGS__)
#define errand_info(log, ...)  ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_INFO, __VA_ARGS__)
#define errand_warn(log, ...)  ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_WARN, __VA_ARGS__)
#define errand_error(log, ...) ERRAND_LOG_SAY_(errand_log_put, log, ERRAND_LOG_ERROR, __VA_ARGS__)

/* The same at a level that may be known at run time only. DEFAULT is INFO; at OFF, and beyond, nothing is said. */
#define errand_log_at(log, lvl, ...)                                                               \
    do {                                                                                           \
        errand_log *errand_log_ = (log);                                                           \
        const errand_log_level errand_level_ = (lvl);                                              \
        if (errand_log_enabled(errand_log_, errand_level_)) {                                           \
            static errand_log_site errand_sites_[] = {                                             \
                ERRAND_LOG_SITE_(ERRAND_LOG_TRACE), ERRAND_LOG_SITE_(ERRAND_LOG_DEBUG),            \
                ERRAND_LOG_SITE_(ERRAND_LOG_INFO), ERRAND_LOG_SITE_(ERRAND_LOG_WARN),              \
                ERRAND_LOG_SITE_(ERRAND_LOG_ERROR)                                                 \
            };                                                                                     \
            const int errand_at_ = (int)errand_level_ > 0 ? (int)errand_level_ : (int)ERRAND_LOG_INFO; \
            errand_log_put(errand_log_, &errand_sites_[errand_at_ - 1], "" __VA_ARGS__);           \
        }                                                                                          \
    } while (0)

/* A key and its value, behind the message and inside the same literal: errand_info(log, "sent" errand_kv("bytes", "%zu"), n).
 * At most 16 in a line. */
#define errand_kv(key, conversion) "\x1f" key "=" conversion

/* ---- fields: key/values that stand in every line a thread says -----------------------------------------------------------------
 * Counted and immutable; each may extend another. They travel with what a task submits. */

typedef struct errand_log_fields errand_log_fields;

/* What base has (NULL: nothing), and these: errand_log_fields_new(base, errand_kv("request", "%d"), n). NULL: errno. */
ERRAND_API errand_log_fields *errand_log_fields_new(const errand_log_fields *base, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
ERRAND_API errand_log_fields *errand_log_fields_keep(errand_log_fields *fields); /* one more owner; returns fields        */
ERRAND_API void               errand_log_fields_free(errand_log_fields *fields); /* one owner less; NULL is harmless       */

/* From now on the calling thread's lines have these fields (NULL: none). Takes over the caller's count, and hands that of the
 * fields from before to the caller. */
ERRAND_API errand_log_fields *errand_log_fields_swap(errand_log_fields *fields);
ERRAND_API errand_log_fields *errand_log_fields_current(void); /* those of the calling thread, not counted; NULL: none   */

#ifdef __cplusplus
}
#endif
#endif
