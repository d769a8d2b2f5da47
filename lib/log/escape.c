/* log/escape.c -- no text can forge a line.
 *
 * Control characters are those below a blank (newline, return, escape, tab ...), DEL, and the C1
 * set in its UTF-8 form (C2 80 to C2 9F: CSI and its like, which terminals obey). All other
 * bytes pass, so UTF-8 stays readable. A newline is therefore always the end of a line, for
 * readers and for the sinks, which count on it. The two bytes of a C1 character may come from
 * two arguments, or two parts of a line: a piece that ends with C2 is not known to be clean, and
 * each checks the text it is added to.
 *
 * Most of what is logged needs nothing, so eight bytes are tested in one step (the exact test for a
 * zero byte among eight is (x - 01..01) & ~x & 80..80; Alan Mycroft, 1987). */
#include "log/escape.h"

#include "base/json_escape.h"
#include "base/utf8.h"

#define ALL(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline uint64_t zero_in(uint64_t x) { return (x - ALL(1)) & ~x & ALL(0x80); }
static inline uint64_t below_blank(uint64_t x) { return (x - ALL(0x20)) & ~x & ALL(0x80); }

static const char digits[] = "0123456789abcdef";

static inline bool suspicious(const unsigned char *at) /* of eight bytes */
{
    uint64_t x;
    memcpy(&x, at, 8);
    return below_blank(x) | zero_in(x ^ ALL(0x7f)) | zero_in(x ^ ALL(0xc2));
}

static size_t plain(const unsigned char *at, size_t size) /* how many bytes pass as they are */
{
    size_t i = 0;
    while (i + 8 <= size && !suspicious(at + i)) i += 8;
    /* some of them a second time */
    if (i + 8 > size && size >= 8 && !suspicious(at + size - 8)) return size;
    for (; i < size; i++) {
        if (at[i] < 0x20 || at[i] == 0x7f) return i;
        if (at[i] == 0xc2 && i + 1 < size && at[i + 1] >= 0x80 && at[i + 1] <= 0x9f) return i;
    }
    return size;
}

static bool is_c1(char c) { return (unsigned char)c >= 0x80 && (unsigned char)c <= 0x9f; }

bool er_escape_none(const char *at, size_t size)
{
    return !size ||
           (plain((const unsigned char *)at, size) == size && (unsigned char)at[size - 1] != 0xc2);
}

bool er_escape_joins(const er_text *out, const char *at, size_t size)
{
    return size && is_c1(*at) && out->size && (unsigned char)out->at[out->size - 1] == 0xc2;
}

static void put_byte(er_text *out, char c)
{
    unsigned byte = (unsigned char)c;
    const char text[4] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };
    er_text_add(out, text, sizeof text);
}

void er_escape_text(er_text *out, const char *at, size_t size)
{
    if (er_escape_joins(out, at, size)) {
        put_byte(out, *at++);
        size--;
    }
    for (;;) {
        size_t n = plain((const unsigned char *)at, size);
        er_text_add(out, at, n);
        at += n;
        size -= n;
        if (!size) return;
        /* C2 is followed by a byte that must go out as digits, too */
        for (size_t i = (unsigned char)*at == 0xc2 ? 2 : 1; i; i--, at++, size--)
            put_byte(out, *at);
    }
}

void er_escape_quoted(er_text *out, const char *at, size_t size)
{
    while (size) {
        size_t n = 0;
        while (n < size && at[n] != '"' && at[n] != '\\') n++;
        er_escape_text(out, at, n);
        if (n < size) {
            er_text_put(out, '\\');
            er_text_put(out, at[n++]);
        }
        at += n;
        size -= n;
    }
}

void er_escape_value(er_text *out, const char *at, size_t size)
{
    bool quote = !size;
    for (size_t i = 0; i < size && !quote; i++)
        quote = at[i] == ' ' || at[i] == '"' || at[i] == '=' || at[i] == '\\';
    if (!quote) {
        er_escape_text(out, at, size);
        return;
    }
    er_text_put(out, '"');
    er_escape_quoted(out, at, size);
    er_text_put(out, '"');
}

static size_t plain_json(const unsigned char *at, size_t size)
{
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t x;
        memcpy(&x, at + i, 8);
        if ((x & ALL(0x80)) | below_blank(x) | zero_in(x ^ ALL('"')) | zero_in(x ^ ALL('\\')) |
            zero_in(x ^ ALL(0x7f)))
            break;
    }
    while (i < size && at[i] >= 0x20 && at[i] < 0x7f && at[i] != '"' && at[i] != '\\') i++;
    return i;
}

static void put_unit(er_text *out, unsigned char unit)
{
    char text[ER_JSON_ESCAPE];
    er_text_add(out, text, er_json_escape(text, unit));
}

void er_escape_json(er_text *out, const char *at, size_t size)
{
    while (size) {
        const unsigned char *here = (const unsigned char *)at;
        size_t n = plain_json(here, size);
        er_text_add(out, at, n);
        if (n < size && here[n] < 0x80) {
            put_unit(out, here[n++]);
        } else if (n < size) {
            size_t more = er_utf8_length(here + n, here + size);
            if (!more) er_text_add(out, "\xef\xbf\xbd", 3);
            else if (here[n] == 0xc2 && here[n + 1] <= 0x9f) put_unit(out, here[n + 1]);
            else er_text_add(out, at + n, more);
            n += more ? more : 1;
        }
        at += n;
        size -= n;
    }
}
