/* jobs/json_scan.c -- a checker and a walker over JSON text.
 *
 * One pass checks the text against the grammar, with a bit for each open bracket and no
 * recursion. What is checked can then be walked with hardly any conditions: a value ends where
 * its brackets balance or its scalar stops. Nothing is turned into numbers or trees, so a value
 * of 30 digits, a repeated key deep inside or a lone surrogate goes through as it came in. A
 * parser that builds trees would change all three, and take NaN and raw control characters for
 * JSON, which would break the result lines. */
#include "jobs/json_scan.h"

#include "base/json_escape.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

typedef struct scan {
    const unsigned char *at, *end;
    const char *why;
} scan;

static bool blank(unsigned char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool digit(unsigned char c) { return c >= '0' && c <= '9'; }
static int hex(unsigned char c)
{
    if (digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void skip_blanks(scan *s)
{
    while (s->at < s->end && blank(*s->at)) s->at++;
}

static bool refuse(scan *s, const char *why)
{
    s->why = why;
    return false;
}

static bool check_string(scan *s)
{
    const unsigned char *quote = s->at++;
    while (s->at < s->end && *s->at != '"') {
        if (*s->at < 0x20)
            return refuse(s, *s->at ? "a control character in a string" : "a NUL byte");
        if (*s->at == '\\') {
            if (++s->at == s->end) break;
            if (*s->at == 'u') {
                for (int i = 0; i < 4; i++) {
                    if (++s->at == s->end || hex(*s->at) < 0)
                        return refuse(s, "four hex digits must follow \\u");
                }
            } else if (!memchr("\"\\/bfnrt", *s->at, 8)) {
                return refuse(s, "there is no such escape in JSON");
            }
            s->at++;
            continue;
        }
        size_t n = er_utf8_length(s->at, s->end);
        if (!n) return refuse(s, "not UTF-8");
        s->at += n;
    }
    if (s->at < s->end) {
        s->at++;
        return true;
    }
    s->at = quote;
    return refuse(s, "this string is not ended");
}

static bool digits(scan *s)
{
    const unsigned char *first = s->at;
    while (s->at < s->end && digit(*s->at)) s->at++;
    return s->at > first;
}

static bool check_number(scan *s)
{
    if (*s->at == '-') s->at++;
    bool zero = s->at < s->end && *s->at == '0';
    const unsigned char *first = s->at;
    if (!digits(s) || (zero && s->at > first + 1))
        return refuse(s, "not a number as JSON writes it");
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!digits(s)) return refuse(s, "digits must follow the point");
    }
    if (s->at < s->end && (*s->at | 0x20) == 'e') {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-')) s->at++;
        if (!digits(s)) return refuse(s, "digits must follow the exponent's e");
    }
    return true;
}

static bool check_scalar(scan *s)
{
    if (*s->at == '"') return check_string(s);
    if (*s->at == '-' || digit(*s->at)) return check_number(s);
    static const char *const words[] = { "true", "false", "null" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->at) >= n && !memcmp(s->at, words[i], n)) {
            s->at += n;
            return true;
        }
    }
    return refuse(s, *s->at ? "expected a value" : "a NUL byte");
}

static bool check_key(scan *s)
{
    skip_blanks(s);
    if (s->at == s->end || *s->at != '"') return refuse(s, "expected a key in quotes");
    if (!check_string(s)) return false;
    skip_blanks(s);
    if (s->at == s->end || *s->at != ':') return refuse(s, "a colon must follow the key");
    s->at++;
    return true;
}

static bool check_value(scan *s)
{
    unsigned char open[ER_JSON_DEPTH]; /* what closes each bracket that is open */
    size_t depth = 0;
    for (;;) {
        skip_blanks(s); /* a value begins here */
        if (s->at == s->end)
            return refuse(s, depth ? "it ends in the middle of a value" : "expected a value");
        if (*s->at == '{' || *s->at == '[') {
            if (depth == ER_JSON_DEPTH) return refuse(s, "nested too deep");
            open[depth++] = *s->at++ == '{' ? '}' : ']';
            skip_blanks(s);
            bool empty = s->at < s->end && *s->at == open[depth - 1];
            if (!empty) {
                if (open[depth - 1] == '}' && !check_key(s)) return false;
                continue;
            }
        } else if (!check_scalar(s)) {
            return false;
        }
        for (;;) { /* a value has ended, or an empty pair of brackets is about to */
            if (!depth) return true;
            skip_blanks(s);
            if (s->at == s->end) return refuse(s, "it ends in the middle of a value");
            if (*s->at == open[depth - 1]) {
                s->at++;
                depth--;
                continue;
            }
            if (*s->at != ',')
                return refuse(s, open[depth - 1] == '}' ? "expected a comma or }"
                                                        : "expected a comma or ]");
            s->at++;
            if (open[depth - 1] == '}' && !check_key(s)) return false;
            break;
        }
    }
}

