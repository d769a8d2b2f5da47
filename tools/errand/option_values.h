/* option_values.h -- values of options that several have: numbers, times, words. */
#ifndef OPTION_VALUES_H
#define OPTION_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* Each writes why it refuses a text, naming the option, and returns false. */
bool value_count(const char *name, const char *text, unsigned least, unsigned most,
                 unsigned *value);
bool value_time(const char *name, const char *text, int64_t *ms);

/* Plain decimals, so neither "inf" nor "0x1p3": what follows them. NULL: there are none. */
const char *value_decimals(const char *text, double *value);
/* One of n words: its index, or -1. */
int value_word(const char *text, const char *const *words, int n);

#endif
