/* base/number.c -- decimal digits behind number.h.
 *
 * A finite double is m * 2^e with m < 2^53.
 *
 * er_fixed: m * 10^precision fits into 128 bits up to precision 22; a shift by e is then exact,
 * and what is shifted out says how to round.
 *
 * er_digits: if e >= 0 it is the integer m * 2^e; else it is m * 5^-e / 10^-e, so the digits
 * of the integer m * 5^-e are the digits of the value, and the point is -e places from their
 * end. The integer (at most 767 digits) is held in limbs of nine digits and made by
 * multiplying with small powers. */
#include "base/number.h"

#include <string.h>

static const char pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334"
    "353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384"
    "858687888990919293949596979899";

static const uint64_t tens[20] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    10000000000000000000u
};

static unsigned digits_of(uint64_t value)
{
    /* 1233/4096 is log10(2) */
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1), n = bits * 1233 >> 12;
    return n + (n < 20 && value >= tens[n]) + (value == 0);
}

static void put_digits(char *end, uint64_t value, unsigned n) /* the last n, leading zeros too */
{
    for (; n >= 2; n -= 2, value /= 100) memcpy(end -= 2, pairs + 2 * (value % 100), 2);
    if (n) end[-1] = (char)('0' + value % 10);
}

size_t er_decimal(char *to, uint64_t value)
{
    unsigned n = digits_of(value);
    put_digits(to + n, value, n);
    return n;
}

static uint64_t split(double value, int *exponent) /* value = m * 2^exponent, m odd or 0 */
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t m = bits & ((UINT64_C(1) << 52) - 1);
    int e = (int)(bits >> 52 & 0x7ff);
    if (e) m |= UINT64_C(1) << 52;
    else e = 1;
    int zeros = m ? __builtin_ctzll(m) : 0;
    *exponent = m ? e - 1075 + zeros : 0;
    return m >> zeros;
}

size_t er_fixed(char *to, double value, unsigned precision)
{
    int e;
    uint64_t m = split(value, &e);
    if (precision > 17) return 0;
    unsigned __int128 all = (unsigned __int128)m * tens[precision];
    if (e > 0) {
        if (e > 63 || all >> (127 - e)) return 0;
        all <<= e;
    } else if (e < -127) {
        all = 0; /* below 2^-127 * 2^110: nothing near a half */
    } else if (e < 0) {
        unsigned __int128 rest = all & (((unsigned __int128)1 << -e) - 1),
                          half = (unsigned __int128)1 << (-e - 1);
        all >>= -e;
        all += rest > half || (rest == half && (all & 1));
    }
    uint64_t behind = 0, before;
    if (all >> 64) {
        unsigned __int128 whole = all / tens[precision];
        if (whole >> 64) return 0;
        before = (uint64_t)whole;
        behind = (uint64_t)(all - whole * tens[precision]);
    } else {
        before = (uint64_t)all / tens[precision];
        behind = (uint64_t)all - before * tens[precision];
    }
    size_t n = er_decimal(to, before);
    if (!precision) return n;
    to[n] = '.';
    put_digits(to + n + 1 + precision, behind, precision);
    return n + 1 + precision;
}

#define LIMB  1000000000u
#define LIMBS 88 /* 9 * 88 > 767 digits */

typedef struct big {
    uint32_t limb[LIMBS]; /* least first */
    unsigned n;
} big;

static void multiply(big *b, uint32_t by)
{
    uint64_t carry = 0;
    for (unsigned i = 0; i < b->n; i++) {
        carry += (uint64_t)b->limb[i] * by;
        b->limb[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    for (; carry; carry /= LIMB) b->limb[b->n++] = (uint32_t)(carry % LIMB);
}

size_t er_digits(char digits[ER_DIGITS], double value, int *point)
{
    int e;
    uint64_t m = split(value, &e);
    *point = 0;
    if (!m) return 0;
    big b = { .n = 0 };
    for (; m; m /= LIMB) b.limb[b.n++] = (uint32_t)(m % LIMB);
    for (int left = e; left > 0; left -= 29) multiply(&b, UINT32_C(1) << (left < 29 ? left : 29));
    for (int left = -e; left > 0; left -= 13) {
        uint32_t five = 1220703125; /* 5^13 */
        for (int i = left; i < 13; i++) five /= 5;
        multiply(&b, five);
    }
    size_t n = er_decimal(digits, b.limb[b.n - 1]);
    for (unsigned i = b.n - 1; i-- > 0; n += 9) put_digits(digits + n + 9, b.limb[i], 9);
    *point = (int)n - (e < 0 ? -e : 0);
    return n;
}

size_t er_digits_round(char *digits, size_t n, int64_t keep, int *point)
{
    if (keep >= (int64_t)n || !n) return n;
    if (keep < 0) return 0;
    size_t k = (size_t)keep;
    bool more = false, up;
    for (size_t i = k + 1; i < n && !more; i++) more = digits[i] != '0';
    if (digits[k] != '5') up = digits[k] > '5';
    else up = more || (k && (digits[k - 1] & 1)); /* '0' is even */
    if (!up) return k;
    while (k && digits[k - 1] == '9') k--;
    if (k) {
        digits[k - 1]++;
    } else {
        digits[k++] = '1';
        ++*point;
    }
    return k;
}
