/* http/sanitize.c -- a peer's text is shown as one line of UTF-8, without control characters, also
 * those of C1 (CSI and its like). */
#include "http/sanitize.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

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

void er_add_harmless(er_bytes *to, const char *text, size_t size, size_t most)
{
    bool cut = size > most;
    if (cut) size = er_utf8_whole(text, most);
    for (size_t i = 0, n; i < size; i += n ? n : 1) {
        const unsigned char *at = (const unsigned char *)text + i;
        n = er_utf8_length(at, at + (size - i));
        if (!n) er_bytes_text(to, "?");
        else if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0)) er_bytes_text(to, " ");
        else er_bytes_add(to, at, n);
    }
    if (cut) er_bytes_text(to, "...");
}

void er_hide(char *text, const char *secret, size_t size)
{
    if (size < 6) return; /* a short word occurs by chance */
    for (char *at = text; (at = memmem(at, strlen(at), secret, size)); at += size)
        memset(at, '*', size);
}
