/* policy/sem.h -- waiting for permits without a future: the place in the line lives in what
 * waits, which keeps the semaphore. */
#ifndef ER_SEM_H
#define ER_SEM_H

#include "policy/keyed.h"

struct er_sem_member;

/* A waiter for n permits, then their holder. Zeroed at first but for n, name, site and waiter.fn;
 * to be used again after er_sem_leave was true, after an error, or after er_sem_release.
 *   waiter.fn  it no longer waits, error says why: 0, it holds n permits; ECANCELED, the pool has
 *              shut down; EINVAL, the semaphore has become smaller than n. Called as waiters of
 *              cells are: no lock held, chains of grants take one frame. */
typedef struct er_sem_place {
    er_waiter waiter;
    int error;
    unsigned n;
    /* EINVAL: of the semaphore, when n was too many for it; 0: it is the key that is wrong */
    unsigned size;
    const char *name; /* for reports */
    const void *site;
    er_node node; /* the rest is sem.c's: in the line, or among the holders */
    struct er_sem_member *member;
    int64_t since_ns;
    uint32_t state;
} er_sem_place;

/* 0: it holds n permits now. EINPROGRESS: it waits, and waiter.fn will be called, unless
 * er_sem_leave comes first. Else it neither waits nor holds: EINVAL, ENOMEM, ERRAND_EFULL,
 * ECANCELED, ERRAND_EFORKED. */
int er_sem_enter(errand_sem *sem, const char *key, er_sem_place *place);

/* Leaves the line. True: waiter.fn will not be called. False: it has been or is being called,
 * perhaps with permits. */
bool er_sem_leave(errand_sem *sem, er_sem_place *place);

/* Reports how the call with the permits has ended (NULL: it was cancelled), and gives them back. */
void er_sem_release(errand_sem *sem, er_sem_place *place, const errand_result *how);
/* Only reports it. */
void er_sem_report(errand_sem *sem, const er_sem_place *place, const errand_result *how);

/* Adds what place waits for: how many permits of which semaphore, and the key. Nothing if it does
 * not wait. */
void er_sem_describe(errand_sem *sem, const er_sem_place *place, er_description *d);
/* NULL: none. It outlives the semaphore: a literal */
const char *er_sem_name(const errand_sem *sem);

/* Sums over keys, of what errand_sem_stats has for each. */
typedef struct er_sem_sums {
    uint64_t permits, in_use, waiting, keys;
} er_sem_sums;
/* Over those with permits in use or waiters, and over all. Takes a step for each. */
ER_SHARED void er_sem_sum(errand_sem *sem, er_sem_sums *used, er_sem_sums *all);

errand_sem *er_sem_keep(errand_sem *sem);
errand_pool *er_sem_pool(const errand_sem *sem);

/* The error of place, of er_sem_enter or of the waiting after it, as a result that
 * says what was wrong. */
errand_result er_sem_refusal(const errand_sem *sem, const er_sem_place *place);

#endif
