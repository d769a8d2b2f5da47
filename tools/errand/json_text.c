/* json_text.c -- the text is taken apart no further than needed, so that no digit is lost. */
#include "json_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void new_line(FILE *to, size_t depth)
{
    fputc('\n', to);
    for (size_t i = 0; i < 2 * (depth < 100 ? depth : 100); i++) fputc(' ', to);
}

static const char *skip(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) && *at) at++;
    return at;
}

static const char *put_string(FILE *to, const char *at, const char *end)
{
    const char *from = at++;
    while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
    at = at < end ? at + 1 : end;
    fwrite(from, 1, (size_t)(at - from), to);
    return at;
}

static void put_all(FILE *to, const char *at, const char *end)
{
    size_t depth = 0;
    for (at = skip(at, end); at < end; at = skip(at, end)) {
        char c = *at;
        if (c == '"') {
            at = put_string(to, at, end);
            continue;
        }
        at++;
        bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        if (closes && depth) new_line(to, --depth);
        fputc(c, to);
        const char *next = skip(at, end);
        bool empty = opens && next < end && (*next == '}' || *next == ']');
        if (empty) {
            fputc(*next, to);
            at = next + 1;
        } else if (opens) {
            new_line(to, ++depth);
        }
        if (c == ',') new_line(to, depth);
        if (c == ':') fputc(' ', to);
    }
    fputc('\n', to);
}

char *json_text_indent(const char *at, size_t size)
{
    char *text = NULL;
    size_t room = 0;
    FILE *to = open_memstream(&text, &room);
    if (!to) return NULL;
    put_all(to, at, at + size);
    if (fclose(to) == 0) return text;
    free(text);
    return NULL;
}
