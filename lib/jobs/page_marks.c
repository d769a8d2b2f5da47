/* jobs/page_marks.c -- a hash table of the jobs that are between their first page and their last.
 *
 * The results are read from their beginning, so a job is here from the line of its first page to
 * that of its last: memory goes with the jobs that were at work at the same time, or were left, and
 * not with those that are done. What a bucket has is few, also where ids are chosen to collide: a
 * job needs a whole result line to be here. */
#include "jobs/page_marks.h"

#include <errno.h>
#include <limits.h>

static er_page_mark **bucket(const er_page_marks *marks, uint64_t hash)
{
    return &marks->buckets[er_random_next(&hash) & (marks->room - 1)];
}

static int grow(er_page_marks *marks)
{
    er_page_marks more = { .n = marks->n, .room = marks->room ? 2 * marks->room : 64 };
    more.buckets = er_alloc_zero(more.room * sizeof *more.buckets);
    if (!more.buckets) return ENOMEM;
    for (size_t i = 0; i < marks->room; i++) {
        for (er_page_mark *m = marks->buckets[i], *below; m; m = below) {
            er_page_mark **to = bucket(&more, m->job.hash);
            below = m->below;
            m->below = *to;
            *to = m;
        }
    }
    er_free(marks->buckets);
    *marks = more;
    return 0;
}

/* Where the job's mark hangs; *link NULL: it has none. Not of an empty table. */
static er_page_mark **find(const er_page_marks *marks, er_job_ref job)
{
    er_page_mark **link = bucket(marks, job.hash);
    while (*link && ((*link)->job.hash != job.hash || (*link)->job.seq != job.seq))
        link = &(*link)->below;
    return link;
}

/* The same of an equal job that runs before `run` have left; marks that are used do not count. */
static er_page_mark **find_equal(const er_page_marks *marks, er_job_ref job, unsigned run)
{
    er_page_mark **link = bucket(marks, job.hash);
    while (*link && ((*link)->job.hash != job.hash || (*link)->used || (*link)->run >= run))
        link = &(*link)->below;
    return link;
}

/* The job's mark, a new one if it has none. NULL: no memory. */
static er_page_mark *mark_of(er_page_marks *marks, er_job_ref job)
{
    if (marks->n >= marks->room && grow(marks)) return NULL;
    er_page_mark **link = find(marks, job);
    if (!*link && (*link = er_alloc_zero(sizeof **link))) marks->n++;
    return *link;
}

int er_page_marks_set(er_page_marks *marks, er_job_ref job, unsigned run, unsigned page, char *url)
{
    er_page_mark *m = mark_of(marks, job);
    if (!m) {
        er_free(url);
        return ENOMEM;
    }
    er_free(m->url);
    m->job = job;
    m->run = run;
    m->page = page;
    m->url = url;
    return 0;
}

void er_page_marks_end(er_page_marks *marks, er_job_ref job, unsigned run, unsigned page)
{
    er_page_mark **link = marks->n ? find(marks, job) : NULL;
    if (link && !*link) link = find_equal(marks, job, run); /* it was left under another place */
    er_page_mark *m = link ? *link : NULL;
    if (!m || m->page == page || m->page + 1 == page) return;
    *link = m->below;
    marks->n--;
    er_free(m->url);
    er_free(m);
}

const er_page_mark *er_page_marks_use(er_page_marks *marks, er_job_ref job, bool by_content)
{
    if (!marks->n) return NULL;
    er_page_mark *m = by_content ? *find_equal(marks, job, UINT_MAX) : *find(marks, job);
    if (m) m->used = true;
    return m;
}

void er_page_marks_free(er_page_marks *marks)
{
    for (size_t i = 0; i < marks->room; i++) {
        for (er_page_mark *m = marks->buckets[i], *below; m; m = below) {
            below = m->below;
            er_free(m->url);
            er_free(m);
        }
    }
    er_free(marks->buckets);
    *marks = (er_page_marks){ 0 };
}
