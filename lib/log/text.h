/* log/text.h -- text that grows in one piece, up to a limit; beyond it, or without memory, it is
 * cut and counts what is missing. */
#ifndef ER_TEXT_H
#define ER_TEXT_H

#include "base/os.h"

#include <string.h>

#define ER_TEXT_MARK ((size_t)48) /* kept free for "...[cut N bytes]" */

typedef struct er_text {
    char *at;
    size_t size, room; /* room: without what is kept free */
    size_t most;       /* it grows up to this             */
    uint64_t missing;
} er_text;

int er_text_open(er_text *text, size_t room, size_t most); /* 0 or ENOMEM */
void er_text_close(er_text *text);
static inline void er_text_clear(er_text *text)
{
    text->size = 0;
    text->missing = 0;
}

void er_text_add_slowly(er_text *text, const char *at, size_t size);
void er_text_pad(er_text *text, char c, uint64_t times);
/* puts the mark behind what was cut, between two characters of UTF-8 */
void er_text_end(er_text *text);
/* Writes the mark for that many missing bytes; returns its size, below ER_TEXT_MARK. */
size_t er_text_mark(char mark[ER_TEXT_MARK], uint64_t missing);

static inline void er_text_add(er_text *text, const char *at, size_t size)
{
    if (size > text->room - text->size) {
        er_text_add_slowly(text, at, size);
        return;
    }
    memcpy(text->at + text->size, at, size);
    text->size += size;
}
/* The same for a short piece of which ER_TEXT_PAD bytes can be read, whatever its size: no
 * call for a few bytes. */
#define ER_TEXT_PAD ((size_t)32)
static inline void er_text_add_padded(er_text *text, const char *at, size_t size)
{
    if (size > ER_TEXT_PAD || size > text->room - text->size) {
        er_text_add(text, at, size);
        return;
    }
    memcpy(text->at + text->size, at, ER_TEXT_PAD); /* what is kept free takes what is too much */
    text->size += size;
}
static inline void er_text_put(er_text *text, char c)
{
    if (text->size < text->room) text->at[text->size++] = c;
    else er_text_add_slowly(text, &c, 1);
}
static inline void er_text_say(er_text *text, const char *string)
{
    er_text_add(text, string, strlen(string));
}
void er_text_decimal(er_text *text, uint64_t value);

#endif
