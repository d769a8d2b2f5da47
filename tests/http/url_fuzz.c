/* Random urls, half of them invalid, as errand reads them and as curl does, which connects. Both
 * must find the same host; and what errand reads without curl, curl must read and write in the
 * same way.
 *
 * 200,000 of them; a million with ERRAND_TEST_SCALE=5, 20 million in `make check-long`. Each is
 * made from its seed alone, and a failure prints both. */
#include "harness.h"

#include "base/net.h"
#include "http/url.h"

#include <ctype.h>
#include <curl/curl.h>

enum { URLS = 200000, PARTS = 20, MOST = 4096 };

/* As curl reads CURLOPT_URL. */
#define AS_SENT (CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME)

#ifdef CURLU_GET_EMPTY
#define EMPTY_TOO CURLU_GET_EMPTY
#else
#define EMPTY_TOO 0
#endif

/* ---- urls ---- */

/* The first of each list are plain and chosen more often: most urls are odd in one place only. */
static const char *const schemes[] = {
    "http://", "https://", /**/ "HTTP://", "hTtPs://", "http:", "http:/",       "http:///",
    "ftp://",  "file:///", "//",           "://",      "ws://", "http+unix://", ""
};
static const char *const userinfos[] = {
    "",           /**/ "me@", "me:secret@", ":@",       "@",        "a.test@",  "me:@",     "a@b@",
    "me;auth=x@", "%40@",     "a.test:80@", "a.test/@", "a.test#@", "a.test?@", "a.test\\@"
};
static const char *const hosts[] = {
    "a.test",
    "example.org",
    "localhost",
    "a-b.c",
    "x",
    "a",
    "127.0.0.1",
    "255.255.255.255", /**/
    "A.Test",
    "xn--bcher-kva.test",
    "0.0.0.0",
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "01.2.3.4",
    "1.2.3.04",
    "1.2.3.256",
    "1.2.3.4.5",
    "1.2.3",
    "1.2.3.4.",
    "1..2",
    "999.9.9.9",
    "4294967296",
    "1a.test",
    "1.test",
    "0x",
    "08.1.1.1",
    "a.1",
    "[::1]",
    "[::]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[::ffff:1.2.3.4]",
    "[1.2.3.4]",
    "[v1.a]",
    "[::1",
    "::1]",
    "[]",
    "",
    ".",
    "..",
    "a..b",
    ".a",
    "a.",
    "-a",
    "a-",
    "a_b",
    "a%2eb",
    "%61.test",
    "a%00b",
    "%",
    "b\xc3\xbc"
    "cher.test",
    "a\xe3\x80\x82test",
    "stra\xc3\x9f"
    "e.test",
    "\xef\xbd\x81.test",
    "a\xc2\xad.test",
    "\xff\xfe",
    "a b",
    "a\tb",
    "a\\b",
    "a*b",
    "a,b"
};
static const char *const ports[] = {
    "",       ":80",  ":443", ":8080", ":1",        ":65535",      /**/ ":65536",
    ":99999", ":0",   ":00",  ":080",  ":00000080", ":",           "::80",
    ":-1",    ":+80", ": 80", ":80 ",  ":8a",       ":4294967376", ":18446744073709551696"
};
static const char *const paths[] = {
    "/",
    "/a",
    "/a/b",
    "/a/b/",
    "/a%20b",
    "/a;b=c",
    "/~a!$&'()*+,-_=",
    "/@a.test/",
    /**/ "/%41",
    "/a:b@c",
    "/%2e/a",
    "/%2E%2e/a",
    "/a/%2e%2e/b",
    "/a/./b",
    "/a/../b",
    "/../a",
    "/.a",
    "/a/.b",
    "/..a",
    "/.",
    "/..",
    "//",
    "//a",
    "/a//b",
    "///",
    "",
    "a",
    "./",
    "../a",
    "\\",
    "/\\a",
    "/a\\..\\b",
    "/a|b^c`d",
    "/{a}\"<b>",
    "/caf\xc3\xa9",
    "/a b",
    "/a\tb",
    "/a\x7f",
    "/%",
    "/%zz",
    "/%00",
    "/a?",
    "/:80/",
    "/http://b.test/"
};
static const char *const queries[] = {
    "",          "?a=b",    "?a=b&c=d",  "?a=//b",    /**/ "?",
    "?a=/../b",  "?a=/./b", "??",        "?@b.test/", "?a b",
    "?\xc3\xa9", "?%zz",    "?[]{}|\\^", "?a#b",      "?a=http://b.test/?c=d"
};
static const char *const fragments[] = { "", /**/ "#", "#a", "#/../", "#?a", "##", "#@b.test/" };
static const char *const pieces[] = {
    "/",
    "//",
    "?",
    "#",
    "@",
    ":",
    "\\",
    ".",
    "..",
    "/./",
    "/../",
    "%",
    "%2f",
    "%2e",
    "%25",
    "%00",
    "%0a",
    "[",
    "]",
    "-",
    "_",
    "~",
    "*",
    "+",
    ";",
    "=",
    "&",
    ",",
    "'",
    "\"",
    "<",
    ">",
    "{",
    "}",
    "|",
    "^",
    "`",
    "!",
    "$",
    "(",
    ")",
    " ",
    "\t",
    "\r",
    "\n",
    "\v",
    "\x01",
    "\x1f",
    "\x7f",
    "\x80",
    "\xff",
    "\xc3\xa9",
    "\xe3\x80\x82",
    "\xef\xbc\x8f",
    "\xf0\x9f\x98\x80",
    "a",
    "A",
    "0",
    "1",
    "9",
    "0x",
    "b.test",
    "127.0.0.1",
    "http://",
    "https:",
    "user:pass@",
    ":80",
    ":65536"
};