int er_json_check(er_span text, size_t *where, const char **why)
{
    const unsigned char *first = (const unsigned char *)text.at;
    scan s = { first, first + text.size, NULL };
    bool good = check_value(&s);
    if (good) {
        skip_blanks(&s);
        if (s.at == s.end) return 0;
        s.why = "something follows the value";
    }
    *where = (size_t)(s.at - first);
    *why = s.why;
    return EBADMSG;
}

er_span er_json_trim(er_span text)
{
    while (text.size && blank((unsigned char)text.at[0])) {
        text.at++;
        text.size--;
    }
    while (text.size && blank((unsigned char)text.at[text.size - 1])) text.size--;
    return text;
}

/* The end of the string that begins at i, of checked text. */
static size_t behind_string(er_span text, size_t i)
{
    for (i++; text.at[i] != '"'; i++) {
        if (text.at[i] == '\\') i++;
    }
    return i + 1;
}

static size_t behind_value(er_span text, size_t i)
{
    size_t depth = 0;
    do {
        char c = text.at[i];
        if (c == '"') {
            i = behind_string(text, i);
            continue;
        }
        if (c == '{' || c == '[') depth++;
        else if (c == '}' || c == ']') depth--;
        else if (!depth) { /* a number or a word, up to what cannot be part of one */
            while (i < text.size && !strchr(",]} \t\r\n", text.at[i])) i++;
            return i;
        }
        i++;
    } while (depth);
    return i;
}

static size_t behind_blanks(er_span text, size_t i)
{
    while (blank((unsigned char)text.at[i])) i++;
    return i;
}

bool er_json_member(er_span object, size_t *cursor, er_span *key, er_span *value)
{
    object = er_json_trim(object);
    size_t i = behind_blanks(object, *cursor ? *cursor : 1);
    if (object.at[i] == ',') i = behind_blanks(object, i + 1);
    if (object.at[i] == '}') return false;
    size_t end = behind_string(object, i);
    *key = (er_span){ object.at + i, end - i };
    i = behind_blanks(object, behind_blanks(object, end) + 1); /* past the colon */
    end = behind_value(object, i);
    *value = (er_span){ object.at + i, end - i };
    *cursor = end;
    return true;
}

bool er_json_element(er_span array, size_t *cursor, er_span *value)
{
    array = er_json_trim(array);
    size_t i = behind_blanks(array, *cursor ? *cursor : 1);
    if (array.at[i] == ',') i = behind_blanks(array, i + 1);
    if (array.at[i] == ']') return false;
    size_t end = behind_value(array, i);
    *value = (er_span){ array.at + i, end - i };
    *cursor = end;
    return true;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x10000 ? 3 : 4;
    if (c < 0x800) n = 2;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((0xf00u >> n & 0xf0) | c);
    return n;
}

static uint32_t four_hex(const char *at)
{
    uint32_t c = 0;
    for (int i = 0; i < 4; i++) c = c << 4 | (uint32_t)hex((unsigned char)at[i]);
    return c;
}

char *er_json_decode(er_span string, size_t *size)
{
    /* what it says is never longer than what is written */
    char *out = er_alloc(string.size), *to = out;
    if (!out) return NULL;
    const char *at = string.at + 1, *end = string.at + string.size - 1;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        if (at[1] != 'u') {
            *to++ = meant[strchr(escapes, at[1]) - escapes];
            at += 2;
            continue;
        }
        uint32_t c = four_hex(at + 2);
        at += 6;
        if (c >= 0xd800 && c < 0xe000) {
            uint32_t low =
                c < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? four_hex(at + 2) : 0;
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
            } else {
                c = 0xfffd; /* half a pair says nothing in UTF-8: the replacement character */
            }
        }
        to += put_utf8(to, c);
    }
    *to = '\0';
    *size = (size_t)(to - out);
    return out;
}

void er_json_compact(er_bytes *out, er_span text)
{
    size_t i = 0;
    while (i < text.size) {
        if (blank((unsigned char)text.at[i])) {
            i++;
            continue;
        }
        size_t from = i;
        while (i < text.size && !blank((unsigned char)text.at[i])) {
            i = text.at[i] == '"' ? behind_string(text, i) : i + 1;
        }
        er_bytes_add(out, text.at + from, i - from);
    }
}

void er_json_quote(er_bytes *out, er_span text)
{
    er_bytes_add(out, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
        er_bytes_add(out, text.at + from, i - from);
        from = i + 1;
        char escape[ER_JSON_ESCAPE];
        er_bytes_add(out, escape, er_json_escape(escape, c));
    }
    er_bytes_add(out, text.at + from, text.size - from);
    er_bytes_add(out, "\"", 1);
}

void er_json_quote_any(er_bytes *out, const char *text)
{
    size_t size = strlen(text);
    if (er_utf8_valid(text, size)) {
        er_json_quote(out, (er_span){ text, size });
        return;
    }
    char *plain = er_copy_text(text);
    if (!plain) {
        out->error = ENOMEM;
        return;
    }
    for (char *c = plain; *c; c++) {
        if (*c & 0x80) *c = '?';
    }
    er_json_quote(out, (er_span){ plain, size });
    er_free(plain);
}
