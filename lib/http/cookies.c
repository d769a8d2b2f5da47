/* http/cookies.c -- one CURLSH for all handles of a session.
 *
 * Lanes are threads with handles of their own, so curl is given a lock for each kind of what is
 * shared. It takes one at a time, for a walk through the cookies of a domain or one addition, and
 * calls nothing of ours under it. TLS sessions are not in it: before libcurl 8.1, where a lane
 * keeps them in a CURLSH of its own, they are not resumed then, as a handle has only one.
 *
 * A header Cookie of the caller's goes through CURLOPT_COOKIE, so that there is one such header
 * (RFC 6265, 5.4), with the cookies of the session before the caller's own. */
#include "http/cookies.h"

#include <errno.h>
#include <string.h>

struct er_cookies {
    CURLSH *share;
    er_lock locks[CURL_LOCK_DATA_LAST];
};

static void lock(CURL *easy, curl_lock_data what, curl_lock_access access, void *arg)
{
    er_cookies *cookies = arg;
    (void)easy, (void)access;
    er_lock_take(&cookies->locks[what]);
}

static void unlock(CURL *easy, curl_lock_data what, void *arg)
{
    er_cookies *cookies = arg;
    (void)easy;
    er_lock_give(&cookies->locks[what]);
}

int er_cookies_new(er_cookies **out)
{
    er_cookies *cookies = er_alloc_zero(sizeof *cookies);
    if (cookies) cookies->share = curl_share_init();
    if (!cookies || !cookies->share) {
        er_free(cookies);
        return ENOMEM;
    }
    curl_share_setopt(cookies->share, CURLSHOPT_LOCKFUNC, lock);
    curl_share_setopt(cookies->share, CURLSHOPT_UNLOCKFUNC, unlock);
    curl_share_setopt(cookies->share, CURLSHOPT_USERDATA, cookies);
    CURLSHcode code = curl_share_setopt(cookies->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    *out = cookies;
    if (!code) return 0;
    *out = NULL;
    er_cookies_free(cookies);
    return code == CURLSHE_NOT_BUILT_IN ? ENOTSUP : ENOMEM;
}

void er_cookies_free(er_cookies *cookies)
{
    if (!cookies) return;
    curl_share_cleanup(cookies->share);
    er_free(cookies);
}

CURLSH *er_cookies_share(const er_cookies *cookies) { return cookies->share; }

int er_cookies_forget(er_cookies *cookies)
{
    CURL *easy = curl_easy_init();
    int bad = easy ? (int)curl_easy_setopt(easy, CURLOPT_SHARE, cookies->share) : 1;
    if (!bad) bad = (int)curl_easy_setopt(easy, CURLOPT_COOKIELIST, "ALL");
    curl_easy_cleanup(easy);
    return bad ? ENOMEM : 0;
}

/* ---- the caller's own ---- */

static bool is_cookie(const char *line) { return er_header_named(line, "Cookie", 6); }

int er_cookies_take(struct curl_slist **list, char **value)
{
    struct curl_slist *others = NULL;
    er_bytes all = { 0 };
    int error = 0;
    *value = NULL;
    if (!er_header_find(*list, "Cookie", 6)) return 0;
    for (const struct curl_slist *h = *list; h && !error; h = h->next) {
        const char *said = is_cookie(h->data) ? strchr(h->data, ':') : NULL;
        if (!is_cookie(h->data)) error = er_header_append(&others, h->data);
        if (!said) continue;
        said += 1 + strspn(said + 1, " \t");
        if (*said && all.size) er_bytes_text(&all, "; ");
        er_bytes_text(&all, said);
    }
    er_bytes_text(&all, ""); /* an empty header takes the place of the session's */
    if (!error && all.error) error = ENOMEM;
    if (!error) *value = er_bytes_take(&all);
    er_bytes_free(&all);
    if (error) {
        curl_slist_free_all(others);
        return error;
    }
    curl_slist_free_all(*list);
    *list = others;
    return 0;
}

/* ---- secrets ---- */

static void hide_pairs(const char *value, char *text) /* "a=b; c=d" */
{
    while (*value) {
        size_t size = strcspn(value, ";"), name = strcspn(value, "=;") + 1;
        if (name < size) er_hide(text, value + name, size - name);
        value += size;
        value += strspn(value, "; ");
    }
}

void er_cookies_hide(CURL *easy, const char *value, char *text)
{
    struct curl_slist *known = NULL;
    if (value) hide_pairs(value, text);
    if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &known)) return;
    for (const struct curl_slist *cookie = known; cookie; cookie = cookie->next) {
        const char *last = strrchr(cookie->data, '\t'); /* Netscape's format: the value */
        if (last) er_hide(text, last + 1, strlen(last + 1));
    }
    curl_slist_free_all(known);
}
