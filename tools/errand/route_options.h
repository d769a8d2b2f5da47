/* route_options.h -- options that say how servers are reached and trusted. */
#ifndef ROUTE_OPTIONS_H
#define ROUTE_OPTIONS_H

#include "options.h"

bool route_proxy(run_options *o, const char *name, const char *text);
bool route_noproxy(run_options *o, const char *name, const char *text);
bool route_unix_socket(run_options *o, const char *name, const char *text);
bool route_resolve(run_options *o, const char *name, const char *text);
bool route_cacert(run_options *o, const char *name, const char *text);
bool route_capath(run_options *o, const char *name, const char *text);
bool route_cert(run_options *o, const char *name, const char *text);
bool route_key(run_options *o, const char *name, const char *text);
bool route_pins(run_options *o, const char *name, const char *text);
bool route_complete(run_options *o); /* after all options */

/* Names the option where a session's reason names its field: "ca_file ..." -> "--cacert ...".
 * Returns the rest of the reason; *name is "" if it names none. */
const char *route_blame(const char *why, const char **name);

#endif
