/* base/utf8.c -- the table of RFC 3629, 4: what may follow a first byte. */
#include "base/utf8.h"

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
        size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return whole > back ? size - back : size;
    }
    return size;
}
