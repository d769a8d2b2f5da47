/* option_values.c -- all of a text is read, in range, or it is refused with the name of its option.
 */
#include "option_values.h"

#include "complain.h"

#include <errand.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIME_MOST INT64_C(1000000000000) /* ms */

bool value_count(const char *name, const char *text, unsigned least, unsigned most, unsigned *value)
{
    char *end;
    errno = 0;
    long n = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    if (n < 0 || errno || *end || n < (long)least || n > (long)most) {
        return complain("%s %s: a whole number from %u to %u is wanted", name, text, least, most);
    }
    *value = (unsigned)n;
    return true;
}

/* Plain decimals, so neither "inf" nor "0x1p3". NULL: there are none. */
const char *value_decimals(const char *text, double *value)
{
    size_t n = strspn(text, "0123456789."), digits = strspn(text, "0123456789");
    if (!n || (n == 1 && !digits) || n > 30) return NULL;
    char *end;
    *value = strtod(text, &end);
    /* no second point; what follows must not have been taken for an exponent */
    return end == text + n ? end : NULL;
}

bool value_time(const char *name, const char *text, int64_t *ms)
{
    int64_t value = 0;
    if (errand_parse_duration(text, &value) || value <= 0 || value > TIME_MOST) {
        return complain("%s %s: a time above 0 is wanted, in seconds or with a unit: 1.5, 20ms, 2m",
                        name, text);
    }
    *ms = value;
    return true;
}

/* One of n words: its index, or -1. */
int value_word(const char *text, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (!strcmp(text, words[i])) return i;
    }
    return -1;
}
