/* failures.c -- the words of --retry-on are the library's names of kinds, those that a failure of
 * the network or the server can have, and statuses. A word of --halt is "WHEN,WHY". */
#include "failures.h"

#include "nearest.h"

#include <stdlib.h>
#include <string.h>

static const errand_kind kinds[] = {
    ERRAND_KIND_NETWORK,     ERRAND_KIND_TIMEOUT, ERRAND_KIND_HTTP_CLIENT,
    ERRAND_KIND_HTTP_SERVER, ERRAND_KIND_AUTH,    ERRAND_KIND_RATE_LIMITED,
    ERRAND_KIND_PROTOCOL,    ERRAND_KIND_UNKNOWN, ERRAND_KIND_RESOURCE,
};

static bool read_word(retry_on *r, const char *word, size_t size, const char **near)
{
    er_nearest n = { .word = word, .size = size };
    if (size == 3 && strspn(word, "0123456789") >= 3) {
        int status = (int)strtol(word, NULL, 10);
        if (status < STATUS_LEAST || word[0] == '0') return false;
        return r->statuses[status - STATUS_LEAST] = true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *name = errand_kind_name(kinds[i]);
        er_nearest_offer(&n, name);
        if (strlen(name) != size || strncmp(name, word, size)) continue;
        r->kinds |= 1u << kinds[i];
        return true;
    }
    *near = n.name;
    return false;
}

bool retry_on_read(retry_on *r, const char *text, const char **bad, int *size, const char **near)
{
    *r = (retry_on){ .given = true };
    *near = NULL;
    for (const char *word = text;; word++) {
        size_t n = strcspn(word, ",");
        if (!n || !read_word(r, word, n, near)) {
            *bad = word;
            *size = n < 60 ? (int)n : 60;
            return false;
        }
        word += n;
        if (!*word) return true;
    }
}

errand_retry_if *retry_on_spec(const retry_on *r)
{
    int statuses[STATUS_MOST - STATUS_LEAST + 1];
    size_t n = 0;
    for (int i = STATUS_LEAST; i <= STATUS_MOST; i++) {
        if (r->statuses[i - STATUS_LEAST]) statuses[n++] = i;
    }
    if (!r->given) return NULL;
    if (!n) return errand_retry_if_kind(r->kinds);
    errand_retry_if *by_status = errand_retry_if_status_of(n, statuses);
    return r->kinds ? errand_retry_if_any(by_status, errand_retry_if_kind(r->kinds)) : by_status;
}

static bool read_failed(halt_on *h, const char *text) /* "3" or "2.5%" */
{
    size_t digits = strspn(text, "0123456789"), n = strspn(text, "0123456789.");
    char *end;
    if (!digits || n > 15) return false;
    if (text[n] == '%' && !text[n + 1]) {
        h->share = strtod(text, &end) / 100;
        return end == text + n && h->share > 0 && h->share <= 1;
    }
    h->failed = strtoull(text, &end, 10);
    return !*end && h->failed > 0;
}

bool halt_on_read(halt_on *h, const char *text)
{
    *h = (halt_on){ 0 };
    if (!strcmp(text, "never")) return true;
    h->now = !strncmp(text, "now,", 4);
    size_t when = h->now ? 4 : 5;
    if (!h->now && strncmp(text, "soon,", 5) != 0) return false;
    if (!strcmp(text + when, "fatal")) return h->fatal = true;
    return !strncmp(text + when, "fail=", 5) && read_failed(h, text + when + 5);
}
