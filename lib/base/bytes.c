/* base/bytes.c -- a growing buffer: room doubles, a NUL is kept behind the content. */
#include "base/bytes.h"

#include <errno.h>
#include <string.h>

int er_bytes_reserve(er_bytes *b, size_t more)
{
    if (b->error) return b->error;
    if (more < b->room && b->size < b->room - more) return 0; /* the NUL included */
    if (more >= SIZE_MAX / 4 || b->size >= SIZE_MAX / 4) return b->error = ENOMEM;
    size_t room = b->room ? b->room : 64;
    while (room <= b->size + more) room *= 2;
    char *at = er_resize(b->at, room);
    if (!at) return b->error = ENOMEM;
    if (!b->at) at[0] = '\0';
    b->at = at;
    b->room = room;
    return 0;
}

void er_bytes_add(er_bytes *b, const void *at, size_t size)
{
    if (er_bytes_reserve(b, size)) return;
    if (size) memcpy(b->at + b->size, at, size);
    b->size += size;
    b->at[b->size] = '\0';
}

void er_bytes_text(er_bytes *b, const char *text) { er_bytes_add(b, text, strlen(text)); }

void er_bytes_vformat(er_bytes *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = er_vformat(NULL, 0, fmt, args);
    if (n >= 0 && !er_bytes_reserve(b, (size_t)n)) {
        er_vformat(b->at + b->size, (size_t)n + 1, fmt, again);
        b->size += (size_t)n;
    }
    va_end(again);
}

void er_bytes_format(er_bytes *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    er_bytes_vformat(b, fmt, args);
    va_end(args);
}

void er_bytes_drop(er_bytes *b, size_t first)
{
    if (!first) return;
    b->size -= first;
    memmove(b->at, b->at + first, b->size + 1);
}

char *er_bytes_take(er_bytes *b)
{
    if (er_bytes_reserve(b, 0)) return NULL;
    char *at = b->at;
    b->at = NULL;
    b->size = b->room = 0;
    return at;
}

void er_bytes_free(er_bytes *b)
{
    er_free(b->at);
    *b = (er_bytes){ 0 };
}

void er_bytes_percent(er_bytes *b, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char text[3] = { '%', digits[c >> 4], digits[c & 15] };
    er_bytes_add(b, text, sizeof text);
}

void er_bytes_base64(er_bytes *b, const void *bytes, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (er_bytes_reserve(b, size / 3 * 4 + 4)) return;
    char *to = b->at + b->size;
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        uint32_t three = (uint32_t)at[i] << 16 | (n > 1 ? (uint32_t)at[i + 1] << 8 : 0) |
                         (n > 2 ? at[i + 2] : 0);
        *to++ = letters[three >> 18];
        *to++ = letters[three >> 12 & 63];
        *to++ = n > 1 ? letters[three >> 6 & 63] : '=';
        *to++ = n > 2 ? letters[three & 63] : '=';
    }
    *to = '\0';
    b->size = (size_t)(to - b->at);
}
