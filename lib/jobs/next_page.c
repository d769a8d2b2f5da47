/* jobs/next_page.c -- three forms in which services lead from page to page.
 *
 *     link                  Link: </items?page=2>; rel="next"                       the target
 *     /paging/next          {"paging": {"next": "/items?page=2"}}                   that text
 *     cursor=/next,after    {"next": "opaque"}        the url that was asked for, with after=opaque
 *
 * Services end their pages in different ways: nothing is there, or null, "" or false. Any other
 * value that is no text (or number, as a cursor) is an error, and so is a body that is no JSON: to
 * take that for the last page would lose the others without a word. A number keeps its digits. */
#include "jobs/next_page.h"

#include "http/link.h"
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
    er_bytes_format(why, "where the next page is, at \"%.200s\", the reply has %s", next->pointer,
                    what);
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
    if (number && next->form == ER_NEXT_POINTER) return not_said(why, next, "a number, and no url");
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
        er_bytes_format(why,
                        "the reply is no JSON, so whether a page follows is not known: %s, at "
                        "byte %zu",
                        wrong, where + 1);
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
