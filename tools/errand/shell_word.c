/* shell_word.c -- between single quotes every byte stands for itself but the quote, which is '\\''.
 */
#include "shell_word.h"

#include <stdbool.h>
#include <string.h>

static void put(FILE *to, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\'') fputs("'\\''", to);
        else fputc(text[i], to);
    }
}

void shell_quoted(FILE *to, const char *text, size_t size)
{
    fputc('\'', to);
    put(to, text, size);
    fputc('\'', to);
}

void shell_pair(FILE *to, const char *a, const char *b)
{
    fputc('\'', to);
    put(to, a, strlen(a));
    put(to, b, strlen(b));
    fputc('\'', to);
}

void shell_word(FILE *to, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+:,./-_";
    if (*text && !text[strspn(text, plain)]) fputs(text, to);
    else shell_quoted(to, text, strlen(text));
}

void shell_printf(FILE *to, const char *at, size_t size)
{
    fputc('\'', to);
    for (size_t i = 0; i < size; i++) {
        switch (at[i]) {
        case '\0': fputs("\\000", to); break;
        case '\\': fputs("\\\\", to); break;
        case '%': fputs("%%", to); break;
        case '\'': fputs("'\\''", to); break;
        default: fputc(at[i], to);
        }
    }
    fputc('\'', to);
}
