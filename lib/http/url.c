/* http/url.c -- urls are checked before curl guesses at them.
 *
 * curl guesses schemes and takes spaces. Here a url has neither spaces nor control characters and is http or https.
 * Relative ones are resolved by curl's own URL functions against the session's base (RFC 3986, 5.2). A refusal names the
 * culprit, but shows neither userinfo nor query. */
#include "http/url.h"

#include "http/words.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

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
    int error = er_refuse(why, "the host's name cannot be looked up, of url", shown ? shown : "",
                          shown ? strlen(shown) : 0);
    er_free(shown);
    return error;
}

/* Nearly all are plain, and so is the base. *out stays NULL if not, or if it would be too long. */
static int resolve_plain(char **out, er_where *where, const char *url, const char *base)
{
    size_t plain = er_where_plain(url), before = 0, size = strlen(url) + 1;
    if (!plain && base && er_where_plain_path(url)) plain = before = er_where_plain(base);
    if (!plain || size > ER_URL_MOST) return 0;
    char *text = er_alloc(before + size + er_where_room(plain));
    if (!text) return ENOMEM;
    if (before) memcpy(text, base, before);
    memcpy(text + before, url, size);
    er_where_put(where, text, plain, text + before + size);
    *out = text;
    return 0;
}

int er_url_resolve(char **out, er_where *where, bool *https, const char *url, const char *base, er_bytes *why)
{
    if (!url || !*url) return er_refuse(why, "url is missing", NULL, 0);
    *out = NULL;
    int error = resolve_plain(out, where, url, base);
    if (*out) *https = (*out)[4] == 's';
    if (*out || error) return error;
    if (strlen(url) > ER_URL_MOST) return er_refuse(why, "url is longer than 512 KiB:", url, scheme(url));
    size_t secret = strcspn(url, "@?#"), shown = secret; /* up to here nothing can be a secret, unless there is an @ */
    if (url[secret] == '@') shown = scheme(url);
    for (const char *at = url; *at; at++) {
        if ((unsigned char)*at <= 0x20 || *at == 0x7f) {
            return er_refuse(why, "a space or control character in url", url, shown);
        }
    }
    size_t n = scheme(url);
    if (n && !(n == 4 && !strncasecmp(url, "http", 4)) && !(n == 5 && !strncasecmp(url, "https", 5))) {
        return er_refuse(why, "only http and https, url is", url, shown);
    }
    if (n && strncmp(url + n, "://", 3) != 0) return er_refuse(why, "url has no host:", url, shown);
    if (!n && !base) return er_refuse(why, "a relative url, and the session has no base_url:", url, shown);

    CURLU *parts = curl_url();
    if (!parts) return ENOMEM;
    char *text = NULL, *host = NULL;
    CURLUcode code = n ? CURLUE_OK : curl_url_set(parts, CURLUPART_URL, base, 0);
    if (!code) code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (!code) code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    if (!code) code = curl_url_get(parts, CURLUPART_URL, &text, 0);
    if (code == CURLUE_OUT_OF_MEMORY) {
        error = ENOMEM;
    } else if (code || !*host) {
        error = er_refuse(why, "url", url, shown);
        er_bytes_format(why, ": %s", code ? curl_url_strerror(code) : "no host");
    } else if (!(*out = er_copy_text(text))) {
        error = ENOMEM;
    } else {
        *https = !strncasecmp(text, "https:", 6);
        error = er_where_of(where, *out);
        if (error == EINVAL) error = refuse_host(*out, why);
    }
    curl_free(host);
    curl_free(text);
    curl_url_cleanup(parts);
    return error;
}

bool er_url_leads_away(const char *from, const char *location, const char *home)
{
    static const struct {
        CURLUPart part;
        unsigned how;
    } parts[] = { { CURLUPART_SCHEME, 0 }, { CURLUPART_HOST, 0 }, { CURLUPART_PORT, CURLU_DEFAULT_PORT } };
    CURLU *there = curl_url(), *here = curl_url();
    bool away = !there || !here || curl_url_set(here, CURLUPART_URL, home, 0) ||
                curl_url_set(there, CURLUPART_URL, from, 0) || curl_url_set(there, CURLUPART_URL, location, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !away; i++) {
        char *a = NULL, *b = NULL;
        away = curl_url_get(there, parts[i].part, &a, parts[i].how) ||
               curl_url_get(here, parts[i].part, &b, parts[i].how) || strcasecmp(a, b) != 0;
        curl_free(a);
        curl_free(b);
    }
    curl_url_cleanup(there);
    curl_url_cleanup(here);
    return away;
}

void er_url_encode(er_bytes *to, const char *text, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char shown[3] = { '%', hex[c >> 4], hex[c & 15] };
        if (is_alpha(text[i]) || is_digit(text[i]) || (c && strchr("*-._", c))) er_bytes_add(to, text + i, 1);
        else if (c == ' ') er_bytes_add(to, "+", 1);
        else er_bytes_add(to, shown, 3);
    }
}

static bool sounds_secret(const char *name, size_t size)
{
    static const char *const words[] = { "key", "token", "secret", "pass", "auth", "sig", "cred", "session" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        for (size_t k = 0; k + length <= size; k++) {
            if (!strncasecmp(name + k, words[i], length)) return true;
        }
    }
    return false;
}

static void hide_userinfo(const char *user, size_t size, char *text)
{
    const char *colon = memchr(user, ':', size);
    size_t name = colon ? (size_t)(colon - user) + 1 : size;
    er_bytes pair = { 0 }; /* as the server was told it, unless it is written with percents */
    er_add_base64(&pair, user, size);
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
        if (name < size && sounds_secret(query + at, name)) er_hide(text, query + at + name + 1, size - name - 1);
    }
}
