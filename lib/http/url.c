/* http/url.c -- checks urls before curl sees them.
 *
 * curl guesses schemes and accepts spaces. Here a url has neither spaces nor control characters and
 * is http or https; in a server's Location they are percent-encoded, as are characters beyond ASCII
 * behind the host of either. Relative urls are resolved by curl's own URL functions (RFC 3986, 5.2)
 * against a base without its fragment, except an empty one, which means the base itself and which
 * curl would resolve to the base's folder.
 *
 * A host beyond ASCII is translated here to the name that is looked up (RFC 5891). A url is UTF-8
 * whatever the program's locale, but libidn2 uses the locale, so this thread gets a UTF-8 one for
 * that call.
 *
 * The origin and what is sent are made of the same text. A refusal names the culprit, but shows
 * neither userinfo nor query. */
#include "http/url.h"

#include "http/sanitize.h"

#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <string.h>

#ifdef CURLU_GET_EMPTY
#define EMPTY_TOO CURLU_GET_EMPTY
#else
#define EMPTY_TOO 0 /* always returned */
#endif

static bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t scheme(const char *url) /* its length; 0: a relative url */
{
    size_t n = 0;
    if (!is_alpha(*url)) return 0;
    while (is_alpha(url[n]) || is_digit(url[n]) || (url[n] && strchr("+-.", url[n]))) n++;
    return url[n] == ':' ? n : 0;
}

char *er_url_shown(const char *url, bool bare)
{
    CURLU *parts = curl_url();
    char *text = NULL, *copy = NULL;
    if (parts && !curl_url_set(parts, CURLUPART_URL, url, 0)) {
        curl_url_set(parts, CURLUPART_USER, NULL, 0);
        curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
        if (bare) curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
        if (!curl_url_get(parts, CURLUPART_URL, &text, 0)) copy = er_copy_text(text);
        curl_free(text);
    }
    curl_url_cleanup(parts);
    return copy;
}

static int refuse_host(const char *url, er_bytes *why)
{
    char *shown = er_url_shown(url, true);
    int error = er_refuse(why, "the host name cannot be looked up in url", shown ? shown : "",
                          shown ? strlen(shown) : 0);
    er_free(shown);
    return error;
}

/* Nearly all are plain, and so is the base. *out stays NULL if not, or if it would be too long. */
static int resolve_plain(char **out, er_origin *origin, const char *url, const char *base)
{
    size_t plain = er_origin_plain(url), before = 0, size = strlen(url) + 1;
    if (!plain && base && er_origin_plain_path(url)) plain = before = er_origin_plain(base);
    if (!plain || size > ER_URL_MOST) return 0;
    char *text = er_alloc(before + size + er_origin_room(plain));
    if (!text) return ENOMEM;
    if (before) memcpy(text, base, before);
    memcpy(text + before, url, size);
    er_origin_put(origin, text, plain, text + before + size);
    *out = text;
    return 0;
}

/* ---- taking apart ---- */

/* Adds text with everything behind its host percent-encoded that a url cannot
 * have (RFC 3986, 2.1). */
static void add_encoded(er_bytes *to, const char *text)
{
    size_t n = scheme(text), host = n ? n + 1 : 0;
    if (!strncmp(text + host, "//", 2)) host += 2 + strcspn(text + host + 2, "/?#");
    er_bytes_add(to, text, host);
    for (const char *at = text + host; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c > ' ' && c < 0x7f) er_bytes_add(to, at, 1);
        else er_bytes_percent(to, c);
    }
}

static bool is_ascii(const char *text)
{
    while (*text && !(*text & 0x80)) text++;
    return !*text;
}

/* If that fails, the host stays as it is, and its look-up reports an error. */
static void put_host_in_ascii(CURLU *parts)
{
#ifdef CURLU_PUNYCODE
    char *host = NULL, *ascii = NULL;
    if (!curl_url_get(parts, CURLUPART_HOST, &host, 0) && !is_ascii(host)) {
        locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0),
                 own = utf8 ? uselocale(utf8) : (locale_t)0;
        bool done = !curl_url_get(parts, CURLUPART_HOST, &ascii, CURLU_PUNYCODE);
        if (utf8) uselocale(own);
        if (utf8) freelocale(utf8);
        if (done) curl_url_set(parts, CURLUPART_HOST, ascii, 0);
    }
    curl_free(ascii);
    curl_free(host);
