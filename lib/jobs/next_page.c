/* jobs/next_page.c -- three forms in which services lead from page to page.
 *
 *     link                  Link: </items?page=2>; rel="next"                       the target
 *     /paging/next          {"paging": {"next": "/items?page=2"}}                   that text
 *     cursor=/next,after    {"next": "opaque"}        the url that was asked for, with after=opaque
 *
 * Services end their pages in different ways: nothing is there, or null, "" or false. Any other
 * value that is no text (or number, as a cursor) is an error, and so is a body that is no JSON: to
 * take that for the last page would lose the others without a word. A number keeps its digits.
 *
 * A position is shown, also if its name sounds like a secret, as "pageToken": a later run goes on
 * there. A parameter of a cursor is one as it was said to be one; others are known by their names,
 * without case, "-", "_" and "$". */
#include "jobs/next_page.h"

#include "http/link.h"
#include "http/redact.h"
#include "http/sanitize.h"
#include "http/url.h"
#include "jobs/json_pointer.h"

#include <errno.h>
#include <string.h>

static int refuse(er_bytes *why, const char *what)
{
    er_bytes_text(why, what);
    return EINVAL;
}

static int read_cursor(er_next_page *next, const char *text, er_bytes *why)
{
    const char *comma = strrchr(text, ','); /* a pointer may have one as well */
    if (!comma || !comma[1])
        return refuse(why, "behind \"cursor=\" a JSON pointer, a comma and a parameter are wanted: "
                           "cursor=/next_cursor,cursor");
    next->form = ER_NEXT_CURSOR;
    next->pointer = er_copy_bytes(text, (size_t)(comma - text));
    next->param = er_copy_text(comma + 1);
    return next->pointer && next->param ? 0 : ENOMEM;
}

int er_next_page_read(er_next_page *next, const char *text, er_bytes *why)
{
    static const char cursor[] = "cursor=";
    int error = 0;
    *next = (er_next_page){ .form = ER_NEXT_LINK };
    if (!strcmp(text, "link")) return 0;
    if (!strncmp(text, cursor, sizeof cursor - 1)) {
        error = read_cursor(next, text + sizeof cursor - 1, why);
    } else if (*text == '/') {
        next->form = ER_NEXT_POINTER;
        next->pointer = er_copy_text(text);
        if (!next->pointer) error = ENOMEM;
    } else {
        error = refuse(why, "link, a JSON pointer such as /paging/next, or cursor=POINTER,PARAM is "
                            "wanted");
    }
    if (!error && !er_json_pointer_valid(next->pointer)) {
        er_bytes_format(why, "\"%.200s\" is no JSON pointer", next->pointer);
        error = EINVAL;
    }
    if (error) er_next_page_free(next);
    return error;
}

void er_next_page_free(er_next_page *next)
{
    er_free(next->pointer);
    er_free(next->param);
    *next = (er_next_page){ 0 };
}

static bool is_word(er_span v, const char *word)
{
    return v.size == strlen(word) && !memcmp(v.at, word, v.size);
}

static bool is_number(er_span v) { return v.at[0] == '-' || (v.at[0] >= '0' && v.at[0] <= '9'); }

static int not_said(er_bytes *why, const er_next_page *next, const char *what)
{
    er_bytes_format(why, "the reply has %s at \"%.200s\", not a %s", what, next->pointer,
                    next->form == ER_NEXT_POINTER ? "url" : "cursor");
    return why->error ? ENOMEM : EBADMSG;
}

/* The text of a value; NULL: it says that there is none. */
static int text_of(const er_next_page *next, er_span value, char **text, er_bytes *why)
{
    size_t size = value.size;
    if (!value.at || is_word(value, "null") || is_word(value, "false") || is_word(value, "\"\""))
        return 0;
    bool number = is_number(value);
    if (value.at[0] == '{') return not_said(why, next, "an object");
    if (value.at[0] == '[') return not_said(why, next, "an array");
    if (is_word(value, "true")) return not_said(why, next, "true");
    if (number && next->form == ER_NEXT_POINTER) return not_said(why, next, "a number");
    *text = number ? er_copy_bytes(value.at, size) : er_json_decode(value, &size);
    if (!*text) return ENOMEM;
    return strlen(*text) < size ? not_said(why, next, "a text with a NUL character") : 0;
}

