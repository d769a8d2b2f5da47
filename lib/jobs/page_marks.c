/* jobs/page_marks.c -- a hash table of the jobs that are between their first page and their last.
 *
 * The results are read from their beginning, so a job is here from the line of its first page to
 * that of its last: memory goes with the jobs that were at work at the same time, or were left, and
 * not with those that are done. What a bucket has is few, also where ids are chosen to collide: a
 * job needs a whole result line to be here. */
#include "jobs/page_marks.h"

#include <errno.h>

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
static er_page_mark **find(const er_page_marks *marks, er_job_ref job, bool by_content)
{
    er_page_mark **link = bucket(marks, job.hash);
    for (; *link; link = &(*link)->below) {
        const er_page_mark *m = *link;
        if (m->job.hash != job.hash) continue;
        if (by_content ? !m->used : m->job.seq == job.seq) break;
    }
    return link;
}

int er_page_marks_set(er_page_marks *marks, er_job_ref job, unsigned page, char *url)
{
    int error = marks->n >= marks->room ? grow(marks) : 0;
    er_page_mark **link = error ? NULL : find(marks, job, false), *m = link ? *link : NULL;
    if (!error && !m) {
        m = er_alloc_zero(sizeof *m);
        if (!m) error = ENOMEM;
        else *link = m, marks->n++;
    }
    if (error) {
        er_free(url);
        return error;
    }
    er_free(m->url);
    m->job = job;
    m->page = page;
    m->url = url;
    return 0;
}

void er_page_marks_end(er_page_marks *marks, er_job_ref job, unsigned page)
{
    er_page_mark **link = marks->n ? find(marks, job, false) : NULL;
    if (link && !*link) link = find(marks, job, true); /* it was left under another place */
    er_page_mark *m = link ? *link : NULL;
    if (!m || m->page == page || m->page + 1 == page) return;
    *link = m->below;
    marks->n--;
    er_free(m->url);
    er_free(m);
}

const er_page_mark *er_page_marks_use(er_page_marks *marks, er_job_ref job, bool by_content)
{
    er_page_mark *m = marks->n ? *find(marks, job, by_content) : NULL;
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
