/* base/duration.c -- durations as text.
 *
 * A number is up to 30 significant digits and a power of ten; digits behind those only move the
 * power. Its product with the unit is below 2^122, so everything up to the one division that rounds
 * is exact in 128 bits. strtod is not used, as it reads the locale's decimal point, hexadecimal
 * numbers and "inf". */
#include "base/duration.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define DIGITS        30
#define EXPONENT_MOST 1000000

typedef unsigned __int128 wide;

typedef struct number { /* digits * 10^power */
    wide digits;
    unsigned kept; /* significant digits in `digits` */
    int64_t power;
} number;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void number_add(number *n, char digit, bool behind_point)
{
    if (n->kept == DIGITS) {
        n->power += !behind_point;
        return;
    }
    n->digits = n->digits * 10 + (unsigned)(digit - '0');
    n->kept += n->digits != 0;
    n->power -= behind_point;
}

/* How many bytes the exponent at `at` takes: 0 if there is none, size + 1 if it has no digits. */
static size_t number_exponent(number *n, const char *at, size_t size)
{
    if (!size || (*at | 0x20) != 'e') return 0;
    size_t i = 1;
    bool down = i < size && at[i] == '-';
    if (i < size && (at[i] == '-' || at[i] == '+')) i++;
    if (i == size || !is_digit(at[i])) return size + 1;
    int64_t exponent = 0;
    for (; i < size && is_digit(at[i]); i++) {
        if (exponent < EXPONENT_MOST) exponent = exponent * 10 + (at[i] - '0');
    }
    n->power += down ? -exponent : exponent;
    return i;
}

/* How many bytes the number at `text` takes; 0: there is none. */
static size_t number_read(number *n, const char *text, size_t size)
{
    size_t i = 0, digits = 0;
    bool behind_point = false;
    for (; i < size && (is_digit(text[i]) || (text[i] == '.' && !behind_point)); i++) {
        if (text[i] == '.') {
            behind_point = true;
            continue;
        }
        number_add(n, text[i], behind_point);
        digits++;
    }
    if (!digits) return 0;
    size_t exponent = number_exponent(n, text + i, size - i);
    return exponent > size - i ? 0 : i + exponent;
}

static unsigned unit_ms(const char *unit, size_t size) /* 0: it is no unit */
{
    static const struct {
        const char *name;
        unsigned ms;
    } units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) == size && !memcmp(units[i].name, unit, size)) return units[i].ms;
    }
    return 0;
}

/* value * 10^power, rounded; INT64_MAX stands for all that is too large. */
static int64_t scaled(wide value, int64_t power)
{
    if (!value) return 0;
    for (; power > 0 && value < INT64_MAX; power--) value *= 10;
    if (power < -38) return 1; /* value < 2^122 < 10^37, so it is below a half */
    wide divisor = 1;
    for (; power < 0; power++) divisor *= 10;
    wide whole = value / divisor, rest = value % divisor;
    if (divisor > 1 && rest >= divisor / 2) whole++;
    if (!whole) whole = 1;
    return whole < INT64_MAX ? (int64_t)whole : INT64_MAX;
}

int er_duration_read(const char *text, size_t size, int64_t *ms)
{
    number n = { 0 };
    size_t taken = number_read(&n, text, size);
    unsigned unit = taken ? unit_ms(text + taken, size - taken) : 0;
    if (!unit) return EINVAL;
    int64_t value = scaled(n.digits * unit, n.power);
    if (value == INT64_MAX) return ERANGE;
    *ms = value;
    return 0;
}

int errand_parse_duration(const char *text, int64_t *ms)
{
    return text && ms ? er_duration_read(text, strlen(text), ms) : EINVAL;
}
