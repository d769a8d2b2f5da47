/* base/nearest.c -- names are compared by edits: a letter too many, too few, a wrong one, or two
 * that changed places (optimal string alignment). A name is near if one letter, or at most a third
 * of the word's letters, had to be edited, but not all of them. */
#include "nearest.h"

#include <string.h>

#define LONGEST 32 /* longer words are not compared */

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

static unsigned edits(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            unsigned *d = &rows[i][j];
            if (!i || !j) {
                *d = (unsigned)(i + j);
                continue;
            }
            *d = least(rows[i - 1][j], rows[i][j - 1]) + 1;
            *d = least(*d, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                *d = least(*d, rows[i - 2][j - 2] + 1);
        }
    }
    return rows[n][m];
}

void er_nearest_offer(er_nearest *n, const char *name)
{
    size_t size = strlen(name);
    if (!n->size || n->size > LONGEST || size > LONGEST) return;
    unsigned these = edits(n->word, n->size, name, size),
             most = n->size < 6 ? 1 : (unsigned)n->size / 3;
    if (these > most || these >= n->size || (n->name && these >= n->edits)) return;
    n->name = name;
    n->edits = these;
}