#else
    (void)parts;
#endif
}

/* The caller owns *out whatever this returns. */
static CURLUcode take_apart(CURLU **out, const char *url, const char *base)
{
    CURLU *parts = *out = curl_url();
    er_bytes page = { 0 }, text = { 0 };
    if (base) er_bytes_add(&page, base, strcspn(base, "#"));
    bool same = base && (!*url || *url == '#'); /* RFC 3986, 4.4 */
    if (same && !page.error) er_bytes_text(&text, page.at);
    add_encoded(&text, url);
    CURLUcode code =
        parts && !page.error && !text.error && text.at ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
    if (!code && base && !same && !scheme(url))
        code = curl_url_set(parts, CURLUPART_URL, page.at, 0);
    if (!code) code = curl_url_set(parts, CURLUPART_URL, text.at, 0);
    if (!code) put_host_in_ascii(parts);
    er_bytes_free(&page);
    er_bytes_free(&text);
    return code;
}

/* An empty query is not the same as none (RFC 3986, 6.2.3). curl sends its question mark, but
 * leaves it out of CURLUPART_URL. */
static CURLUcode put_together(char **out, CURLU *parts)
{
    char *text = NULL, *query = NULL;
    CURLUcode code = curl_url_get(parts, CURLUPART_URL, &text, 0);
    CURLUcode asked = code ? code : curl_url_get(parts, CURLUPART_QUERY, &query, EMPTY_TOO);
    if (asked == CURLUE_OUT_OF_MEMORY) code = asked;
    if (!code) {
        bool empty = !asked && !*query;
        size_t before = strcspn(text, "#");
        er_bytes whole = { 0 };
        er_bytes_add(&whole, text, before);
        er_bytes_add(&whole, "?", empty);
        er_bytes_text(&whole, text + before);
        *out = er_bytes_take(&whole);
        if (!*out) code = CURLUE_OUT_OF_MEMORY;
        er_bytes_free(&whole);
    }
    curl_free(query);
    curl_free(text);
    return code;
}

/* ---- resolving ---- */

static bool is_http(const char *url, size_t scheme_size)
{
    return (scheme_size == 4 && er_alike(url, "http", 4)) ||
           (scheme_size == 5 && er_alike(url, "https", 5));
}

static bool has_host(const char *behind_scheme) /* curl would look for one further on */
{
    return !strncmp(behind_scheme, "://", 3) && !strchr("/?#", behind_scheme[3]);
}

static int check(const char *url, const char *base, size_t shown, er_bytes *why)
{
    for (const char *at = url; *at; at++) {
        if ((unsigned char)*at <= 0x20 || *at == 0x7f) {
            return er_refuse(why, "a space or control character in url", url, shown);
        }
    }
    size_t n = scheme(url);
    if (n && !is_http(url, n)) return er_refuse(why, "only http and https, url is", url, shown);
    if (n && !has_host(url + n)) return er_refuse(why, "url has no host:", url, shown);
    if (!n && !base)
        return er_refuse(why, "a relative url, and the session has no base_url:", url, shown);
    return 0;
}

