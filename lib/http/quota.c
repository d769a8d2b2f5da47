/* http/quota.c -- RateLimit headers.
 *
 *     RateLimit: "a";r=5;t=30, "b";r=900;t=3000     the IETF's draft since version 8; how much and
 *     RateLimit-Policy: "a";q=10;w=60, "b";q=...    how long is in the policy of the same name
 *     RateLimit: limit=10, remaining=5, reset=30    version 7; RateLimit-Policy: 10;w=60
 *     RateLimit-Limit, -Remaining, -Reset           before; the limit may go on: "10, 10;w=60"
 *     X-RateLimit-..., X-Rate-Limit-...             the reset is an epoch in s or ms, or seconds
 *     x-ratelimit-...-requests                      the reset is "6m0s", "120ms"
 *     anthropic-ratelimit-requests-...              the reset is a time as of RFC 3339
 *
 * Without a number that is left, or a time, there is no quota: what is malformed is as if it were
 * not there. Of several the one with the fewest left counts, and of those the one that ends last.
 * The buckets of the last two forms fill all the time, and their reset is when they are full: with
 * none left, the next turn comes sooner than that. */
#include "http/quota.h"

#include "base/clock.h"
#include "base/options.h"
#include "http/classify.h"
#include "policy/rate.h"

#include <errno.h>
#include <string.h>

#define EPOCH_SECONDS INT64_C(100000000)    /* no reset is three years away */
#define EPOCH_MS      INT64_C(100000000000) /* in seconds it would be the year 5138 */
#define MEMBERS_MOST                                                                               \
    16 /* that a reply's list is read to: each is looked for among the policies                    \
        */
#define NUMBER_MOST INT64_C(1000000000000000)

static const char *skip_blanks(const char *at) { return at + strspn(at, " \t"); }

/* Returns what follows the digits; NULL: there are none. Saturates. */
static const char *read_number(const char *at, int64_t *out)
{
    int64_t n = 0;
    if (*at < '0' || *at > '9') return NULL;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (n < NUMBER_MOST) n = n * 10 + (*at - '0');
    }
    *out = n < NUMBER_MOST ? n : NUMBER_MOST;
    return at;
}

static int64_t whole_number(const char *text) /* -1: something else */
{
    int64_t n;
    const char *end = read_number(skip_blanks(text), &n);
    return end && !*skip_blanks(end) ? n : -1;
}

/* ---- times: in ms from now, which is in seconds; -1: malformed ---- */

static int64_t ms_of_number(const char *text, int64_t now)
{
    int64_t n = 0;
    const char *end = read_number(skip_blanks(text), &n);
    if (end && *end == '.') end += 1 + strspn(end + 1, "0123456789");
    if (!end || *skip_blanks(end)) return -1;
    if (n >= EPOCH_MS) n -= now * 1000;
    else n = (n >= EPOCH_SECONDS ? n - now : n) * 1000;
    return n > 0 ? n : 0;
}

static int64_t us_of_unit(const char *text, size_t *size)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {
        { "ms", 1000 },         { "us", 1 },           { "\xc2\xb5s", 1 }, { "ns", 0 },
        { "d", 86400000000LL }, { "h", 3600000000LL }, { "m", 60000000 },  { "s", 1000000 },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        *size = strlen(units[i].name);
        if (!strncmp(text, units[i].name, *size)) return units[i].us;
    }
    return -1;
}

