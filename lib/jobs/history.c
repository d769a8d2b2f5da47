/* jobs/history.c -- the results are read first, then the journal.
 *
 *     results   {"seq", "error":{"kind","may_have_run"}, "page", "next", "job", "run"}
 *                                                        how jobs, or their pages, ended; or
 *               {"error", "seq", "kind", "may_have_run", "job", "run"}   as for OpenAI's batches
 *     journal   {"journal":1,"run","probe","inputs"}   a run begins
 *               {"sent":JOB,"seq"}                     it may be sent from here on
 *               {"unsent":JOB,"seq"}                   it was not, or the server has not begun it
 *               {"key":KEY,"job":JOB,"seq"}            the key of all its attempts
 *
 * A job is under way if a run has written "sent" for it, after it no "unsent", and there is no
 * result of that run or a later one: results carry the number of their run. A job's last result
 * counts; with pages, the last line of it is of its last page, or the job goes on behind that page.
 * A last line without an end was cut off by a crash and is no line: what it would have said has not
 * happened. */
#include "jobs/history.h"

#include "jobs/json_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)256 << 10)

typedef int line_fn(er_run_history *h, er_span line);

/* Calls fn for each whole line; *end is behind the last of them, *number is its number. */
static int each_line(int fd, line_fn *fn, er_run_history *h, uint64_t *end, uint64_t *number)
{
    er_bytes text = { 0 };
    size_t searched = 0, got = 1;
    int error = 0;
    *end = *number = 0;
    while (!error && got) {
        error = er_bytes_reserve(&text, CHUNK);
        if (!error) error = er_file_read(fd, text.at + text.size, CHUNK, &got);
        if (error) break;
        text.size += got;
        size_t from = 0;
        const char *stop;
        while (!error && (stop = memchr(text.at + searched, '\n', text.size - searched))) {
            size_t size = (size_t)(stop - text.at) - from;
            ++*number;
            error = fn(h, (er_span){ text.at + from, size });
            from += size + 1;
            searched = from;
            *end += size + 1;
        }
        er_bytes_drop(&text, from);
        searched = text.size;
    }
    er_bytes_free(&text);
    return error;
}

static int count_lines(int fd, size_t *lines)
{
    char *chunk = er_alloc(CHUNK);
    size_t got = 1;
    int error = chunk ? 0 : ENOMEM;
    *lines = 0;
    while (!error && got) {
        error = er_file_read(fd, chunk, CHUNK, &got);
        const char *at = chunk, *end = chunk + got;
        while (!error && (at = memchr(at, '\n', (size_t)(end - at)))) {
            ++*lines;
            at++;
        }
    }
    er_free(chunk);
    return error;
}

/* ---- values ---- */

static bool is(er_span text, const char *word)
{
    return text.size == strlen(word) && !memcmp(text.at, word, text.size);
}

static bool number_of(er_span text, uint64_t most, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(text.at[i] - '0');
        if (digit > 9 || *number > (most - digit) / 10) return false;
        *number = *number * 10 + digit;
    }
    return text.size;
}

