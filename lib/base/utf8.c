/* base/utf8.c -- the table of RFC 3629, 4: what may follow a first byte. */
#include "base/utf8.h"

static size_t announced(unsigned char first) /* by a first byte, valid or not */
{
    if (first >= 0xf0) return 4;
    if (first >= 0xe0) return 3;
    return first >= 0xc0 ? 2 : 1;
}

size_t er_utf8_length(const unsigned char *at, const unsigned char *end)
{
    unsigned char c = *at;
    if (c < 0x80) return 1;
    size_t n = announced(c);
    if (c < 0xc2 || c > 0xf4 || (size_t)(end - at) < n) return 0;
    unsigned char low = 0x80, high = 0xbf;
    if (c == 0xe0) low = 0xa0;
    if (c == 0xed) high = 0x9f;
    if (c == 0xf0) low = 0x90;
    if (c == 0xf4) high = 0x8f;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    return n;
}

bool er_utf8_valid(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    while (at < end) {
        size_t n = er_utf8_length(at, end);
        if (!n) return false;
        at += n;
    }
    return true;
}

size_t er_utf8_whole(const char *at, size_t size)
{
    for (size_t back = 1; back < 4 && back <= size; back++) {
        unsigned char c = (unsigned char)at[size - back];
        if ((c & 0xc0) == 0x80) continue;
        return announced(c) > back ? size - back : size;
    }
    return size;
}