static int64_t ms_of_duration(const char *text, int64_t now) /* "1h2m3.5s" */
{
    int64_t all = 0;
    if (whole_number(text) >= 0) return ms_of_number(text, now);
    if (!*text) return -1;
    while (*text) {
        int64_t n, unit;
        double part = 0, place = 0.1;
        size_t size;
        if (!(text = read_number(text, &n))) return -1;
        if (*text == '.') {
            for (text++; *text >= '0' && *text <= '9'; text++, place /= 10)
                part += place * (*text - '0');
        }
        if ((unit = us_of_unit(text, &size)) < 0) return -1;
        double us = ((double)n + part) * (double)unit + (double)all;
        if (us > (double)NUMBER_MOST) return -1;
        all = (int64_t)us;
        text += size;
    }
    return (all + 999) / 1000;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static int64_t two_digits(const char *at) { return (at[0] - '0') * 10 + (at[1] - '0'); }

/* 0 stands for a digit. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++, text++) {
        bool fits = *shape == '0' ? is_digit(*text) : *text == *shape;
        if (!fits) return false;
    }
    return true;
}

static int64_t ms_of_rfc3339(const char *text, int64_t now)
{
    if (!has_shape(text, "0000-00-00T00:00:00")) return -1;
    int64_t year = two_digits(text) * 100 + two_digits(text + 2), month = two_digits(text + 5);
    int64_t day = two_digits(text + 8), at = two_digits(text + 11) * 3600;
    if (!month || month > 12 || !day || day > 31) return -1;
    at += two_digits(text + 14) * 60 + two_digits(text + 17);
    /* days since 1970: years begin in March, so that a leap day is the last of one */
    year -= month <= 2;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    at += (year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719468) * 86400;
    text += 19;
    if (*text == '.') text += 1 + strspn(text + 1, "0123456789");
    if (has_shape(text, "+00:00") || has_shape(text, "-00:00")) {
        int64_t off = two_digits(text + 1) * 3600 + two_digits(text + 4) * 60;
        at += *text == '+' ? -off : off;
        text += 6;
    } else if (*text == 'Z' || *text == 'z') {
        text++;
    } else {
        return -1;
    }
    if (*skip_blanks(text)) return -1;
    return at > now ? (at - now) * 1000 : 0;
}

/* ---- members of a list ---- */

typedef struct member {
    const char *at;
    size_t size;
} member;

static bool next_member(const char **at, member *m)
{
    bool quoted = false;
    const char *end = *at += strspn(*at, ", \t");
    if (!*end) return false;
    for (; *end && (quoted || *end != ','); end++) {
        if (quoted && *end == '\\' && end[1]) end++;
        else if (*end == '"') quoted = !quoted;
    }
    *m = (member){ *at, (size_t)(end - *at) };
    *at = end;
    return true;
}

/* The number of a parameter, or of a member that is one. -1: it has none. */
static int64_t parameter(const member *m, const char *key)
{
    size_t size = strlen(key);
    bool quoted = false, begins = true;
    for (const char *at = m->at, *end = at + m->size; at < end; at++) {
        int64_t n;
        if (begins) at += strspn(at, " \t");
        if (begins && !strncmp(at, key, size) && at[size] == '=' &&
            read_number(at + size + 1, &n)) {
            return n;
        }
        begins = !quoted && *at == ';';
        if (quoted && *at == '\\' && at + 1 < end) at++;
        else if (*at == '"') quoted = !quoted;
    }
    return -1;
}

static bool same_name(const member *a, const member *b)
{
    size_t size = 0;
    while (size < a->size && a->at[size] != ';') size++;
    return size < b->size && !memcmp(a->at, b->at, size) && b->at[size] == ';';
}

/* ---- quotas ---- */

static const char *header_of(const errand_response *response, const char *name, size_t i)
{
    return i < MEMBERS_MOST ? errand_response_header(response, name, i) : NULL;
}

static void consider(errand_quota *best, const errand_quota *q)
{
    if (q->remaining < 0 || q->reset_ms < 0) return;
    bool fewer = best->remaining < 0 || q->remaining < best->remaining;
    if (fewer || (q->remaining == best->remaining && q->reset_ms > best->reset_ms)) *best = *q;
}

