/* A pool's dump that a test reads. */
#ifndef DUMPED_H
#define DUMPED_H

#include <errand/pool.h>
#include <stdbool.h>

extern char dump_text[1 << 20]; /* the last one */

const char *dump_of(errand_pool *pool);
bool dump_has(errand_pool *pool, const char *part);

/* The first operation that is called `what` and `name`, from there to the end of its line; NULL: there is none. */
const char *dump_entry(errand_pool *pool, const char *what, const char *name);
/* The same of those whose line has that part. Looks again and again; fails the test after half a minute. */
const char *dump_shows(errand_pool *pool, const char *what, const char *name, const char *part);
/* Waits until the pool lists nothing: what has ended leaves its list a moment later. Fails the test after half a minute. */
void dump_empties(errand_pool *pool);
/* How many are called so. */
unsigned dump_count(errand_pool *pool, const char *what, const char *name);

#endif
