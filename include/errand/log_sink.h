/** errand/log_sink.h -- where the lines of a log go: files that rotate, stderr, syslog, a function.
 *
 * A log has at most 8 sinks. A sink that cannot write is counted and tried again, and the others go
 * on; when it takes something again it says how many lines it missed and why. One thread serves all
 * sinks: a sink that is blocked in a write (a pipe that is not read) holds up the others, too. The
 * same regular file, or stderr, twice is EEXIST, so that a set-up that runs twice does not write
 * twice.
 *
 * Text is laid out by a pattern of {time} {name} {level} {function} {file} {line} {thread} {pid}
 * {message} {fields}; {{ is a brace. {fields} is " key=value" for each. The default:
 *
 *     {time} - {name} - {level} - [{function}:{line}] - {message}{fields}
 *
 * JSON is one object a line: time (RFC 3339, UTC, microseconds), level, logger, file, line,
 * function, thread, message, then the key/values; what is no UTF-8 becomes U+FFFD. A value is a
 * number if it is one conversion of d i u e f g (E F G) alone, without flags or width, an integer
 * without a precision, and if it is a number in JSON (not inf, nan); else a string ("%.8u" is
 * "00000042"). A gap has "lost": N.
 *
 * Rotation. A file that rotates is followed by its path: before lines are written the log checks
 * whether the path still names its file. If another program has renamed, removed or rotated the
 * file, the log goes on in the file that the path names now, or makes it again; a file that was cut
 * short (logrotate's copytruncate) counts from there. A file that does not rotate is opened again
 * by errand_log_reopen() alone. So several processes may rotate one path, if all use the same sizes
 * and numbers: lines stay whole, each file rotates once, and what one process writes while another
 * rotates may be in path.1.
 *
 * A new file has the permissions of the file before. Where the path is a symbolic link, its target
 * is rotated, in the target's folder. Up to the first free number files move up: keep costs as much
 * time as there are rotated files. A rotation that fails is counted once (errand_log_flush()
 * returns EIO) and tried again with the first line a second later, or after errand_log_reopen().
 * Nothing is lost by it: lines go on into the file there is. Only where that file has been removed
 * and cannot be made again (its folder is gone) lines are lost; the log says how many when it can.
 * With rotate_ms, on the days when the clocks change a period may be longer or shorter; a multiple
 * that the clock skips is left out. If the clock is set back, or the file is dated in the future,
 * the next rotation is at most one period away.
 */
#ifndef ERRAND_LOG_SINK_H
#define ERRAND_LOG_SINK_H

#include <errand/logger.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The form of a sink's lines. */
typedef enum errand_log_form { ERRAND_LOG_TEXT, ERRAND_LOG_JSON } errand_log_form;
/** Whether text is coloured by level. */
typedef enum errand_log_colour {
    ERRAND_LOG_COLOUR_AUTO,
    ERRAND_LOG_COLOUR_NEVER,
    ERRAND_LOG_COLOUR_ALWAYS
} errand_log_colour;

/** Options of a sink. */
typedef struct errand_log_sink_opts {
    /* lines below it are not for this sink. DEFAULT: all that the log takes */
    errand_log_level level;
    errand_log_form form;
    const char *pattern; /* of text; copied. NULL: the default */
    /* AUTO: on a terminal, unless the environment has NO_COLOR or TERM=dumb */
    errand_log_colour colour;
    unsigned keep;         /* rotated files that are kept: path.1 (the latest) to path.keep. 0: 5 */
    uint64_t rotate_bytes; /* a file that would grow beyond it is rotated. 0: never */
    /* rotated at each multiple of it, of local time (86400000: at midnight). 0: never */
    int64_t rotate_ms;
    /* for errand_log_set_sink_level(); copied. NULL: a file's path as it was given, "stderr" or
     * "syslog"; a function has none */
    const char *name;
} errand_log_sink_opts;

/**
 * Adds a file, opened for appending and made if need be (0644). A relative path is one of the
 * working directory of this call.
 *
 * Returns 0, or
 *   EINVAL    an argument is NULL, an option is out of range, or the pattern has an unknown {word}
 *   EEXIST    the file is a sink of this log already
 *   ENOSPC    there are 8 sinks
 *   ENOTSUP   `opts` has fields that this library does not know
 *   EBADF     the log is closed
 *   ERRAND_EFORKED   the log is a parent process's
 *   ENOMEM    no memory; or the errno of opening the file
 */
static inline int errand_log_add_file(errand_log *log, const char *path,
                                      const errand_log_sink_opts *opts);

/**
 * Adds standard error.
 *
 * Returns 0, or
 *   EINVAL    `log` is NULL, an option is out of range, or the pattern has an unknown {word}
 *   EEXIST    stderr is a sink of this log already
 *   ENOSPC    there are 8 sinks
 *   ENOTSUP   `opts` has fields that this library does not know
 *   EBADF     the log is closed
 *   ERRAND_EFORKED   the log is a parent process's
 *   ENOMEM    no memory
 */
static inline int errand_log_add_stderr(errand_log *log, const errand_log_sink_opts *opts);

