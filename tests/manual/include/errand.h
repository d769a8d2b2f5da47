/** errand.h -- a library of two headers, to try the manual's generator with.
 *
 * Work returns a *result*. Read errand-sem(7) first.
 *
 *     errand_sem *sem = errand_sem_new(&(errand_sem_opts){ .permits = 2 });
 *
 * Owners.  Who makes a semaphore frees it,
 *          in any thread.
 * Time.    Milliseconds.
 */
#ifndef ERRAND_H
#define ERRAND_H

#include <errand/sem.h>
#include <errand/version.h>

#endif
