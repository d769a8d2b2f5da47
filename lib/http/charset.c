/* http/charset.c -- which charset a text reply is in, and the text as UTF-8.
 *
 *   byte order mark, else Content-Type's charset, else UTF-8 if the media type is one of text
 *
 * A mark goes before what a header says (WHATWG Encoding, "decode"). Names come from a server, so
 * only letters, digits and "-_.:+" of one reach iconv: no suffix ("//IGNORE") and no path. What is
 * UTF-8 is checked here; all else is the C library's iconv. */
#include "http/response.h"

#include "base/utf8.h"
#include "http/classify.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

/* gcc's analyser takes the -1 of an iconv_open that has failed for memory that leaks. */
#if defined __GNUC__ && !defined __clang__ && __GNUC__ >= 10
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

enum { NAME_MOST = 40 };

typedef struct mark {
    unsigned char size, at[4];
    const char *charset;
} mark;

/* The longer ones first: UTF-32's little-endian one begins with UTF-16's. */
static const mark marks[] = { { 4, { 0xff, 0xfe, 0, 0 }, "utf-32le" },
                              { 4, { 0, 0, 0xfe, 0xff }, "utf-32be" },
                              { 3, { 0xef, 0xbb, 0xbf }, "utf-8" },
                              { 2, { 0xff, 0xfe }, "utf-16le" },
                              { 2, { 0xfe, 0xff }, "utf-16be" } };

static const mark *mark_of(errand_bytes body)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const mark *m = &marks[i];
        if (body.size >= m->size && !memcmp(body.at, m->at, m->size)) return m;
    }
    return NULL;
}

/* ---- Content-Type (RFC 9110, 8.3.1) ---- */

static const char *blanks(const char *at) { return at + strspn(at, " \t"); }

/* A parameter's value, a token or a quoted string, in lower case; "" if it is too long or no name
 * of a charset. Returns what follows it. */
static const char *read_value(const char *at, char to[NAME_MOST])
{
    bool quoted = *at == '"', good = true;
    size_t n = 0;
    for (at += quoted; *at; at++) {
        if (quoted && *at == '"') break;
        if (!quoted && strchr("; \t", *at)) break;
        if (quoted && *at == '\\' && at[1]) at++;
        bool named = er_token_of(at, 1) ? !strchr("!#$%&'*^`|~", *at) : *at == ':';
        good = good && named && n < NAME_MOST - 1;
        if (good) to[n++] = er_lower(*at);
    }
    to[good ? n : 0] = '\0';
    return at + (quoted && *at);
}

/* The first parameter `charset`. False: there is none, or it is no name. */
static bool read_charset(const char *type, char to[NAME_MOST])
{
    const char *at = type + strcspn(type, ";");
    while (*at == ';') {
        at = blanks(at + 1);
        bool ours = er_alike(at, "charset", 7) && at[7] == '=';
        at += strcspn(at, "=;");
        if (*at == '=') at = read_value(at + 1, to);
        if (ours) return *to;
        at += strcspn(at, ";");
    }
    return false;
}

static bool is_text_type(const char *type)
{
    static const char *const texts[] = { "application/xml", "application/javascript",
                                         "application/x-www-form-urlencoded",
                                         "application/x-ndjson", "application/yaml" };
    size_t size = strcspn(type, "; \t");
    if (er_alike(type, "text/", 5) || er_is_json_type(type)) return true;
    if (size > 4 && memchr(type, '/', size) && er_alike(type + size - 4, "+xml", 4)) return true;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (size == strlen(texts[i]) && er_alike(type, texts[i], size)) return true;
    }
    return false;
}

const char *errand_response_charset(const errand_response *response)
{
    static _Thread_local char name[NAME_MOST];
    if (!response) return NULL;
    const mark *m = mark_of(errand_response_body(response));
    if (m) return m->charset;
    const char *type = errand_response_header(response, "Content-Type", 0);
    if (!type) return NULL;
    if (read_charset(type, name)) return name;
    return is_text_type(type) ? "utf-8" : NULL;
}

/* ---- the text ---- */

/* Converts all of a body and adds it to *out. 0, EILSEQ or ENOMEM. */
static int convert(iconv_t from, errand_bytes body, er_bytes *out)
{
    char *at = (char *)(uintptr_t)body.at; /* iconv does not write to it */
    size_t left = body.size;
    bool ends = false;
    while (!ends) {
        if (er_bytes_reserve(out, left + 64)) return ENOMEM;
        char *to = out->at + out->size;
        size_t room = out->room - out->size - 1;
        ends = !left; /* then the last call ends a shift state */
        size_t bad = iconv(from, ends ? NULL : &at, ends ? NULL : &left, &to, &room);
        int error = bad == (size_t)-1 ? errno : 0;
        out->size = (size_t)(to - out->at);
        out->at[out->size] = '\0';
        if (error == E2BIG) ends = false;
        else if (error) return EILSEQ;
    }
    return 0;
}

static int to_utf8(const char *charset, errand_bytes body, er_bytes *out)
{
    if (!strcmp(charset, "utf-8") || !strcmp(charset, "utf8")) {
        if (!er_utf8_valid(body.at, body.size)) return EILSEQ;
        er_bytes_add(out, body.at, body.size);
        return out->error;
    }
    iconv_t from = iconv_open("UTF-8", charset);
    if (from == (iconv_t)-1) return errno == ENOMEM ? ENOMEM : ENOTSUP;
    int error = convert(from, body, out);
    iconv_close(from);
    return error;
}

char *errand_response_text(const errand_response *response, size_t *size)
{
    const char *charset = errand_response_charset(response);
    int error = charset ? 0 : ENOTSUP;
    er_bytes text = { 0 };
    if (!response) error = EINVAL;
    if (!error) {
        errand_bytes body = errand_response_body(response);
        const mark *m = mark_of(body);
        size_t skipped = m ? m->size : 0;
        body = (errand_bytes){ (const char *)body.at + skipped, body.size - skipped };
        er_bytes_text(&text, "");
        error = to_utf8(charset, body, &text);
    }
    if (size) *size = error ? 0 : text.size;
    char *out = error ? NULL : er_bytes_take(&text);
    er_bytes_free(&text);
    if (!out) errno = error ? error : ENOMEM;
    return out;
}