/**
 * Adds the system's log: datagrams to `socket` (NULL: "/dev/log") in the form of RFC 3164, facility
 * user. `ident` is copied.
 *
 * Returns 0, or
 *   EINVAL    `log` or `ident` is NULL, the path is too long, an option is out of range, or the
 *             pattern has an unknown {word}
 *   ENOSPC    there are 8 sinks
 *   ENOTSUP   `opts` has fields that this library does not know
 *   EBADF     the log is closed
 *   ERRAND_EFORKED   the log is a parent process's
 *   ENOMEM    no memory; or the errno of connecting
 */
static inline int errand_log_add_syslog(errand_log *log, const char *ident, const char *socket,
                                        const errand_log_sink_opts *opts);

/** A line, as a callback sink gets it. Valid until the callback returns. */
typedef struct errand_log_line {
    errand_log_level level;
    int line;
    const char *name, *file, *function;
    int64_t time_ns;  /* since 1970 */
    const char *text; /* as the pattern or JSON has it, without newline; NUL-terminated */
    size_t size;
    uint64_t lost; /* not 0: this is a gap line that counts as many lost lines */
} errand_log_line;

/** Takes a line; returns 0, or an errno that counts as a line it could not take. */
typedef int errand_log_fn(void *arg, const errand_log_line *line);

/**
 * Adds a function, called with each line on the log's thread, one at a time.
 *
 * `fn` may log: its own lines never wait, so those that find the ring full are dropped and counted.
 * It must not flush, reopen or close its own log (EDEADLK). A child that it forks, and in which it
 * returns, ends there with status 127. `free(arg)` is called once, when the log has closed; not
 * when this fails.
 *
 * Returns 0, or
 *   EINVAL    `log` or `fn` is NULL, an option is out of range, or the pattern has an unknown
 *             {word}
 *   ENOSPC    there are 8 sinks
 *   ENOTSUP   `opts` has fields that this library does not know
 *   EBADF     the log is closed
 *   ERRAND_EFORKED   the log is a parent process's
 *   ENOMEM    no memory
 */
static inline int errand_log_add_callback(errand_log *log, errand_log_fn *fn, void *arg,
                                          errand_free_fn *free, const errand_log_sink_opts *opts);

/**
 * Adds standard error with a level and all other options 0.
 *
 * Returns as errand_log_add_stderr(): 0, or
 *   EINVAL   `log` is NULL
 *   EEXIST   stderr is a sink of this log already
 *   ENOSPC   there are 8 sinks
 *   EBADF    the log is closed
 *   ERRAND_EFORKED   the log is a parent process's
 *   ENOMEM   no memory
 */
ERRAND_API int errand_log_to_stderr(errand_log *log, errand_log_level level);

/**
 * Adds a file with a level and all other options 0.
 *
 * Returns as errand_log_add_file(): 0, or
 *   EINVAL   `log` or `path` is NULL
 *   EEXIST   the file is a sink of this log already
 *   ENOSPC   there are 8 sinks
 *   EBADF    the log is closed
 *   ERRAND_EFORKED   the log is a parent process's
 *   ENOMEM   no memory; or the errno of opening the file
 */
ERRAND_API int errand_log_to_file(errand_log *log, const char *path, errand_log_level level);

/**
 * Sets the level of each sink of this name (errand_log_sink_opts.name). DEFAULT: the sink takes
 * all that the log takes; OFF: nothing.
 *
 * A line goes to a sink if it is at or above the level of its logger and that of the sink. A line
 * that is below the level of its logger, or below those of all sinks, is not taken: the call costs
 * a load and a branch. The level counts for lines that are written from now on; with
 * errand_log_flush() before, lines that were logged before go by the old one. A callback sink may
 * call this.
 *
 * Returns 0, or
 *   ENOENT           no sink has this name
 *   EINVAL           `log` or `sink` is NULL, or the level is out of range
 *   EBADF            the log is closed
 *   ERRAND_EFORKED   the log is a parent process's
 * See also errand_log_set_level().
 */
ERRAND_API int errand_log_set_sink_level(errand_log *log, const char *sink, errand_log_level level);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API int errand_log_add_file_sized(errand_log *log, const char *path,
                                         const errand_log_sink_opts *opts, size_t size);

static inline int errand_log_add_file(errand_log *log, const char *path,
                                      const errand_log_sink_opts *opts)
{
    return errand_log_add_file_sized(log, path, opts, sizeof *opts);
}

ERRAND_API int errand_log_add_stderr_sized(errand_log *log, const errand_log_sink_opts *opts,
                                           size_t size);

static inline int errand_log_add_stderr(errand_log *log, const errand_log_sink_opts *opts)
{
    return errand_log_add_stderr_sized(log, opts, sizeof *opts);
}

ERRAND_API int errand_log_add_syslog_sized(errand_log *log, const char *ident, const char *socket,
                                           const errand_log_sink_opts *opts, size_t size);

static inline int errand_log_add_syslog(errand_log *log, const char *ident, const char *socket,
                                        const errand_log_sink_opts *opts)
{
    return errand_log_add_syslog_sized(log, ident, socket, opts, sizeof *opts);
}

ERRAND_API int errand_log_add_callback_sized(
    errand_log *log, errand_log_fn *fn, void *arg, errand_free_fn *free,
    const errand_log_sink_opts *opts, size_t size);

static inline int errand_log_add_callback(errand_log *log, errand_log_fn *fn, void *arg,
                                          errand_free_fn *free, const errand_log_sink_opts *opts)
{
    return errand_log_add_callback_sized(log, fn, arg, free, opts, sizeof *opts);
}

#ifdef __cplusplus
}
#endif
#endif