static bool hash_of(er_span text, uint64_t *hash) /* 16 hexadecimal digits, in quotes */
{
    static const char digits[] = "0123456789abcdef";
    *hash = 0;
    if (text.size != 18) return false;
    for (size_t i = 1; i < 17; i++) {
        const char *digit = strchr(digits, text.at[i]);
        if (!digit || !*digit) return false;
        *hash = *hash << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

static bool kind_of(er_span text, errand_kind *kind)
{
    for (int k = ERRAND_KIND_OK; k <= ERRAND_KIND_UNKNOWN; k++) {
        const char *name = errand_kind_name((errand_kind)k);
        *kind = (errand_kind)k;
        if (text.size == strlen(name) + 2 && !memcmp(text.at + 1, name, text.size - 2)) return true;
    }
    return false;
}

static bool is_object(er_span line)
{
    size_t where;
    const char *why;
    return !er_json_check(line, &where, &why) && er_json_trim(line).at[0] == '{';
}

/* ---- results ---- */

static bool error_of(er_span error, er_job_state *state)
{
    size_t cursor = 0;
    er_span key, value;
    bool kind = false;
    if (is(error, "null")) return true;
    while (error.at[0] == '{' && er_json_member(error, &cursor, &key, &value)) {
        if (is(key, "\"kind\"")) kind = kind_of(value, &state->kind);
        else if (is(key, "\"may_have_run\"")) state->may_have_run = is(value, "true");
    }
    return kind;
}

typedef struct result_keys { /* of a result line */
    er_job_ref ref;
    er_job_state state;
    uint64_t run, page;
    er_span url, next; /* at NULL: none */
    bool placed, hashed, ended, wrong;
} result_keys;

static void read_result_key(result_keys *r, er_span key, er_span value)
{
    if (is(key, "\"seq\"")) r->placed = number_of(value, ER_JOB_SEQ_MOST, &r->ref.seq);
    else if (is(key, "\"error\"")) r->ended = error_of(value, &r->state);
    else if (is(key, "\"kind\"")) r->ended = kind_of(value, &r->state.kind);
    else if (is(key, "\"may_have_run\"")) r->state.may_have_run = is(value, "true");
    else if (is(key, "\"page\"")) r->wrong |= !number_of(value, UINT32_MAX, &r->page);
    else if (is(key, "\"url\"")) r->url = value.at[0] == '"' ? value : (er_span){ NULL, 0 };
    else if (is(key, "\"next\"")) r->next = value.at[0] == '"' ? value : (er_span){ NULL, 0 };
    else if (is(key, "\"job\"")) r->hashed = hash_of(value, &r->ref.hash);
    else if (is(key, "\"run\"")) r->wrong |= !number_of(value, ER_JOB_RUNS_MOST, &r->run);
}

/* A page leads to another one. If its reply did not say which, it is asked for again. */
static int mark_page(er_run_history *h, const result_keys *r)
{
    size_t size;
    bool lost = is(r->next, "\"\"");
    if (lost && (r->page < 2 || !r->url.at)) {
        er_page_marks_end(&h->marks, r->ref, r->state.run, 0);
        return 0;
    }
    char *url = er_json_decode(lost ? r->url : r->next, &size);
    unsigned page = (unsigned)r->page + !lost;
    return url ? er_page_marks_set(&h->marks, r->ref, r->state.run, page, url) : ENOMEM;
}

static int result_line(er_run_history *h, er_span line)
{
    if (!is_object(line)) return EBADMSG;
    result_keys r = { .state.kind = ERRAND_KIND_OK };
    size_t cursor = 0;
    er_span key, value;
    line = er_json_trim(line);
    while (er_json_member(line, &cursor, &key, &value)) read_result_key(&r, key, value);
    if (r.wrong || !r.placed || !r.hashed || !r.ended || !r.run) return EBADMSG;
    bool succeeded = r.state.kind == ERRAND_KIND_OK;
    r.state.run = (unsigned)r.run;
    r.state.has_next = succeeded && r.next.at && r.page < h->max_pages;
    int error = er_job_states_set(&h->states, r.ref, &r.state);
    if (!error && r.state.has_next) return mark_page(h, &r);
    if (!error) er_page_marks_end(&h->marks, r.ref, r.state.run, succeeded ? 0 : (unsigned)r.page);
    return error;
}

/* ---- the journal ---- */

bool er_run_history_same(const er_run_history *h, er_span inputs)
{
    return !h->inputs_differ && inputs.size == h->inputs.size &&
           !memcmp(inputs.at, h->inputs.at ? h->inputs.at : "", inputs.size);
}

static int run_begins(er_run_history *h, er_span line)
{
    size_t cursor = 0;
    uint64_t form = 0, run = 0, probe = 0;
    er_span key, value, inputs = { "", 0 };
    while (er_json_member(line, &cursor, &key, &value)) {
        if (is(key, "\"journal\"") && !number_of(value, UINT64_MAX, &form)) return EBADMSG;
        if (is(key, "\"run\"") && !number_of(value, ER_JOB_RUNS_MOST, &run)) return EBADMSG;
        if (is(key, "\"probe\"") && !hash_of(value, &probe)) return EBADMSG;
        if (is(key, "\"inputs\"")) inputs = value;
    }
    if (form != 1 || run != h->runs + 1) return EBADMSG;
    if (!h->runs) er_bytes_add(&h->inputs, inputs.at, inputs.size);
    else if (!er_run_history_same(h, inputs)) h->inputs_differ = true;
    h->runs = (unsigned)run;
    h->probe = probe;
    return h->inputs.error;
}

static int sent(er_run_history *h, er_job_ref ref, bool taken_back)
{
    er_job_state before = { 0 }, now = { .run = h->runs, .under_way = true };
    bool known = er_job_states_get(&h->states, ref, &before);
    if (taken_back) {
        if (known && before.under_way && before.run == h->runs)
            er_job_states_forget(&h->states, ref);
        return 0;
    }
    return known && before.run >= h->runs ? 0 : er_job_states_set(&h->states, ref, &now);
}

static int keep_key(er_run_history *h, er_job_ref ref, er_span key)
{
    er_job_state state = { 0 };
    bool known = er_job_states_get(&h->states, ref, &state);
    if (known && !state.under_way && state.kind == ERRAND_KIND_OK) return 0;
    if (!(h->n_keys & (h->n_keys + 1)) || !h->keys) { /* full: 0, 1, 3, 7 ... */
        er_kept_key *keys = er_resize(h->keys, (2 * h->n_keys + 1) * sizeof *keys);
        if (!keys) return ENOMEM;
        h->keys = keys;
    }
    size_t size;
    char *text = er_json_decode(key, &size);
    if (!text) return ENOMEM;
    h->keys[h->n_keys++] = (er_kept_key){ .job = ref, .key = text };
    return 0;
}

static int journal_line(er_run_history *h, er_span line)
{
    if (!is_object(line)) return EBADMSG;
    er_job_ref ref = { 0, 0 };
    size_t cursor = 0;
    er_span key, value, first = { NULL, 0 }, made = { NULL, 0 };
    bool hashed = false, placed = false;
    line = er_json_trim(line);
    while (er_json_member(line, &cursor, &key, &value)) {
        if (!first.at) first = key;
        if (is(first, "\"journal\"")) return run_begins(h, line);
        if (is(key, "\"sent\"") || is(key, "\"unsent\"") || is(key, "\"job\""))
            hashed = hash_of(value, &ref.hash);
        else if (is(key, "\"seq\"")) placed = number_of(value, ER_JOB_SEQ_MOST, &ref.seq);
        else if (is(key, "\"key\"") && value.at[0] == '"') made = value;
    }
    if (!hashed || !placed || !h->runs) return EBADMSG;
    if (made.at) return keep_key(h, ref, made);
    return sent(h, ref, is(first, "\"unsent\""));
}

/* ---- both ---- */

static int by_job(const void *a, const void *b)
{
    const er_job_ref *x = &((const er_kept_key *)a)->job, *y = &((const er_kept_key *)b)->job;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

int er_run_history_read(er_run_history *h, int results, int journal, er_bytes *why)
{
    size_t lines = 0;
    uint64_t number = 0;
    *h = (er_run_history){ .max_pages = h->max_pages };
    int error = count_lines(results, &lines);
    if (!error) error = er_file_rewind(results);
    if (!error) error = er_job_states_init(&h->states, lines);
    if (!error) error = each_line(results, result_line, h, &h->results_end, &number);
    if (error == EBADMSG)
        er_bytes_format(why, "line %llu is not a result of a run with a journal",
                        (unsigned long long)number);
    if (error) return error;
    error = each_line(journal, journal_line, h, &h->journal_end, &number);
    if (error == EBADMSG)
        er_bytes_format(why, "line %llu of its journal is damaged", (unsigned long long)number);
    if (h->n_keys) qsort(h->keys, h->n_keys, sizeof *h->keys, by_job);
    return error;
}

void er_run_history_free(er_run_history *h)
{
    for (size_t i = 0; i < h->n_keys; i++) er_free(h->keys[i].key);
    er_free(h->keys);
    er_job_states_free(&h->states);
    er_page_marks_free(&h->marks);
    er_bytes_free(&h->inputs);
    *h = (er_run_history){ 0 };
}

const char *er_run_history_key(er_run_history *h, er_job_ref job)
{
    size_t from = 0, to = h->n_keys;
    er_kept_key wanted = { .job = job };
    if (h->states.by_content) wanted.job.seq = 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (by_job(&h->keys[middle], &wanted) < 0) from = middle + 1;
        else to = middle;
    }
    for (; from < h->n_keys && h->keys[from].job.hash == job.hash; from++) {
        if (!h->states.by_content && h->keys[from].job.seq != job.seq) break;
        if (h->keys[from].used && h->states.by_content && !(job.hash & ER_JOB_HAS_ID)) continue;
        h->keys[from].used = true;
        return h->keys[from].key;
    }
    return NULL;
}