static int find_in_body(const er_next_page *next, const errand_response *response, char **text,
                        er_bytes *why)
{
    errand_bytes body = errand_response_body(response);
    er_span json = { body.at, body.size }, value = { NULL, 0 };
    size_t where;
    const char *wrong;
    if (!body.size) return 0;
    if (er_json_check(json, &where, &wrong)) {
        er_bytes_format(why, "the reply is no JSON: %s, at byte %zu", wrong, where + 1);
        return why->error ? ENOMEM : EBADMSG;
    }
    int error = er_json_pointer_find(json, next->pointer, &value);
    return error ? error : text_of(next, value, text, why);
}

static int put_cursor(const er_next_page *next, const char *asked, char **text)
{
    er_bytes url = { 0 };
    er_url_set_param(&url, asked, &(errand_param){ next->param, *text });
    er_free(*text);
    *text = er_bytes_take(&url);
    if (!*text) er_bytes_free(&url);
    return *text ? 0 : ENOMEM;
}

/* ---- urls that are shown ---- */

#define NAME_MOST ((size_t)256) /* bytes of a parameter's name; longer ones are no positions */

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = er_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A name in a query as it is meant; without its end. */
static size_t decode_name(char *plain, const char *name, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        int high = size - i > 2 && name[i] == '%' ? hex(name[i + 1]) : -1,
            low = high < 0 ? -1 : hex(name[i + 2]);
        plain[n++] = name[i] == '+' ? ' ' : name[i];
        if (low < 0) continue;
        plain[n - 1] = (char)(high << 4 | low);
        i += 2;
    }
    return n;
}

static bool is_position(const er_next_page *next, const char *name, size_t size)
{
    static const char *const names[] = {
        "pagetoken",    "nexttoken", "nextpagetoken", "continuationtoken", "nextcontinuationtoken",
        "continuation", "cursor",    "nextcursor",    "skiptoken",         "synctoken",
        "deltatoken",   "marker",    "nextmarker",    "startingtoken",     "paginationtoken",
        "nextpagekey"
    };
    char plain[NAME_MOST];
    if (size > sizeof plain) return false;
    size_t all = decode_name(plain, name, size), n = 0;
    if (next->param && all == strlen(next->param) && !memcmp(plain, next->param, all)) return true;
    for (size_t i = 0; i < all; i++) {
        if (!strchr("-_$", plain[i]) || !plain[i]) plain[n++] = er_lower(plain[i]);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (n == strlen(names[i]) && !memcmp(plain, names[i], n)) return true;
    }
    return false;
}

/* One parameter, with the "?" or "&" before it. */
static void show_param(const er_next_page *next, er_bytes *to, const char *param, size_t size)
{
    const char *sign = memchr(param, '=', size);
    if (sign && is_position(next, param + 1, (size_t)(sign - param - 1))) {
        er_bytes_add(to, param, size);
        return;
    }
    size_t at = to->size;
    char *alone = er_copy_bytes(param, size);
    if (!alone) {
        to->error = ENOMEM;
        return;
    }
    *alone = '?';
    er_redact_text(to, alone);
    er_free(alone);
    if (!to->error) to->at[at] = *param;
}

void er_next_page_show(const er_next_page *next, er_bytes *to, const char *url)
{
    size_t size = strcspn(url, "?#");
    char *path = er_copy_bytes(url, size);
    if (!path) {
        to->error = ENOMEM;
        return;
    }
    er_redact_url(to, path);
    er_free(path);
    for (const char *at = url + size; *at && *at != '#'; at += size) {
        size = 1 + strcspn(at + 1, "&#");
        show_param(next, to, at, size);
    }
}

int er_next_page_find(const er_next_page *next, const errand_response *response, const char *asked,
                      char **target, er_bytes *why)
{
    *target = NULL;
    int error = next->form == ER_NEXT_LINK ? er_link_find(response, "next", target)
                                           : find_in_body(next, response, target, why);
    if (!error && *target && next->form == ER_NEXT_CURSOR) error = put_cursor(next, asked, target);
    if (error) er_free(*target);
    if (error) *target = NULL;
    return error;
}
