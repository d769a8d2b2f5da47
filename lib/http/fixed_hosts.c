/* http/fixed_hosts.c -- a list of rules, made when the session is made and never changed, so that
 * threads read it without a lock.
 *
 * Of several rules for a host and port the last one counts; a rule for the host "*" counts for each
 * host without one of its own. Addresses are those of a look-up (er_found): the parts behind do not
 * notice a difference. Their serial numbers are counted from the top, so that none is the
 * resolver's. They never expire. */
#include "http/fixed_hosts.h"

#include "http/sanitize.h"

#include <errno.h>
#include <string.h>

typedef struct rule {
    char *host;
    unsigned port;
    er_found *found;
} rule;

struct er_fixed_hosts {
    size_t n;
    rule rules[];
};

void er_fixed_hosts_free(er_fixed_hosts *hosts)
{
    for (size_t i = 0; hosts && i < hosts->n; i++) {
        er_free(hosts->rules[i].host);
        er_found_drop(hosts->rules[i].found);
    }
    er_free(hosts);
}

static int refuse(er_bytes *why, const char *text)
{
    er_bytes_text(why, "resolve \"");
    er_add_harmless(why, text, strlen(text), 100);
    er_bytes_text(why, "\" is not HOST:PORT:ADDRESS[,ADDRESS...], with IPv6 addresses in brackets");
    return EINVAL;
}

/* ",address" at `at`, of `size` bytes, is an address: IPv6 in brackets, as curl wants it. */
static bool is_address(const char *at, size_t size)
{
    char text[64];
    if (!size || size >= sizeof text) return false;
    memcpy(text, at, size);
    text[size] = '\0';
    return er_is_address(text) && (*text == '[' || !strchr(text, ':'));
}

static int read_addresses(er_addresses *out, const char *text, const char *list, er_bytes *why)
{
    *out = (er_addresses){ 0 };
    if (strlen(list) >= sizeof out->text) return refuse(why, text);
    for (const char *at = list;; at++) {
        size_t size = strcspn(at, ",");
        if (!is_address(at, size)) return refuse(why, text);
        at += size;
        if (!*at) break;
    }
    memcpy(out->text, list, strlen(list) + 1);
    return 0;
}

static int read_rule(rule *r, const char *text, er_bytes *why)
{
    size_t host = strcspn(text, ":"), digits = 0;
    unsigned port = 0;
    const char *number = text + host;
    if (*number == ':') number++;
    for (; number[digits] >= '0' && number[digits] <= '9' && digits < 6; digits++)
        port = port * 10 + (unsigned)(number[digits] - '0');
    bool good = host && host < 256 && digits && number[digits] == ':' && port > 0 && port <= 65535;
    if (!good || er_has_control(text, false)) return refuse(why, text);
    er_found *found = er_alloc_zero(sizeof *found);
    if (!found) return ENOMEM;
    found->count = 1;
    found->until_ns = INT64_MAX;
    r->found = found;
    r->port = port;
    int error = read_addresses(&found->addresses, text, number + digits + 1, why);
    if (!error && !(r->host = er_copy_bytes(text, host))) error = ENOMEM;
    return error;
}

int er_fixed_hosts_make(er_fixed_hosts **out, const char *const *rules, er_bytes *why)
{
    size_t n = 0;
    while (rules && rules[n]) n++;
    *out = NULL;
    if (!n) return 0;
    er_fixed_hosts *hosts = er_alloc_zero(sizeof *hosts + n * sizeof *hosts->rules);
    if (!hosts) return ENOMEM;
    hosts->n = n;
    for (size_t i = 0; i < n; i++) {
        int error = read_rule(&hosts->rules[i], rules[i], why);
        if (error) {
            er_fixed_hosts_free(hosts);
            return error;
        }
        hosts->rules[i].found->serial = UINT64_MAX - i;
    }
    *out = hosts;
    return 0;
}

er_found *er_fixed_hosts_find(const er_fixed_hosts *hosts, const char *host, unsigned port)
{
    const rule *any = NULL;
    for (size_t i = hosts ? hosts->n : 0; i-- > 0;) {
        const rule *r = &hosts->rules[i];
        if (r->port != port) continue;
        if (er_alike(r->host, host, SIZE_MAX)) return er_found_keep(r->found);
        if (!any && !strcmp(r->host, "*")) any = r;
    }
    return any ? er_found_keep(any->found) : NULL;
}
