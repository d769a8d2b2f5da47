/* errand/log.h -- say it now, write it later.
 *
 * A log takes lines from any thread into a ring in memory; a thread of its own writes them to the sinks. A line is one
 * line: control characters in it are escaped, so that nobody can forge another. Below its level a call costs a load and a
 * branch. A full ring holds up WARN and above and drops what is below; what was dropped is counted and told in the log,
 * where it is missing. A log stands alone: it needs no pool.
 *
 *     errand_log *log = errand_log_new(&(errand_log_opts){ .name = "agent" });
 *     errand_log_to_file(log, "agent.log", ERRAND_LOG_INFO);
 *     errand_info(log, "generated %s in %.1f s", id, seconds);
 *     errand_log_close(log, 1000);
 *
 * 2026-11-22 14:03:07.120 - agent - INFO - [main:12] - generated video_1 in 4.2 s
 */
#ifndef ERRAND_LOG_H
#define ERRAND_LOG_H

#include <errand/result.h>

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
    errand_log_level level; /* what is less is not taken. DEFAULT: INFO                                    */
    size_t           ring;  /* bytes of the ring. 0: 1 MiB; at least 4 KiB, rounded up to a power of two   */
    const char      *name;  /* a literal; stands in every line. NULL: "errand"                             */
} errand_log_opts;

/* A new log without sinks, or NULL with errno. Its thread starts with the first line. */
ERRAND_API errand_log *errand_log_new_sized(const errand_log_opts *opts, size_t size);
static inline errand_log *errand_log_new(const errand_log_opts *opts)
{
    return errand_log_new_sized(opts, sizeof *opts);
}

/* Adds a sink; level DEFAULT: all the log takes. 0 or an errno. The file is opened for appending, made if need be (0644). A sink
 * that cannot write is counted and tried again, the others go on. At most 8 sinks (ENOSPC). */
ERRAND_API int errand_log_to_stderr(errand_log *log, errand_log_level level);
ERRAND_API int errand_log_to_file(errand_log *log, const char *path, errand_log_level level);

ERRAND_API void errand_log_set_level(errand_log *log, errand_log_level level);

/* Returns when all that was said before is written, or ETIMEDOUT. EIO: written, but a sink has failed to take something. */
ERRAND_API int errand_log_flush(errand_log *log, int64_t within_ms);

/* Writes what is there, stops the thread, frees. 0; ETIMEDOUT: a sink is stuck, the rest was told lost. NULL is harmless.
 * Nobody may use the log any more. */
ERRAND_API int errand_log_close(errand_log *log, int64_t within_ms);

typedef struct errand_log_stats {
    uint64_t attempted; /* lines at or above the level: written + dropped, once flushed              */
    uint64_t written;   /* lines taken out of the ring and given to the sinks                          */
    uint64_t dropped;   /* on a full ring, or in a child process after fork                            */
    uint64_t failed;    /* lines that some sink could not take                                         */
} errand_log_stats;
ERRAND_API int errand_log_stats_sized(errand_log *log, errand_log_stats *out, size_t size);
static inline int errand_log_stats_get(errand_log *log, errand_log_stats *out)
{
    return errand_log_stats_sized(log, out, sizeof *out);
}

/* ---- saying it: errand_info(log, "format", ...); log may be NULL ---------------------------------------------------------- */

typedef struct errand_log_site { /* a place in the code that logs; static, one for each */
    errand_log_level level;
    int              line;
    const char      *file, *function;
} errand_log_site;

struct errand_log_head { /* what every errand_log begins with */
    int level;
};
static inline bool errand_log_on(const errand_log *log, errand_log_level level)
{
    return log && (int)level >= __atomic_load_n(&((const struct errand_log_head *)(const void *)log)->level, __ATOMIC_RELAXED);
}
ERRAND_API void errand_log_put(errand_log *log, const errand_log_site *site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define errand_log_at(log, lvl, ...)                                                              \
    do {                                                                                          \
        if (errand_log_on((log), (lvl))) {                                                        \
            static const errand_log_site errand_site_ = { (lvl), __LINE__, __FILE__, __func__ };  \
            errand_log_put((log), &errand_site_, "" __VA_ARGS__);                                 \
        }                                                                                         \
    } while (0)
#define errand_trace(log, ...) errand_log_at(log, ERRAND_LOG_TRACE, __VA_ARGS__)
#define errand_debug(log, ...) errand_log_at(log, ERRAND_LOG_DEBUG, __VA_ARGS__)
#define errand_info(log, ...)  errand_log_at(log, ERRAND_LOG_INFO, __VA_ARGS__)
#define errand_warn(log, ...)  errand_log_at(log, ERRAND_LOG_WARN, __VA_ARGS__)
#define errand_error(log, ...) errand_log_at(log, ERRAND_LOG_ERROR, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
