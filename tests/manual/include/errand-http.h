/** errand-http.h -- all of it. */
#ifndef ERRAND_HTTP_UMBRELLA_H
#define ERRAND_HTTP_UMBRELLA_H

#include <errand.h>
#include <errand/jobs.h>

#endif
