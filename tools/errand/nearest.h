/* nearest.h -- which name a mistyped word was most likely meant to be. */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

typedef struct nearest {
    const char *word; /* what was typed, `size` bytes */
    size_t size;
    const char *name; /* the nearest name so far; NULL: none is near */
    unsigned edits;
} nearest;

/* Offers a name. Of two that are equally near the first one stays. */
void nearest_offer(nearest *n, const char *name);

#endif
