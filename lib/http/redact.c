/* http/redact.c -- names are split into words, and a word decides.
 *
 * A word ends at what is no letter or digit, and between a small letter and a capital one. Names in
 * a query may be percent-encoded, so they are decoded before; of a longer name the first 64 bytes
 * count. A pagination "page_token" is starred as well, but by jobs with pages. */
#include "http/redact.h"

#include "http/sanitize.h"

#include <errand/request.h>

#include <errno.h>
#include <string.h>

#define NAME_MOST 64

static bool is_small(char c) { return c >= 'a' && c <= 'z'; }
static bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_secret_word(const char *word, size_t size)
{
    static const char *const whole[] = {
        "sig",    "sign",    "pass",          "passwd",     "passphrase",
        "pwd",    "auth",    "authorization", "credential", "credentials",
        "cookie", "cookie2", "session",       "sessionid",  "sid",
        "jwt",    "otp",     "pin",           "bearer"
    };
    static const char *const ends[] = { "key", "token", "secret", "password", "signature" };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (size == strlen(whole[i]) && er_alike(word, whole[i], size)) return true;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (size >= n && er_alike(word + size - n, ends[i], n)) return true;
    }
    return false;
}

bool er_redact_name(const char *name, size_t size)
{
    size_t from = 0;
    for (size_t i = 0; i <= size; i++) {
        bool letter = i < size && (is_small(name[i]) || is_capital(name[i]) || is_digit(name[i])),
             hump = letter && i > from && is_capital(name[i]) && is_small(name[i - 1]);
        if (letter && !hump) continue;
        if (i > from && is_secret_word(name + from, i - from)) return true;
        from = hump ? i : i + 1;
    }
    return false;
}

static int hex(char c)
{
    if (is_digit(c)) return c - '0';
    c = er_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_secret_parameter(const char *name, size_t size)
{
    char plain[NAME_MOST];
    size_t n = 0;
    for (size_t i = 0; i < size && n < sizeof plain; i++) {
        int high = size - i > 2 && name[i] == '%' ? hex(name[i + 1]) : -1,
            low = high < 0 ? -1 : hex(name[i + 2]);
        plain[n] = name[i];
        if (low >= 0) {
            plain[n] = (char)(high << 4 | low);
            i += 2;
        }
        n++;
    }
    return er_redact_name(plain, n);
}

static const char *find(const char *at, const char *end, const char *any)
{
    while (at < end && !strchr(any, *at)) at++;
    return at;
}

/* What ends a url within other text ends its last value: a header such as Link. A fragment has
 * parameters as well, in a Location. */
static void add_text(er_bytes *to, const char *text, size_t size)
{
    const char *end = text + size, *from = text;
    for (const char *at = find(text, end, "?#"); at < end; at = find(at, end, "?#&")) {
        const char *name = ++at;
        at = find(name, end, "=&?#<>\" \t");
        if (at == end || *at != '=') continue;
        const char *value = at + 1;
        at = find(value, end, "&#<>\" \t");
        if (at == value || !is_secret_parameter(name, (size_t)(value - 1 - name))) continue;
        er_bytes_add(to, from, (size_t)(value - from));
        er_bytes_add(to, "*", 1);
        from = at;
    }
    er_bytes_add(to, from, (size_t)(end - from));
}

void er_redact_text(er_bytes *to, const char *text) { add_text(to, text, strlen(text)); }

char *errand_redact_urls(const char *text)
{
    er_bytes out = { 0 };
    if (!text) {
        errno = EINVAL;
        return NULL;
    }
    er_redact_text(&out, text);
    char *redacted = er_bytes_take(&out);
    if (redacted) return redacted;
    er_bytes_free(&out);
    errno = ENOMEM;
    return NULL;
}

void er_redact_url(er_bytes *to, const char *url)
{
    const char *authority = strstr(url, "://");
    size_t size = strcspn(url, "#");
    if (authority && (size_t)(authority - url) < size) {
        authority += 3;
        const char *sign = memrchr(authority, '@', strcspn(authority, "/?#"));
        if (sign) {
            er_bytes_add(to, url, (size_t)(authority - url));
            size -= (size_t)(sign + 1 - url);
            url = sign + 1;
        }
    }
    add_text(to, url, size);
}
