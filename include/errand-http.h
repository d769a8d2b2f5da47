/* errand-http.h -- floors 3 and 4: HTTP sessions, batches, jobs. Link with pkg-config errand-http. */
#ifndef ERRAND_HTTP_UMBRELLA_H
#define ERRAND_HTTP_UMBRELLA_H

#include <errand.h>
#include <errand/batch.h>
#include <errand/http.h>
#include <errand/jobs.h>

#endif
