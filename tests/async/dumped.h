/* Reading a pool's dump. */
#ifndef DUMPED_H
#define DUMPED_H

#include <errand/pool.h>
#include <stdbool.h>

extern char dump_text[1 << 20]; /* the last dump */

const char *dump_of(errand_pool *pool);
bool dump_has(errand_pool *pool, const char *part);

/* The first operation called `what` and `name`, up to the end of its line; NULL: there is none. */
const char *dump_entry(errand_pool *pool, const char *what, const char *name);
/* As above, for a line that contains `part`. Polls; fails the test after half a minute. */
const char *dump_shows(errand_pool *pool, const char *what, const char *name, const char *part);
/* Waits until the pool lists nothing: an ended operation leaves its list a moment later. Fails the
 * test after half a minute. */
void dump_empties(errand_pool *pool);
/* The number of operations called so. */
unsigned dump_count(errand_pool *pool, const char *what, const char *name);

#endif
