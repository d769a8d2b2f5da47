/* base/nearest.h -- which name a mistyped word was most likely meant to be. The command is built
 * with this file as well. */
#ifndef ER_NEAREST_H
#define ER_NEAREST_H

#include <stddef.h>

typedef struct er_nearest {
    const char *word; /* what was typed, `size` bytes */
    size_t size;
    const char *name; /* the nearest name so far; NULL: none is near */
    unsigned edits;
} er_nearest;

/* Offers a name. Of two that are equally near the first one stays. */
__attribute__((visibility("default"))) void er_nearest_offer(er_nearest *n, const char *name);

#endif
