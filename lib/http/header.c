/* http/header.c -- header lines are checked before curl sees a byte of them.
 *
 * curl sends CR and LF in a header's value as they are, and takes "Name:" without a value as an
 * order to leave a header out. So: names are tokens (RFC 9110, 5.6.2), values have no control
 * characters but tab, and headers that curl computes itself (the length of the body) are refused. A
 * refusal names the header, and never quotes its value: it may be a secret. */
#include "http/header.h"

#include "http/redact.h"

#include <errand/request.h>

#include <errno.h>
#include <string.h>

/* ---- lists ---- */

bool er_header_named(const char *line, const char *name, size_t size)
{
    return er_alike(line, name, size) && (line[size] == ':' || line[size] == ';');
}

const char *er_header_find(const struct curl_slist *list, const char *name, size_t size)
{
    for (; list; list = list->next) {
        if (er_header_named(list->data, name, size)) return list->data + size + 1;
    }
    return NULL;
}

bool er_header_says(const struct curl_slist *list, const char *name, size_t size)
{
    for (; list; list = list->next) {
        if (er_header_named(list->data, name, size) &&
            list->data[size + 1 + strspn(list->data + size + 1, " \t")])
            return true;
    }
    return false;
}

int er_header_append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer) return ENOMEM;
    *list = longer;
    return 0;
}

int er_header_add(struct curl_slist **list, const char *header, er_bytes *why)
{
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection" };
    size_t size = er_token(header);
    if (!size || header[size] != ':') {
        size_t shown = strcspn(header, ": \t\r\n"); /* what follows may be a secret */
        return er_refuse(why, "a header is not of the form \"Name: value\":", header, shown);
    }
    if (er_has_control(header + size + 1, true)) {
        return er_refuse(why, "a control character in the value of header", header, size);
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (!er_header_named(header, ours[i], strlen(ours[i]))) continue;
        return er_refuse(why, "a header that curl sets itself:", header, size);
    }
    if (strlen(header) > ER_HEADERS_MOST)
        return er_refuse(why, "longer than 512 KiB: header", header, size);
    const char *value = header + size + 1;
    if (value[strspn(value, " \t")]) return er_header_append(list, header);
    char *empty = er_copy_bytes(header, size + 1); /* "Name;" makes curl send an empty one */
    if (!empty) return ENOMEM;
    empty[size] = ';';
    int error = er_header_append(list, empty);
    er_free(empty);
    return error;
}

int er_header_merge(struct curl_slist **list, const struct curl_slist *more)
{
    /* list's own names come first, so that two of the same name in `more` stay two */
    struct curl_slist *missing = NULL;
    int error = 0;
    for (; more && !error; more = more->next) {
        if (!er_header_find(*list, more->data, er_token(more->data)))
            error = er_header_append(&missing, more->data);
    }
    for (const struct curl_slist *h = missing; h && !error; h = h->next)
        error = er_header_append(list, h->data);
    curl_slist_free_all(missing);
    return error;
}

/* ---- authorization ---- */

int er_header_auth(struct curl_slist **list, const char *bearer, const char *user,
                   const char *password, er_bytes *why)
{
    if (!bearer && !user) return password ? er_refuse(why, "password without user", NULL, 0) : 0;
    if (bearer && user) return er_refuse(why, "bearer and user are both given", NULL, 0);
    if (er_header_find(*list, "Authorization", 13)) {
        const char *both = bearer ? "bearer and a header Authorization are both given"
                                  : "user and a header Authorization are both given";
        return er_refuse(why, both, NULL, 0);
    }
    er_bytes line = { 0 };
    if (bearer) {
        if (!*bearer || er_has_control(bearer, false))
            return er_refuse(why, "bearer cannot be sent", NULL, 0);
        er_bytes_format(&line, "Authorization: Bearer %s", bearer);
    } else {
        if (strchr(user, ':') || er_has_control(user, false))
            return er_refuse(why, "user cannot be sent", NULL, 0);
        if (password && er_has_control(password, false))
            return er_refuse(why, "password cannot be sent", NULL, 0);
        er_bytes pair = { 0 };
        er_bytes_format(&pair, "%s:%s", user, password ? password : "");
        er_bytes_text(&line, "Authorization: Basic ");
        if (!pair.error) er_bytes_base64(&line, pair.at, pair.size);
        if (pair.error) line.error = pair.error;
        er_bytes_free(&pair);
    }
    int error = line.error ? ENOMEM : er_header_append(list, line.at);
    er_bytes_free(&line);
    return error;
}

/* ---- secrets ---- */

/* A key that lets a server know a repetition is no secret. */
bool er_header_secret(const char *line)
{
    size_t size = strcspn(line, ":; ");
    if (er_alike(line, "Proxy-", 6)) return true;
    return er_redact_name(line, size) && !(size == 15 && er_alike(line, "Idempotency-Key", 15));
}

bool errand_header_is_secret(const char *header) { return header && er_header_secret(header); }

void er_headers_hide(const struct curl_slist *headers, char *text)
{
    for (; headers; headers = headers->next) {
        if (!er_header_secret(headers->data)) continue;
        const char *value = strchr(headers->data, ':');
        if (!value) continue;
        value += 1 + strspn(value + 1, " \t");
        er_hide(text, value, strlen(value));
        const char *word = strchr(value, ' '); /* of "Bearer TOKEN" the token alone, too */
        if (word) er_hide(text, word + 1, strlen(word + 1));
    }
}

int er_texts_copy(struct curl_slist **list, const char *const *texts)
{
    int error = 0;
    for (; texts && *texts && !error; texts++) {
        if (**texts) error = er_header_append(list, *texts);
    }
    return error;
}

void er_texts_hide(const struct curl_slist *texts, char *text)
{
    for (; texts; texts = texts->next) er_hide(text, texts->data, strlen(texts->data));
}

bool er_texts_in(const struct curl_slist *texts, const char *text)
{
    for (; texts; texts = texts->next) {
        if (strstr(text, texts->data)) return true;
    }
    return false;
}
