/* log/pack.h -- raw arguments copied by a plan. */
#ifndef ER_PACK_H
#define ER_PACK_H

#include "log/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* A text's first 8 bytes: how many bytes follow, and how many are missing (saturating). */
#define ER_TEXT_NULL UINT32_MAX

typedef struct er_args { /* so that a pointer to it can be passed */
    va_list list;
} er_args;

static inline size_t er_round8(size_t size) { return (size + 7) & ~(size_t)7; }

/* Copies the row of a result as a text. Returns its end, or NULL: not enough room. */
char *er_pack_result(char *to, size_t room, size_t most, const errand_result *r);

/* At most `most` bytes, and not in the middle of a character of UTF-8. */
static inline size_t er_pack_cut(const char *text, size_t most)
{
    size_t keep = most;
    for (int back = 0; back < 4 && keep && ((unsigned char)text[keep] & 0xc0) == 0x80; back++)
        keep--;
    return ((unsigned char)text[keep] & 0xc0) == 0x80 ? most : keep;
}

/* Copies to `to`, which is aligned to 8; a text is cut after `most` bytes. Returns the end, or
 * NULL: not enough room. */
static inline char *er_pack(char *to, size_t room, const er_plan *plan, size_t most, er_args *args)
{
    if (room < plan->fixed) return NULL;
    room -= plan->fixed; /* what is left for texts */
    int last = 0;
    for (unsigned i = 0; i < plan->args; i++) {
        int64_t whole;
        const char *text;
        size_t limit = SIZE_MAX, size, span, missing = 0;
        switch (plan->arg[i]) {
        case ER_ARG_INT: whole = last = va_arg(args->list, int); break;
        case ER_ARG_LONG: whole = va_arg(args->list, long long); break;
        case ER_ARG_POINTER: whole = (int64_t)(uintptr_t)va_arg(args->list, void *); break;
        case ER_ARG_ERRNO: whole = errno; break;
        case ER_ARG_DOUBLE: {
            double value = va_arg(args->list, double);
            memcpy(&whole, &value, sizeof whole);
            break;
        }
        case ER_ARG_RESULT: {
            char *end =
                er_pack_result(to, room, most, (const void *)va_arg(args->list, const char *));
            if (!end) return NULL;
            room -= (size_t)(end - to) - 8;
            to = end;
            continue;
        }
        case ER_ARG_TEXT_MOST: limit = (size_t)plan->most[i]; goto text;
        case ER_ARG_TEXT_STAR: limit = last < 0 ? SIZE_MAX : (size_t)last; goto text;
        default:
        text:
            text = va_arg(args->list, const char *);
            if (!text) {
                whole = ER_TEXT_NULL;
                break;
            }
            size = limit == SIZE_MAX ? strlen(text) : strnlen(text, limit);
            if (__builtin_expect(size > most, 0)) {
                size_t keep = er_pack_cut(text, most);
                missing = size - keep < UINT32_MAX ? size - keep : UINT32_MAX;
                size = keep;
            }
            span = er_round8(size);
            if (span > room) return NULL;
            room -= span;
            whole = (int64_t)((uint64_t)missing << 32 | size);
            memcpy(to, &whole, 8);
            memcpy(to + 8, text, size);
            to += 8 + span;
            continue;
        }
        memcpy(to, &whole, 8);
        to += 8;
    }
    return to;
}

/* How much room that takes with texts of any length. */
size_t er_pack_size(const er_plan *plan, er_args *args);

#endif