int er_url_resolve(char **out, er_origin *origin, bool *https, const char *url, const char *base,
                   er_bytes *why)
{
    if (!url || !*url) return er_refuse(why, "url is missing", NULL, 0);
    *out = NULL;
    int error = resolve_plain(out, origin, url, base);
    if (*out) *https = (*out)[4] == 's';
    if (*out || error) return error;
    if (strlen(url) > ER_URL_MOST)
        return er_refuse(why, "url is longer than 512 KiB:", url, scheme(url));
    /* up to here nothing can be a secret, unless there is an @ */
    size_t secret = strcspn(url, "@?#"), shown = secret;
    if (url[secret] == '@') shown = scheme(url);
    error = check(url, base, shown, why);
    if (error) return error;
    CURLU *parts;
    char *host = NULL;
    CURLUcode code = take_apart(&parts, url, base);
    if (!code) code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    if (!code && *host) code = put_together(out, parts);
    if (code == CURLUE_OUT_OF_MEMORY) {
        error = ENOMEM;
    } else if (code || !*host) {
        error = er_refuse(why, "url", url, shown);
        er_bytes_format(why, ": %s", code ? curl_url_strerror(code) : "no host");
    } else {
        *https = er_alike(*out, "https:", 6);
        error = er_origin_of(origin, *out);
        if (error == EINVAL) error = refuse_host(*out, why);
    }
    curl_free(host);
    curl_url_cleanup(parts);
    return error;
}

/* ---- redirects ---- */

static CURLUcode copy_userinfo(CURLU *to, const char *from)
{
    static const CURLUPart parts[] = { CURLUPART_USER, CURLUPART_PASSWORD };
    CURLU *there = curl_url();
    CURLUcode code = there ? curl_url_set(there, CURLUPART_URL, from, 0) : CURLUE_OUT_OF_MEMORY;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !code; i++) {
        char *word = NULL;
        code = curl_url_get(there, parts[i], &word, 0);
        if (!code) code = curl_url_set(to, parts[i], word, 0);
        else if (code == CURLUE_NO_USER || code == CURLUE_NO_PASSWORD) code = CURLUE_OK;
        curl_free(word);
    }
    curl_url_cleanup(there);
    return code;
}

static bool has_userinfo(const char *url)
{
    const char *authority = strstr(url, "://");
    return authority && memchr(authority + 3, '@', strcspn(authority + 3, "/?#"));
}

/* Keeps userinfo within its origin (RFC 9110, 10.2.2), unless the Location has its own. */
static int keep_userinfo(char **url, const char *from, const er_origin *origin)
{
    er_origin before;
    if (!has_userinfo(from) || has_userinfo(*url)) return 0;
    int error = er_origin_of(&before, from);
    bool same = !error && !strcmp(before.key, origin->key);
    er_origin_free(&before);
    if (error || !same) return error;
    CURLU *parts = curl_url();
    char *whole = NULL;
    CURLUcode code = parts ? curl_url_set(parts, CURLUPART_URL, *url, 0) : CURLUE_OUT_OF_MEMORY;
    if (!code) code = copy_userinfo(parts, from);
    if (!code) code = put_together(&whole, parts);
    curl_url_cleanup(parts);
    if (code) return code == CURLUE_OUT_OF_MEMORY ? ENOMEM : EPROTO;
    er_free(*url);
    *url = whole;
    return 0;
}

int er_url_follow(char **out, er_origin *origin, const char *from, const char *location)
{
    size_t n = scheme(location);
    *out = NULL;
    *origin = (er_origin){ 0 };
    if (n && (!is_http(location, n) || !has_host(location + n))) return EPROTO;
    CURLU *parts;
    CURLUcode code = take_apart(&parts, location, from);
    if (!code)
        code = curl_url_set(parts, CURLUPART_FRAGMENT, NULL,
                            0); /* never sent and never shown, so not inherited either */
    if (!code) code = put_together(out, parts);
    curl_url_cleanup(parts);
    int error = code ? EPROTO : er_origin_of(origin, *out);
    if (code == CURLUE_OUT_OF_MEMORY) error = ENOMEM;
    if (!error) error = keep_userinfo(out, from, origin);
    if (!error) return 0;
    er_origin_free(origin);
    er_free(*out);
    *out = NULL;
    return error == ENOMEM ? ENOMEM : EPROTO;
}

void er_url_encode(er_bytes *to, const char *text, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char shown[3] = { '%', hex[c >> 4], hex[c & 15] };
        if (is_alpha(text[i]) || is_digit(text[i]) || (c && strchr("*-._", c)))
            er_bytes_add(to, text + i, 1);
        else if (c == ' ') er_bytes_add(to, "+", 1);
        else er_bytes_add(to, shown, 3);
    }
}

