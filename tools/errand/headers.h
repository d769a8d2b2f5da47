/* headers.h -- the headers that every job gets: checked, from files, expanded. */
#ifndef HEADERS_H
#define HEADERS_H

#include "options.h"

/* "Name: value", or "@FILE" with such lines. */
bool headers_read(run_options *o, const char *name, const char *text);

/* With --expand: replaces variables, whose values become secrets. */
bool headers_expand(run_options *o);

#endif
