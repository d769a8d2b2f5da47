/* jobs/page_trail.c -- a reply may lead anywhere: a job follows it within its own origin, forward.
 *
 * The job's credentials are sent with each page, so another scheme, host or port is an error that
 * names both (lib/http/redirect.c drops them instead; pages without credentials would be of no
 * use). A service that leads in a circle would never end. A page that leads to itself or to the one
 * before is found at once; a longer circle by comparing each page with an earlier one, which is
 * replaced when the number is a power of two (Brent): so three urls are kept, however many pages
 * there are.
 *
 * All urls are written as curl writes them, so that equal ones are equal texts. */
#include "jobs/page_trail.h"

#include "base/utf8.h"
#include "http/redact.h"
#include "http/url.h"

#include <errno.h>
#include <string.h>

#define SHOWN_MOST ((size_t)300) /* bytes of what is no url */

int er_page_trail_begin(er_page_trail *trail, const char *url, const char *base)
{
    er_bytes why = { 0 };
    er_origin origin = { 0 };
    char *absolute = NULL;
    bool https;
    *trail = (er_page_trail){ .number = 1, .marked = 1 };
    int error = er_url_resolve(&absolute, &origin, &https, url, base, &why);
    er_origin_free(&origin);
    if (!error) error = er_url_follow(&trail->url, &origin, absolute, "");
    er_origin_free(&origin);
    er_free(absolute);
    er_bytes_free(&why);
    if (error && error != ENOMEM) error = EINVAL;
    if (!error && !(trail->mark = er_copy_text(trail->url))) error = ENOMEM;
    if (error) er_page_trail_free(trail);
    return error;
}

void er_page_trail_free(er_page_trail *trail)
{
    er_free(trail->url);
    er_free(trail->before);
    er_free(trail->mark);
    er_free(trail->why);
    *trail = (er_page_trail){ 0 };
}

static int say(er_page_trail *trail, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int say(er_page_trail *trail, const char *fmt, ...)
{
    er_bytes text = { 0 };
    va_list args;
    va_start(args, fmt);
    er_bytes_format(&text, "page %u ", trail->number);
    er_bytes_vformat(&text, fmt, args);
    va_end(args);
    er_free(trail->why);
    trail->why = er_bytes_take(&text);
    if (trail->why) return 0;
    er_bytes_free(&text);
    return ENOMEM;
}

int er_page_trail_lose(er_page_trail *trail, const char *why, char **next)
{
    *next = er_copy_text("");
    return *next ? say(trail, "does not say which page follows: %s", why) : ENOMEM;
}

/* Within the origin of the trail? */
static int check_origin(er_page_trail *trail, const char *from, const er_origin *there)
{
    er_origin here, replied = { 0 };
    int error = er_origin_of(&here, trail->url);
    if (error) return error;
    if (strcmp(here.key, there->key) != 0) error = er_origin_of(&replied, from);
    if (!error && replied.key && !strcmp(there->key, replied.key)) /* credentials stayed behind */
        error = say(trail,
                    "was redirected from %s to %s and leads to %s, which is not asked: give "
                    "the job the url that it is redirected to",
                    here.key, replied.key, there->key);
    else if (!error && replied.key)
        error = say(trail,
                    "leads to another host, from %s to %s: it is not asked, as it would get what "
                    "is sent to the first",
                    here.key, there->key);
    er_origin_free(&replied);
    er_origin_free(&here);
    return error;
}

static int check_forward(er_page_trail *trail, const char *next)
{
    if (!strcmp(next, trail->url)) return say(trail, "leads to itself");
    if (trail->before && !strcmp(next, trail->before))
        return say(trail, "leads to page %u again", trail->number - 1);
    return strcmp(next, trail->mark) ? 0 : say(trail, "leads to page %u again", trail->marked);
}

static int refuse_target(er_page_trail *trail, const char *target, bool too_long, char **next)
{
    size_t size = strlen(target);
    if (size > SHOWN_MOST) size = er_utf8_whole(target, SHOWN_MOST);
    *next = er_copy_bytes(target, size);
    if (!*next) return ENOMEM;
    if (too_long) return say(trail, "leads to a url that is longer than 512 KiB");
    er_bytes shown = { 0 };
    er_redact_url(&shown, *next);
    const char *text = shown.size ? shown.at : "";
    int error = shown.error ? ENOMEM
                            : say(trail, "leads to \"%s\", which is no http or https url", text);
    er_bytes_free(&shown);
    return error;
}

int er_page_trail_lead(er_page_trail *trail, const char *from, const char *target, char **next)
{
    er_origin origin = { 0 };
    char *there = NULL;
    *next = NULL;
    er_free(trail->why);
    trail->why = NULL;
    if (strlen(target) > ER_URL_MOST) return refuse_target(trail, target, true, next);
    int error = er_url_follow(&there, &origin, from, target);
    if (error == EPROTO) return refuse_target(trail, target, false, next);
    if (!error) error = check_origin(trail, from, &origin);
    er_origin_free(&origin);
    if (error || trail->why) {
        *next = there;
    } else { /* once more: the reply's url is without the userinfo of the job's */
        error = er_url_follow(next, &origin, trail->url, there);
        er_origin_free(&origin);
        er_free(there);
        if (!error) error = check_forward(trail, *next);
    }
    if (!error) return 0;
    er_free(*next);
    *next = NULL;
    return ENOMEM;
}

void er_page_trail_turn(er_page_trail *trail, char *next)
{
    er_free(trail->before);
    trail->before = trail->url;
    trail->url = next;
    trail->number++;
    if (trail->number & (trail->number - 1)) return;
    char *mark = er_copy_text(next); /* without memory the older one stays */
    if (!mark) return;
    er_free(trail->mark);
    trail->mark = mark;
    trail->marked = trail->number;
}