#define PICK(dice, list) list[er_random_next(dice) % (sizeof list / sizeof *list)]

typedef struct url_text {
    char at[MOST];
    size_t size;
} url_text;

static void put(url_text *url, size_t where, const char *what, size_t size)
{
    if (url->size + size >= MOST) return;
    memmove(url->at + where + size, url->at + where, url->size - where + 1);
    memcpy(url->at + where, what, size);
    url->size += size;
}

static void add(url_text *url, const char *what) { put(url, url->size, what, strlen(what)); }

#define OFTEN(dice, list, plain)                                                                   \
    (er_random_next(dice) % 8 ? (list)[er_random_next(dice) % (plain)] : PICK(dice, list))

static void lengthen(
    url_text *url,
    uint64_t *dice) /* one byte of it, to the edges of names, addresses and ports, and far beyond */
{
    static const unsigned sizes[] = { 4, 15, 16, 63, 64, 240, 250, 253, 254, 255, 256, 1025, 3000 };
    char run[MOST];
    size_t where = er_random_next(dice) % (url->size + 1),
           size = PICK(dice, sizes) - er_random_next(dice) % 4;
    memset(run, where ? url->at[where - 1] : 'h', size);
    put(url, where, run, size);
}

static void cut(url_text *url, uint64_t *dice)
{
    size_t where = er_random_next(dice) % (url->size + 1), size = er_random_next(dice) % 9;
    if (size > url->size - where) size = url->size - where;
    memmove(url->at + where, url->at + where + size, url->size - where - size + 1);
    url->size -= size;
}

static void mutate(url_text *url, uint64_t *dice)
{
    size_t where = er_random_next(dice) % (url->size + 1);
    const char *piece = PICK(dice, pieces);
    switch (er_random_next(dice) % 8) {
    case 0:
    case 1:
    case 2: put(url, where, piece, strlen(piece)); break;
    case 3:
        if (where < url->size) url->at[where] = piece[0];
        break;
    case 4: cut(url, dice); break;
    case 5: { /* a part of it once more */
        char again[16];
        size_t from = er_random_next(dice) % (url->size + 1),
               size = er_random_next(dice) % sizeof again;
        if (size > url->size - from) size = url->size - from;
        memcpy(again, url->at + from, size);
        put(url, where, again, size);
        break;
    }
    case 6: /* the other case, or any byte at all */
        if (where < url->size && isalpha((unsigned char)url->at[where])) url->at[where] ^= 0x20;
        else if (where < url->size) url->at[where] = (char)(er_random_next(dice) % 255 + 1);
        break;
    default:
        if (!(er_random_next(dice) % 8)) lengthen(url, dice);
    }
}

