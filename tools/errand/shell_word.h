/* shell_word.h -- text as a word of a command of sh (POSIX): it is quoted if it must be. */
#ifndef SHELL_WORD_H
#define SHELL_WORD_H

#include <stdio.h>

void shell_word(FILE *to, const char *text);
/* The same of text that stands between others: always quoted. */
void shell_quoted(FILE *to, const char *text, size_t size);
void shell_pair(FILE *to, const char *a, const char *b); /* of two texts, one word */
/* The operand of printf(1) that prints these bytes, NUL too. */
void shell_printf(FILE *to, const char *at, size_t size);

#endif