static void add_param_text(er_bytes *to, const char *text) /* RFC 3986, 2.3 */
{
    for (; *text; text++) {
        bool plain = is_alpha(*text) || is_digit(*text) || strchr("-._~", *text);
        if (plain) er_bytes_add(to, text, 1);
        else er_bytes_percent(to, (unsigned char)*text);
    }
}

void er_url_add_params(er_bytes *to, const char *url, const errand_param *params)
{
    size_t before = strcspn(url, "#");
    er_bytes_add(to, url, before);
    bool query = memchr(url, '?', before);
    bool open = query && (url[before - 1] == '?' || url[before - 1] == '&');
    for (; params && params->name; params++) {
        if (!open) er_bytes_text(to, query ? "&" : "?");
        query = true;
        open = false;
        add_param_text(to, params->name);
        if (params->value) er_bytes_text(to, "=");
        if (params->value) add_param_text(to, params->value);
    }
    er_bytes_text(to, url + before);
}

static int hex(char c)
{
    c = er_lower(c);
    if (is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Text of a query, percent-encoded, says `name`. */
static bool says(const char *text, size_t size, const char *name)
{
    for (size_t i = 0; i < size; i++, name++) {
        int high = text[i] == '%' && size - i > 2 ? hex(text[i + 1]) : -1,
            low = high < 0 ? -1 : hex(text[i + 2]);
        char c = text[i] == '+' ? ' ' : text[i];
        if (low >= 0) c = (char)(high << 4 | low);
        if (low >= 0) i += 2;
        if (!*name || c != *name) return false;
    }
    return !*name;
}

void er_url_set_param(er_bytes *to, const char *url, const errand_param *param)
{
    size_t end = strcspn(url, "#"), query = strcspn(url, "?#");
    er_bytes rest = { 0 };
    er_bytes_add(&rest, url, query);
    char mark = '?';
    for (size_t at = query + 1, size; at < end; at += size + 1) {
        size = strcspn(url + at, "&#");
        if (!size || says(url + at, strcspn(url + at, "=&#"), param->name)) continue;
        er_bytes_add(&rest, &mark, 1);
        er_bytes_add(&rest, url + at, size);
        mark = '&';
    }
    er_bytes_text(&rest, url + end);
    const errand_param list[] = { *param, { NULL, NULL } };
    if (!rest.error) er_url_add_params(to, rest.at, list);
    else to->error = ENOMEM;
    er_bytes_free(&rest);
}

static bool sounds_secret(const char *name, size_t size)
{
    static const char *const words[] = { "key",  "token", "secret", "pass",
                                         "auth", "sig",   "cred",   "session" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        for (size_t k = 0; k + length <= size; k++) {
            if (er_alike(name + k, words[i], length)) return true;
        }
    }
    return false;
}

static void hide_userinfo(const char *user, size_t size, char *text)
{
    const char *colon = memchr(user, ':', size);
    size_t name = colon ? (size_t)(colon - user) + 1 : size;
    er_bytes pair = { 0 }; /* as in Authorization, unless it is percent-encoded */
    er_bytes_base64(&pair, user, size);
    if (pair.at && !pair.error) er_hide(text, pair.at, pair.size);
    er_bytes_free(&pair);
    er_hide(text, user, size);
    er_hide(text, user + name, size - name);
}

void er_url_hide(const char *url, char *text)
{
    const char *authority = strstr(url, "://"), *query = strchr(url, '?');
    size_t size = authority ? strcspn(authority + 3, "/?#") : 0;
    const char *sign = size ? memrchr(authority + 3, '@', size) : NULL;
    if (sign) hide_userinfo(authority + 3, (size_t)(sign - authority) - 3, text);
    if (!query) return;
    size_t end = strcspn(++query, "#");
    er_hide(text, query, end);
    for (size_t at = 0; at < end; at += size + 1) {
        size = strcspn(query + at, "&#");
        size_t name = strcspn(query + at, "=&#");
        if (name < size && sounds_secret(query + at, name))
            er_hide(text, query + at + name + 1, size - name - 1);
    }
}
