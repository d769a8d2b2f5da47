/** errand/log.h -- the asynchronous logger.
 *
 *     logs and lines    errand/logger.h       errand_log_new(), errand_info() ...
 *     sinks             errand/log_sink.h     files that rotate, stderr, syslog, a function
 *     fields            errand/log_fields.h   key/values added to every line of a thread
 */
#ifndef ERRAND_LOG_H
#define ERRAND_LOG_H

#include <errand/log_fields.h>
#include <errand/log_sink.h>
#include <errand/logger.h>

#endif
