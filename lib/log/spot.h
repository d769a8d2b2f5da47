/* log/spot.h -- a message formatted at the call: what cannot be printed later from copies. */
#ifndef ER_SPOT_H
#define ER_SPOT_H

#include "log/format.h"

typedef struct er_spot {
    const char *at; /* the message, then its fields' values */
    size_t size, mark_size;
    char mark[ER_TEXT_MARK]; /* stands behind them if something was cut */
    er_values values;
    size_t keys;  /* the bytes of all keys */
    char *longer; /* where the text is if it does not fit here: */
    char text[512];
} er_spot;

/* plan: an unknown one of this format, or NULL: the format has no fields. At most
 * `longest` bytes are kept; without memory fewer. Free its memory afterwards. errno is
 * printed by %m, and may be changed. */
void er_spot_print(er_spot *spot, const char *format, const er_plan *plan, va_list args,
                   size_t longest);
void er_spot_free(er_spot *spot);

#endif