static void make_url(url_text *url, uint64_t seed)
{
    uint64_t dice = seed;
    dice = er_random_next(&dice); /* or the next seed's are these but for the first */
    url->at[url->size = 0] = '\0';
    if (er_random_next(&dice) % 8) { /* else it is relative */
        add(url, OFTEN(&dice, schemes, 2));
        add(url, OFTEN(&dice, userinfos, 1));
        add(url, OFTEN(&dice, hosts, 8));
        add(url, OFTEN(&dice, ports, 6));
    }
    add(url, OFTEN(&dice, paths, 8));
    add(url, OFTEN(&dice, queries, 4));
    add(url, OFTEN(&dice, fragments, 1));
    for (uint64_t n = er_random_next(&dice) % 4; n; n--) mutate(url, &dice);
}

/* ---- readings ---- */

typedef struct reading {
    bool accepted;
    char *scheme, *host, *port, *path, *query, *url;
} reading;

static void get(CURLU *parts, CURLUPart part, char **out, unsigned flags)
{
    *out = NULL;
    curl_url_get(parts, part, out, flags);
}

static void read_by_curl(reading *r, const char *base, const char *url, unsigned flags)
{
    CURLU *parts = curl_url();
    *r = (reading){ 0 };
    r->accepted = (!base || !curl_url_set(parts, CURLUPART_URL, base, flags)) &&
                  !curl_url_set(parts, CURLUPART_URL, url, flags);
    if (r->accepted) {
        get(parts, CURLUPART_SCHEME, &r->scheme, 0);
        get(parts, CURLUPART_HOST, &r->host, 0);
        get(parts, CURLUPART_PORT, &r->port, CURLU_DEFAULT_PORT);
        get(parts, CURLUPART_PATH, &r->path, 0);
        get(parts, CURLUPART_QUERY, &r->query, EMPTY_TOO);
        get(parts, CURLUPART_URL, &r->url, 0);
    }
    curl_url_cleanup(parts);
}

static void reading_free(reading *r)
{
    curl_free(r->scheme);
    curl_free(r->host);
    curl_free(r->port);
    curl_free(r->path);
    curl_free(r->query);
    curl_free(r->url);
}

static const char *visible(const char *url) /* what a terminal does not show in hexadecimal */
{
    static er_bytes shown[2]; /* the url's, its base's */
    static unsigned turn;
    er_bytes *to = &shown[turn++ % 2];
    for (er_bytes_free(to); url && *url; url++)
        er_bytes_format(to, *url > ' ' && *url < 0x7f ? "%c" : "\\x%02x", (unsigned char)*url);
    return to->at ? to->at : "none";
}

#define ck_url(true_of_it, seed, url, base)                                                        \
    ck_assert_msg(true_of_it, #true_of_it ": seed %llu, url %s, base %s",                          \
                  (unsigned long long)(seed), visible(url), visible(base))

static bool same(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }
static bool alike(const char *a, const char *b) { return a && b ? !strcasecmp(a, b) : a == b; }

/* Curl connects there, however the url was read. */
static void check_origin(const er_origin *origin, bool https, const reading *curl, uint64_t seed,
                         const char *url, const char *base)
{
    er_bytes key = { 0 };
    er_bytes_format(&key, "%s://%s:%s", curl->scheme, curl->host, curl->port);
    ck_url(key.at && !strcasecmp(key.at, origin->key), seed, url, base);
    ck_url(*curl->host != '-', seed, url,
           base); /* no name begins so, and in curl's list of addresses it means to forget one */
    ck_url(origin->port == strtoul(curl->port, NULL, 10), seed, url, base);
    ck_url(https == !strcasecmp(curl->scheme, "https"), seed, url, base);
    ck_url(!origin->host == er_is_address(curl->host), seed, url, base);
    ck_url(!origin->host || !strcasecmp(origin->host, curl->host), seed, url, base);
    for (const char *c = origin->key; *c; c++) ck_url(!isupper((unsigned char)*c), seed, url, base);
    er_bytes_free(&key);
}

/* A url that is read without curl: curl would have read and written all of it alike. */
static void check_plain(const char *out, size_t plain, uint64_t seed, const char *url,
                        const char *base)
{
    static const unsigned flags[] = { 0, AS_SENT };
    const char *query = strchr(out, '?'), *path = out + plain;
    size_t path_size = query ? (size_t)(query - path) : strlen(path);
    reading r;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        read_by_curl(&r, NULL, out, flags[i]);
        ck_url(r.accepted, seed, url, base);
        size_t size = strlen(
            r.url); /* without the question mark of an empty query, which curl leaves out here */
        ck_url(!strncmp(r.url, out, size) && (!out[size] || !strcmp(out + size, "?")), seed, url,
               base);
        ck_url(r.path && strlen(r.path) == path_size && !memcmp(r.path, path, path_size), seed, url,
               base);
        ck_url(same(r.query, query ? query + 1 : NULL), seed, url, base);
        reading_free(&r);
    }
    read_by_curl(&r, base, url, 0);
    ck_url(r.accepted, seed, url, base);
    size_t size = strlen(r.url); /* a later curl writes %2f in a relative url as %2F */
    ck_url(!strncasecmp(r.url, out, size) && (!out[size] || !strcmp(out + size, "?")), seed, url,
           base);
    reading_free(&r);
}

