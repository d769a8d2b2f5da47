/* jobs/json_pointer.c -- part after part of the pointer is decoded and looked up in the value that
 * the part before has found.
 *
 * What is found is a piece of the text, so a number keeps its digits. A key is decoded only if
 * there is a backslash in it. The index of an array has no leading zero; "-", the element behind
 * the last, is never there (RFC 6901, 4). */
#include "jobs/json_pointer.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

bool er_json_pointer_valid(const char *pointer)
{
    if (*pointer && *pointer != '/') return false;
    for (const char *c = pointer; *c; c++) {
        if (*c == '~' && c[1] != '0' && c[1] != '1') return false;
    }
    return er_utf8_valid(pointer, strlen(pointer));
}

/* "~1" is "/", "~0" is "~"; to has room for it. Returns the size. */
static size_t decode_part(const char *part, size_t size, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (part[i] == '~') to[n++] = part[++i] == '1' ? '/' : '~';
        else to[n++] = part[i];
    }
    return n;
}

static int is_key(er_span key, er_span part, bool *same)
{
    er_span plain = { key.at + 1, key.size - 2 };
    char *decoded = NULL;
    if (memchr(plain.at, '\\', plain.size)) {
        decoded = er_json_decode(key, &plain.size);
        if (!decoded) return ENOMEM;
        plain.at = decoded;
    }
    *same = plain.size == part.size && !memcmp(plain.at, part.at, part.size);
    er_free(decoded);
    return 0;
}

static int find_member(er_span object, er_span part, er_span *found)
{
    size_t cursor = 0;
    er_span key, value;
    int error = 0;
    while (!error && er_json_member(object, &cursor, &key, &value)) {
        bool same = false;
        error = is_key(key, part, &same);
        if (same) *found = value;
    }
    return error;
}

static void find_element(er_span array, er_span part, er_span *found)
{
    size_t index = 0, cursor = 0;
    if (!part.size || part.size > 18 || (part.at[0] == '0' && part.size > 1)) return;
    for (size_t i = 0; i < part.size; i++) {
        if (part.at[i] < '0' || part.at[i] > '9') return;
        index = index * 10 + (size_t)(part.at[i] - '0');
    }
    er_span value;
    while (er_json_element(array, &cursor, &value)) {
        if (index--) continue;
        *found = value;
        return;
    }
}

int er_json_pointer_find(er_span text, const char *pointer, er_span *found)
{
    *found = er_json_trim(text);
    char *part = er_alloc(strlen(pointer) + 1);
    int error = part ? 0 : ENOMEM;
    while (*pointer && found->at && !error) {
        size_t size = strcspn(++pointer, "/");
        er_span name = { part, decode_part(pointer, size, part) }, in = *found;
        *found = (er_span){ NULL, 0 };
        if (in.at[0] == '{') error = find_member(in, name, found);
        else if (in.at[0] == '[') find_element(in, name, found);
        pointer += size;
    }
    er_free(part);
    return error;
}
