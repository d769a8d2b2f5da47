/* jobs/next_page.h -- what a reply says about the page that follows it. */
#ifndef ER_NEXT_PAGE_H
#define ER_NEXT_PAGE_H

#include "base/bytes.h"

#include <errand/response.h>

typedef enum er_next_form {
    ER_NEXT_NONE,
    ER_NEXT_LINK,    /* a Link header with rel="next" */
    ER_NEXT_POINTER, /* a url in the body */
    ER_NEXT_CURSOR   /* a value in the body, for a parameter of the url */
} er_next_form;

typedef struct er_next_page {
    er_next_form form;
    char *pointer; /* into the body, valid; NULL: a link */
    char *param;   /* of a cursor; else NULL */
} er_next_page;

/* Reads "link", a JSON pointer or "cursor=POINTER,PARAM". 0, ENOMEM, or EINVAL: *why. */
int er_next_page_read(er_next_page *next, const char *text, er_bytes *why);
void er_next_page_free(er_next_page *next);

/* Adds an absolute url as er_redact_url() does, but with the values of parameters that say which
 * page it is: the cursor's, and those with names that services give to them. */
void er_next_page_show(const er_next_page *next, er_bytes *to, const char *url);

/* Finds the next page in a reply to `asked`, an absolute url: *target is a url, perhaps relative to
 * the reply's, in memory that the caller frees; NULL: this is the last page. 0, ENOMEM, or EBADMSG:
 * the reply does not say it in this form: *why has what it has. */
int er_next_page_find(const er_next_page *next, const errand_response *response, const char *asked,
                      char **target, er_bytes *why);

#endif
