/* row.c -- columns are those of wcwidth, for UTF-8 whatever locale the user has: the texts are
 * UTF-8, and a terminal that has another encoding is worse off either way. Where the system has no
 * such locale a character beyond ASCII becomes a question mark. */
#include "row.h"

#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

static locale_t utf8;

static void make_locale(void) { utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }

void row_begin(row *r, int most)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    r->size = 0;
    r->at[0] = '\0';
    r->columns = 0;
    r->most = most;
}

bool row_part(row *r, const char *colour, const char *fmt, ...)
{
    char words[64];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    int gap = r->columns ? 2 : 0;
    bool fits = n >= 0 && n < (int)sizeof words && r->columns + gap + n <= r->most &&
                r->size + (size_t)n + 16 < sizeof r->at;
    if (!fits) return false;
    r->size += (size_t)snprintf(r->at + r->size, sizeof r->at - r->size, "%*s%s%s%s", gap, "",
                                colour ? colour : "", words, colour ? "\033[0m" : "");
    r->columns += gap + n;
    return true;
}

/* One character: its columns, and in *size its bytes; below 0: it has no place in a line. */
static int width_of(const char *text, size_t *size)
{
    wchar_t c;
    mbstate_t state = { 0 };
    if ((unsigned char)*text < 0x80) {
        *size = 1;
        return *text >= ' ' && *text != 0x7f ? 1 : -1;
    }
    size_t n = utf8 ? mbrtowc(&c, text, strlen(text), &state) : (size_t)-1;
    *size = n == (size_t)-1 || n == (size_t)-2 || !n ? 1 : n;
    return *size == n && n ? wcwidth(c) : -1;
}

static void put(row *r, const char *text, size_t size, int columns)
{
    memcpy(r->at + r->size, text, size);
    r->size += size;
    r->at[r->size] = '\0';
    r->columns += columns;
}

void row_text(row *r, const char *text)
{
    locale_t own = utf8 ? uselocale(utf8) : (locale_t)0;
    size_t sure = r->size; /* where "..." would stand, and the columns before it */
    int sure_columns = r->columns;
    while (*text) {
        size_t size;
        int columns = width_of(text, &size);
        bool odd = columns < 0;
        if (odd) columns = 1;
        if (r->columns + columns > r->most || r->size + size + 4 >= sizeof r->at) break;
        put(r, odd ? "?" : text, odd ? 1 : size, columns);
        if (r->columns + 3 <= r->most) {
            sure = r->size;
            sure_columns = r->columns;
        }
        text += size;
    }
    if (utf8) uselocale(own);
    if (!*text || sure_columns + 3 > r->most) return;
    r->size = sure;
    r->columns = sure_columns;
    put(r, "...", 3, 3);
}
