/** errand-http -- HTTP sessions, batches and jobs on top of errand. Link with pkg-config
 * errand-http.
 */
#ifndef ERRAND_HTTP_UMBRELLA_H
#define ERRAND_HTTP_UMBRELLA_H

#include <errand.h>
#include <errand/batch.h>
#include <errand/bearer.h>
#include <errand/http.h>
#include <errand/jobs.h>
#include <errand/jobs_line.h>
#include <errand/middleware.h>
#include <errand/request.h>
#include <errand/response.h>

#endif
