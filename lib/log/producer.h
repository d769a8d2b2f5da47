/* log/producer.h -- the library's own lines, to a log that it was given.
 *
 * They never wait for room, whatever the log's block_from says: timer threads, workers and closers
 * log them, and a blocked sink must not hold those up. A line that finds the ring full is dropped
 * and counted. So nothing above this floor uses errand_info and its like (tests/floors checks
 * that). */
#ifndef ER_PRODUCER_H
#define ER_PRODUCER_H

#include "base/os.h"

#include <errand/log.h>

ER_SHARED void er_log_put(errand_log *log, errand_log_site *site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define er_log_debug(log, ...) ERRAND_LOG_SAY_(er_log_put, log, ERRAND_LOG_DEBUG, __VA_ARGS__)
#define er_log_info(log, ...)  ERRAND_LOG_SAY_(er_log_put, log, ERRAND_LOG_INFO, __VA_ARGS__)
#define er_log_warn(log, ...)  ERRAND_LOG_SAY_(er_log_put, log, ERRAND_LOG_WARN, __VA_ARGS__)
#define er_log_error(log, ...) ERRAND_LOG_SAY_(er_log_put, log, ERRAND_LOG_ERROR, __VA_ARGS__)

#endif
