/* Child processes. */
#ifndef FORKED_H
#define FORKED_H

#include "events.h"

/* Runs `body` in a child. A result other than 0 is the number of a failed step and fails the test.
 * An alarm ends a hang. */
void in_child(int (*body)(void));

/* ---- a user function that forks and returns in the child, too: the child must end there ---- */

void fork_here(void *unused);      /* once in a test, by a function or a hook */
errand_result note_run(void *arg); /* writes p in the parent, c in the child */
errand_result note_then(errand_result in, void *arg);

/* Runs a function that starts work in a pool and returns it. Expects these letters, and that the
 * child ends. */
void only_parent_runs(errand_pool *(*open_and_run)(void), const char *letters);

#endif
