/* base/bytes.h -- a buffer that grows. The first failure stays (error), and what is added after
 * it is not taken, so that a row of additions is checked once, at its end. */
#ifndef ER_BYTES_H
#define ER_BYTES_H

#include "base/os.h"

#include <stdarg.h>

typedef struct er_bytes {
    char *at; /* NULL while empty; a NUL stands at at[size] */
    size_t size, room;
    int error; /* ENOMEM, or 0 */
} er_bytes;

ER_SHARED void er_bytes_add(er_bytes *b, const void *at, size_t size);
ER_SHARED void er_bytes_text(er_bytes *b, const char *text);
/* As in the C locale, whatever the program has set. */
ER_SHARED void er_bytes_format(er_bytes *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
ER_SHARED void er_bytes_vformat(er_bytes *b, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
ER_SHARED void er_bytes_base64(er_bytes *b, const void *at, size_t size); /* RFC 4648, 4 */
ER_SHARED void er_bytes_percent(er_bytes *b, unsigned char c);            /* RFC 3986, 2.1 */
/* so that the next `more` bytes cannot fail */
ER_SHARED int er_bytes_reserve(er_bytes *b, size_t more);
ER_SHARED void er_bytes_drop(er_bytes *b, size_t first); /* takes the first bytes away */
/* hands the memory over; never NULL unless error */
ER_SHARED char *er_bytes_take(er_bytes *b);
ER_SHARED void er_bytes_free(er_bytes *b); /* zeroes b */

#endif
