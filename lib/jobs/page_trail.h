/* jobs/page_trail.h -- the way of a job through its pages. */
#ifndef ER_PAGE_TRAIL_H
#define ER_PAGE_TRAIL_H

#include "base/bytes.h"

typedef struct er_page_trail {
    unsigned number; /* of the page that the job is at, from 1 */
    char *url;       /* its url: absolute, with its userinfo; NULL: the trail has not begun */
    char *before;    /* of the page before; NULL: none */
    char *mark;      /* of an earlier page, */
    unsigned marked; /* which has this number */
    char *why;       /* why the next page cannot be asked for; NULL: it can */
    int64_t ends_ns; /* when the job's time is over; 0: no limit, or it has not begun */
} er_page_trail;

/* At page 1. 0, ENOMEM, or EINVAL: the url cannot be resolved. */
int er_page_trail_begin(er_page_trail *trail, const char *url, const char *base);
void er_page_trail_free(er_page_trail *trail);

/* The reply, which came from the url `from`, leads to `target`: *next is an absolute url, or the
 * target as it was written, cut short, if that is no url. Sets trail->why. 0 or ENOMEM. */
int er_page_trail_lead(er_page_trail *trail, const char *from, const char *target, char **next);

/* The reply does not say which page follows, but has what `why` says: *next is "". Sets trail->why.
 * 0 or ENOMEM. */
int er_page_trail_lose(er_page_trail *trail, const char *why, char **next);

/* Goes to the next page; it owns `next` from then on. */
void er_page_trail_turn(er_page_trail *trail, char *next);

#endif
