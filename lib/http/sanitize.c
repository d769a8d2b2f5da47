/* http/sanitize.c -- what may be sent as a word, and what may be shown of what others said: one line of UTF-8, no control
 * characters, those of C1 (CSI and its like) neither. */
#include "http/sanitize.h"

#include <errno.h>
#include <string.h>

static bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

size_t er_token_of(const char *text, size_t size)
{
    size_t n = 0;
    while (n < size && text[n] && (is_alnum(text[n]) || strchr("!#$%&'*+-.^_`|~", text[n]))) n++;
    return n;
}

size_t er_token(const char *text) { return er_token_of(text, SIZE_MAX); }

char er_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

bool er_alike(const char *a, const char *b, size_t size)
{
    size_t i = 0;
    while (i < size && a[i] && er_lower(a[i]) == er_lower(b[i])) i++;
    return i == size || er_lower(a[i]) == er_lower(b[i]);
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

size_t er_utf8_length(const unsigned char *at, const unsigned char *end)
{
    unsigned char c = *at;
    if (c < 0x80) return 1;
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (!n || (size_t)(end - at) < n) return 0;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    return n;
}

void er_add_harmless(er_bytes *to, const char *text, size_t size, size_t most)
{
    bool cut = size > most;
    if (cut) {
        size = most;
        while (size && ((unsigned char)text[size] & 0xc0) == 0x80) size--; /* not in the middle of a UTF-8 character */
    }
    for (size_t i = 0, n; i < size; i += n ? n : 1) {
        const unsigned char *at = (const unsigned char *)text + i;
        n = er_utf8_length(at, at + (size - i));
        if (!n) er_bytes_text(to, "?");
        else if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0)) er_bytes_text(to, " ");
        else er_bytes_add(to, at, n);
    }
    if (cut) er_bytes_text(to, "...");
}

void er_add_base64(er_bytes *to, const char *text, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t three = (uint32_t)at[i] << 16;
        if (left > 1) three |= (uint32_t)at[i + 1] << 8;
        if (left > 2) three |= at[i + 2];
        char four[4] = { digits[three >> 18], digits[three >> 12 & 63], left > 1 ? digits[three >> 6 & 63] : '=',
                         left > 2 ? digits[three & 63] : '=' };
        er_bytes_add(to, four, 4);
    }
}

void er_hide(char *text, const char *secret, size_t size)
{
    if (size < 6) return; /* so short a word stands anywhere */
    for (char *at = text; (at = memmem(at, strlen(at), secret, size)); at += size) memset(at, '*', size);
}
