/* jobs/page_marks.h -- at which page jobs of earlier runs go on. */
#ifndef ER_PAGE_MARKS_H
#define ER_PAGE_MARKS_H

#include "jobs/job_states.h"

typedef struct er_page_mark {
    struct er_page_mark *below; /* in its bucket */
    er_job_ref job;
    unsigned run;  /* that has left it */
    unsigned page; /* the one to be asked for, */
    char *url;     /* and its url, as result lines show it */
    bool used;
} er_page_mark;

typedef struct er_page_marks {
    er_page_mark **buckets;
    size_t n, room; /* a power of two, or 0 */
} er_page_marks;

/* In the place of what was known of this job; it owns the url. ENOMEM: the url is freed. */
int er_page_marks_set(er_page_marks *marks, er_job_ref job, unsigned run, unsigned page, char *url);
/* The job's last line is of this run and page: forgets what it knows about another one, but
 * for the page before, whose reply did not say which page follows. 0: all is done. */
void er_page_marks_end(er_page_marks *marks, er_job_ref job, unsigned run, unsigned page);
/* The mark of this job, by its hash alone if by_content, each mark once; NULL: page 1. */
const er_page_mark *er_page_marks_use(er_page_marks *marks, er_job_ref job, bool by_content);
void er_page_marks_free(er_page_marks *marks);

#endif
