/* name_counts.h -- how often each of many names came. */
#ifndef NAME_COUNTS_H
#define NAME_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#define NAMES_MOST 65536

typedef struct name_count {
    struct name_count *next;
    char *name;
    uint64_t n, marked; /* of them; for the caller */
} name_count;

typedef struct name_counts {
    name_count *first;  /* of all that are counted apart */
    name_count **table; /* of room, a power of two; NULL: empty */
    size_t room, used;
    name_count *last;
    name_count others; /* of the names beyond NAMES_MOST, or for which there is no memory */
} name_counts;

/* Counts one more. Its place is the same until name_counts_sorted(). */
name_count *name_counts_add(name_counts *counts, const char *name);
/* The names, the most frequent first: n of them, which live as long as counts. Nothing is added
 * any more. */
name_count *const *name_counts_sorted(name_counts *counts, size_t *n);
void name_counts_free(name_counts *counts);

#endif
