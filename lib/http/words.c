/* http/words.c -- what may be sent as a word, and what may be shown of what others said: one line, no control characters. */
#include "http/words.h"

#include <errno.h>
#include <string.h>

static bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

size_t er_token(const char *text)
{
    size_t n = 0;
    while (text[n] && (is_alnum(text[n]) || strchr("!#$%&'*+-.^_`|~", text[n]))) n++;
    return n;
}

bool er_has_control(const char *text, bool tab_is_fine)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && !(tab_is_fine && c == '\t')) || c == 0x7f) return true;
    }
    return false;
}

int er_refuse(er_bytes *why, const char *what, const char *culprit, size_t size)
{
    er_bytes_text(why, what);
    if (culprit) {
        er_bytes_text(why, " \"");
        er_add_harmless(why, culprit, size, 100);
        er_bytes_text(why, "\"");
    }
    return EINVAL;
}

void er_add_harmless(er_bytes *to, const char *text, size_t size, size_t most)
{
    bool cut = size > most;
    if (cut) {
        size = most;
        while (size && ((unsigned char)text[size] & 0xc0) == 0x80) size--; /* not in the middle of a UTF-8 character */
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char shown = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        er_bytes_add(to, &shown, 1);
    }
    if (cut) er_bytes_text(to, "...");
}
