/* log/syslog.h -- lines to the system's log. */
#ifndef ER_SYSLOG_H
#define ER_SYSLOG_H

#include "log/sink.h"

er_sink_fn er_sink_send_syslog;

#endif
