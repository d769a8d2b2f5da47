/* note.h -- what the journal of a run notes about its command line, so that a later command can run
 * the same again. */
#ifndef NOTE_H
#define NOTE_H

#include "options.h"

#include <json-c/json.h>

/* {"folder":"/abs","options":["--jobs=64","--ordered"],"left_out":["header"],"files":["a.jsonl"]},
 * as text to be freed; NULL: no memory. */
char *note_write(const run_options *options);

/* The note of the last run that wrote to this file of results, to be put. NULL: errno is the
 * journal's, or EBADMSG if it has none. */
struct json_object *note_read(const char *results);

#endif
