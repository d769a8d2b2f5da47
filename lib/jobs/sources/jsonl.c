/* jobs/sources/jsonl.c -- a line is a job as it stands. */
#include "jobs/sources/jsonl.h"

static int next(er_source *source, er_line *line) { return er_lines_line(source->lines, line); }

const er_source_kind er_source_jsonl = {
    .format = ERRAND_JOBS_JSONL, .one = "job", .many = "jobs", .next = next
};
