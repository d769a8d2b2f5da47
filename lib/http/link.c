/* http/link.c -- the headers Link of a reply, read as RFC 8288, B.2 and B.3, has it.
 *
 *     Link: <https://api.example.com/items?page=3>; rel="next last"; title="a, b", </>; rel=up
 *
 * A header is a list of links, and there may be several headers; the first link that fits counts.
 * Commas and semicolons within <> and within quotation marks belong to what they stand in. Of a
 * repeated rel or anchor the first counts. rel is a list of words, in any case of letters. A link
 * with an anchor is about another resource, unless the anchor is the reply's own url. What is no
 * link is skipped up to the next comma, as a header comes from a server that may write anything;
 * each is read once, from its beginning to its end. */
#include "http/link.h"

#include "http/response.h"
#include "http/sanitize.h"
#include "http/url.h"

#include <errno.h>
#include <string.h>

typedef struct link_value {
    const char *target;
    size_t size;
    er_bytes rel, anchor; /* at NULL: none */
} link_value;

static const char *blanks(const char *at) { return at + strspn(at, " \t"); }

/* A value, a token or a quoted string, whose characters are added to `to`, if that is not NULL.
 * Returns what follows it. */
static const char *read_value(const char *at, er_bytes *to)
{
    bool quoted = *at == '"';
    for (at += quoted; *at; at++) {
        if (quoted ? *at == '"' : strchr("; \t,", *at) != NULL) break;
        if (quoted && *at == '\\' && at[1]) at++;
        if (to) er_bytes_add(to, at, 1);
    }
    return at + (quoted && *at);
}

/* One parameter, behind its semicolon. Returns what follows it. */
static const char *read_parameter(const char *at, link_value *link)
{
    const char *name = blanks(at);
    size_t size = strcspn(name, "=;, \t\"");
    er_bytes *to = NULL;
    if (size == 3 && er_alike(name, "rel", 3)) to = &link->rel;
    if (size == 6 && er_alike(name, "anchor", 6)) to = &link->anchor;
    if (to && to->at) to = NULL;
    if (to) er_bytes_add(to, "", 0); /* it is there, also if it is empty */
    at = blanks(name + size);
    return *at == '=' ? read_value(blanks(at + 1), to) : at;
}

/* Up to the comma behind it; quotation marks may hide others. */
static const char *skip_rest(const char *at)
{
    while (*at && *at != ',') at = *at == '"' ? read_value(at, NULL) : at + 1;
    return at;
}

/* The next link of a header. Returns what follows it; NULL: there are no more. */
static const char *read_link(const char *at, link_value *link)
{
    for (;; at = skip_rest(at)) {
        at += strspn(at, " \t,");
        if (!*at) return NULL;
        const char *end = *at == '<' ? at + 1 + strcspn(at + 1, "<>") : at;
        if (*end != '>') continue;
        link->target = at + 1;
        link->size = (size_t)(end - at) - 1;
        at = blanks(end + 1);
        while (*at == ';') at = blanks(read_parameter(at + 1, link));
        return skip_rest(at);
    }
}

static bool has_word(const er_bytes *words, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = words->at; at && *at;) {
        at = blanks(at);
        size_t n = strcspn(at, " \t");
        if (n == size && er_alike(at, word, n)) return true;
        at += n;
    }
    return false;
}

/* An anchor that is no url is none of ours. 0 or ENOMEM. */
static int is_about(const errand_response *response, const er_bytes *anchor, bool *same)
{
    const char *own = errand_response_url(response);
    *same = !anchor->at;
    if (*same) return 0;
    char *about = NULL, *itself = NULL;
    er_origin origin = { 0 };
    int error = er_url_follow(&about, &origin, own, anchor->at);
    er_origin_free(&origin);
    if (!error) error = er_url_follow(&itself, &origin, own, "");
    er_origin_free(&origin);
    *same = !error && !strcmp(about, itself);
    er_free(about);
    er_free(itself);
    return error == ENOMEM ? error : 0;
}

static int find_in(const errand_response *response, const char *header, const char *rel,
                   char **target)
{
    int error = 0;
    for (const char *at = header; at && !error && !*target;) {
        link_value link = { 0 };
        bool same = false;
        at = read_link(at, &link);
        error = link.rel.error | link.anchor.error;
        if (!error && at && has_word(&link.rel, rel))
            error = is_about(response, &link.anchor, &same);
        if (same) *target = er_copy_bytes(link.target, link.size);
        if (same && !*target) error = ENOMEM;
        er_bytes_free(&link.rel);
        er_bytes_free(&link.anchor);
    }
    return error;
}

int er_link_find(const errand_response *response, const char *rel, char **target)
{
    const er_bytes *headers = &response->headers;
    int error = 0;
    *target = NULL;
    for (size_t at = 0; at < headers->size && !error && !*target;) {
        const char *name = headers->at + at, *value = name + strlen(name) + 1;
        if (er_alike(name, "Link", SIZE_MAX)) error = find_in(response, value, rel, target);
        at = (size_t)(value - headers->at) + strlen(value) + 1;
    }
    return error;
}

char *errand_response_link(const errand_response *response, const char *rel)
{
    char *target = NULL, *url = NULL;
    er_origin origin = { 0 };
    int error = response && rel && *rel ? er_link_find(response, rel, &target) : EINVAL;
    if (!error && !target) error = ENOENT;
    if (!error) error = er_url_follow(&url, &origin, errand_response_url(response), target);
    er_origin_free(&origin);
    er_free(target);
    if (error) errno = error;
    return url;
}