/* The policy of that name, or, if name is NULL, the window of the limit. */
static void add_policy(const errand_response *response, const member *name, errand_quota *q)
{
    const char *at;
    const char *header = name || q->limit < 0 ? "RateLimit-Policy" : "RateLimit-Limit";
    for (int both = 0; both < 2; both++, header = "RateLimit-Policy") {
        size_t members = 0;
        for (size_t i = 0; (at = header_of(response, header, i)); i++) {
            member m;
            while (members++ < MEMBERS_MOST && next_member(&at, &m)) {
                int64_t n = -1;
                if (name ? !same_name(name, &m) : !read_number(m.at, &n) || n != q->limit) continue;
                int64_t w = parameter(&m, "w");
                if (name) q->limit = parameter(&m, "q");
                if (w > 0) q->window_ms = w * 1000;
                if (name || w > 0) return;
            }
        }
    }
}

static void read_list(const errand_response *response, errand_quota *best)
{
    const char *at;
    size_t members = 0;
    for (size_t i = 0; (at = header_of(response, "RateLimit", i)); i++) {
        errand_quota old = { -1, -1, -1, -1 };
        member m;
        while (members++ < MEMBERS_MOST && next_member(&at, &m)) {
            errand_quota q = { -1, parameter(&m, "r"), parameter(&m, "t"), -1 };
            int64_t limit = parameter(&m, "limit"), remaining = parameter(&m, "remaining"),
                    reset = parameter(&m, "reset");
            if (limit >= 0) old.limit = limit;
            if (remaining >= 0) old.remaining = remaining;
            if (reset >= 0) old.reset_ms = reset * 1000;
            if (q.remaining < 0) continue;
            add_policy(response, &m, &q);
            q.reset_ms = q.reset_ms < 0 ? q.window_ms : q.reset_ms * 1000;
            consider(best, &q);
        }
        add_policy(response, NULL, &old);
        consider(best, &old);
    }
}

typedef struct family {
    const char *limit, *remaining, *reset;
    int64_t (*ms_of)(const char *text, int64_t now);
    bool fills; /* a bucket */
} family;

static const family families[] = {
    { "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", ms_of_number, false },
    { "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", ms_of_number, false },
    { "X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset", ms_of_number, false },
    { "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
      ms_of_duration, true },
    { "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
      "anthropic-ratelimit-requests-reset", ms_of_rfc3339, true },
};

static void read_family(const errand_response *response, const family *f, int64_t now,
                        errand_quota *best)
{
    const char *limit = errand_response_header(response, f->limit, 0),
               *remaining = errand_response_header(response, f->remaining, 0),
               *reset = errand_response_header(response, f->reset, 0);
    errand_quota q = { -1, -1, -1, -1 };
    if (!remaining || !reset) return;
    if (limit && !read_number(skip_blanks(limit), &q.limit)) q.limit = -1;
    q.remaining = whole_number(remaining);
    q.reset_ms = f->ms_of(skip_blanks(reset), now);
    if (q.limit > 0 && !f->fills) add_policy(response, NULL, &q);
    if (f->fills && !q.remaining && q.limit > 0 && q.reset_ms > 0)
        q.reset_ms = (q.reset_ms - 1) / q.limit + 1;
    consider(best, &q);
}

bool er_quota_read(const errand_response *response, int64_t wall_seconds, errand_quota *out)
{
    const char *date = errand_response_header(response, "Date", 0);
    int64_t now;
    *out = (errand_quota){ -1, -1, -1, -1 };
    if (!date || !er_http_date(date, &now)) now = wall_seconds;
    read_list(response, out);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        read_family(response, &families[i], now, out);
    return out->remaining >= 0;
}

int errand_response_quota_sized(const errand_response *response, errand_quota *out, size_t size)
{
    errand_quota q;
    if (!response || !out) return EINVAL;
    if (!er_quota_read(response, er_wall_seconds(), &q)) return ENOENT;
    return er_options_give(out, size, &q, sizeof q);
}

bool er_quota_report(errand_rate *rate, const char *key, const errand_result *r, errand_quota *out,
                     uint64_t *number)
{
    *number = 0;
    bool answered = r->value && (!r->error || r->error >= ERRAND_HTTP);
    if (!answered || !er_quota_read(r->value, er_wall_seconds(), out)) return false;
    return !er_rate_quota(rate, key, out, number);
}