static bool is_shown(const char *text) /* all of it */
{
    while (text && *text > ' ' && *text < 0x7f) text++;
    return !text || !*text;
}

/* A url that is read by curl: the result is the same url, unless errand had to encode something
 * first. */
static void check_by_curl(const reading *sent, uint64_t seed, const char *url, const char *base)
{
    reading r, again;
    char page[MOST * 3 + 1]; /* the base without its fragment, in which curl sees folders */
    if (base) snprintf(page, sizeof page, "%.*s", (int)strcspn(base, "#"), base);
    if (*url == '#' || !is_shown(url) || !is_shown(base)) return;
    read_by_curl(&r, base ? page : NULL, url, 0);
    ck_url(r.accepted, seed, url, base);
    read_by_curl(&again, NULL, r.url,
                 0); /* it sees that "%31" is an address only on reading its own "1" */
    ck_url(same(again.host, sent->host), seed, url, base);
    ck_url(same(r.scheme, sent->scheme) && same(r.port, sent->port), seed, url, base);
    ck_url(alike(r.path, sent->path) && alike(r.query, sent->query), seed, url, base);
    reading_free(&again);
    reading_free(&r);
}

typedef struct counts {
    unsigned plain, by_curl, refused;
} counts;

static void check_url(counts *n, uint64_t seed, const char *url, const char *base)
{
    char *out = NULL;
    er_origin origin = { 0 };
    bool https = false;
    er_bytes why = { 0 };
    int error = er_url_resolve(&out, &origin, &https, url, base, &why);
    size_t plain = er_origin_plain(url),
           before = !plain && base && er_origin_plain_path(url) ? er_origin_plain(base) : 0;
    if (plain || before) {
        ck_url(!error, seed, url, base);
        check_plain(out, plain + before, seed, url, before ? base : NULL);
        n->plain++;
    } else if (error) {
        ck_url(error == EINVAL && why.size, seed, url, base);
        n->refused++;
    } else {
        n->by_curl++;
    }
    if (!error) {
        reading sent;
        read_by_curl(&sent, NULL, out, AS_SENT);
        ck_url(sent.accepted, seed, url, base);
        check_origin(&origin, https, &sent, seed, url, base);
        if (!plain && !before) check_by_curl(&sent, seed, url, base);
        reading_free(&sent);
    }
    er_origin_free(&origin);
    er_bytes_free(&why);
    free(out);
}

/* As a session reads its base_url. NULL: it is refused. */
static char *make_base(uint64_t seed)
{
    url_text url;
    char *base = NULL;
    er_origin origin = { 0 };
    bool https;
    er_bytes why = { 0 };
    make_url(&url, ~seed);
    er_url_resolve(&base, &origin, &https, url.at, NULL, &why);
    er_origin_free(&origin);
    er_bytes_free(&why);
    return base;
}

START_TEST(errand_and_curl_read_a_url_alike)
{
    uint64_t first = (uint64_t)_i << 32, each = storm(URLS) / PARTS + 1;
    counts n = { 0, 0, 0 };
    url_text url;
    for (uint64_t seed = first + 1; seed <= first + each; seed++) {
        char *base = seed % 2 ? make_base(seed) : NULL;
        make_url(&url, seed);
        check_url(&n, seed, url.at, base);
        free(base);
    }
    if (each < 1000) return;
    ck_assert_uint_gt(n.plain, each / 10); /* all three ways are gone */
    ck_assert_uint_gt(n.by_curl, each / 10);
    ck_assert_uint_gt(n.refused, each / 10);
}
END_TEST

Suite *url_fuzz_suite(void)
{
    Suite *suite = suite_create("http url fuzz");
    TCase *tc = tcase_create("curl reads the same");
    tcase_add_loop_test(tc, errand_and_curl_read_a_url_alike, 0, PARTS);
    suite_add_tcase(suite, tc);
    return suite;
}
