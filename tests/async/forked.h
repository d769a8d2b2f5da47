/* Child processes. */
#ifndef FORKED_H
#define FORKED_H

#include "events.h"

/* Runs it in a child: 0, or the number of the step that was wrong, which fails the test. What hangs is ended by the alarm. */
void in_child(int (*body)(void));

/* ---- a function of the program's that forks and returns in the child, too: there the child is to end ---- */

void fork_here(void *unused);      /* once in a test; a function or a hook calls it and returns */
errand_result note_run(void *arg); /* writes down a letter for the process it runs in: p the parent, c the child */
errand_result note_then(errand_result in, void *arg);

/* What the function starts in the pool it returns ends in the parent, and writes these letters. The child ends by itself. */
void only_parent_runs(errand_pool *(*open_and_run)(void), const char *letters);

#endif
