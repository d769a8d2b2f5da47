/* log/text.c -- growing, cutting and marking behind text.h. Once something is missing nothing
 * more is taken, so that what is there is the beginning of the whole. */
#include "log/text.h"
#include "base/number.h"

#include <errno.h>

int er_text_open(er_text *text, size_t room, size_t most)
{
    *text = (er_text){ .at = er_alloc(room + ER_TEXT_MARK), .room = room, .most = most };
    return text->at ? 0 : ENOMEM;
}

void er_text_close(er_text *text)
{
    er_free(text->at);
    *text = (er_text){ 0 };
}

static bool grow(er_text *text, size_t more)
{
    if (more > text->most - text->size) return false;
    size_t room = text->room;
    while (room < text->size + more) room *= 2;
    if (room > text->most) room = text->most;
    char *at = er_resize(text->at, room + ER_TEXT_MARK);
    if (!at) return false;
    text->at = at;
    text->room = room;
    return true;
}

void er_text_add_slowly(er_text *text, const char *at, size_t size)
{
    if (!text->missing && (size <= text->room - text->size || grow(text, size))) {
        memcpy(text->at + text->size, at, size);
        text->size += size;
        return;
    }
    if (!text->missing && text->room < text->most) grow(text, text->most - text->size);
    size_t fits = text->missing ? 0 : text->room - text->size;
    memcpy(text->at + text->size, at, fits);
    text->size += fits;
    text->missing += size - fits;
}

void er_text_pad(er_text *text, char c, uint64_t times)
{
    char row[64];
    memset(row, c, sizeof row);
    while (times && !text->missing) {
        size_t n = times < sizeof row ? (size_t)times : sizeof row;
        er_text_add(text, row, n);
        times -= n;
    }
    text->missing += times;
}

void er_text_decimal(er_text *text, uint64_t value)
{
    char digits[ER_DECIMAL];
    er_text_add(text, digits, er_decimal(digits, value));
}

size_t er_text_mark(char mark[ER_TEXT_MARK], uint64_t missing)
{
    memcpy(mark, "...[cut ", 8);
    size_t n = 8 + er_decimal(mark + 8, missing);
    memcpy(mark + n, " bytes]", 7);
    return n + 7;
}

void er_text_end(er_text *text)
{
    if (!text->missing) return;
    if (text->size) { /* what follows is gone: a last character that may lack something goes, too */
        size_t last = text->size - 1;
        while (last && text->size - last < 4 && ((unsigned char)text->at[last] & 0xc0) == 0x80)
            last--;
        if ((unsigned char)text->at[last] >= 0xc0) {
            text->missing += text->size - last;
            text->size = last;
        }
    }
    text->size += er_text_mark(text->at + text->size, text->missing);
    text->missing = 0;
}
