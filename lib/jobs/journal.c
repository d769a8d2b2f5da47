/* jobs/journal.c -- intents are on disk before the first byte is sent, many with one sync.
 *
 *     before_send: line --> waiting --commit: write, fdatasync--> promises resolved --> sent
 *     put:         result line --> results             (a result ends what its intent began)
 *
 * An attempt needs an intent if a repeat could do harm, and a job whose idempotency key was made
 * here needs that key on disk; all others go by the journal without a stop. Lines gather while a
 * commit is at work: the thread that adds one to an idle journal submits the next commit, which
 * goes on until nothing waits. A job has at most one line on the way, so this ends. One commit is
 * at work from its start until it leaves, and it alone writes.
 *
 * The first error of the journal stays: what waits fails with it, and nothing more is sent. A line
 * that was written in part is cut off again, or by the next run: history.c.
 *
 * The results are not synced with each line. If the system crashes, an intent without a result is
 * what is left of such a job, and it is reported as unknown, or sent again with its key.
 *
 * One run at a time: both files are locked, so that a second name of one of them is no way around
 * that. Others may read them. */
#include "jobs/journal.h"

#include "base/list.h"
#include "base/result.h"
#include "async/submit.h"
#include "http/classify.h"
#include "http/sanitize.h"
#include "jobs/history.h"
#include "jobs/job_hash.h"

#include <errand/promise.h>
#include <errand/version.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

typedef struct waiter {
    er_node node;
    errand_promise *promise;
} waiter;

struct er_journal {
    errand_pool *pool;
    char *path;
    int results, fd;
    uint64_t results_size; /* the writer's */
    unsigned run;
    unsigned retry_kinds; /* as errand_jobs_opts has it */
    bool repeat_unknown;
    bool peeks;   /* the files are read only */
    er_lock lock; /* guards the rest */
    er_run_history history;
    er_bytes waiting;       /* lines that are not written yet */
    er_list waiters;        /* for them */
    uint64_t size;          /* of what is written */
    uint64_t commits, kept; /* how many were started; which of them `commit` is */
    errand_future *commit;  /* NULL: none yet */
    bool committing;        /* a commit is submitted, until it has left */
    bool begun;             /* the commit's: its function has been called */
    errand_promise *finish; /* of er_journal_finish; NULL: none waits */
    int error;
};

/* ---- opening ---- */

/* What identifies the input: paths, sizes, times of change, and what numbers its records. Standard
 * input is never the same. */
static void put_inputs(er_bytes *out, const errand_jobs_opts *opts)
{
    static const char *const only_stdin[] = { "-", NULL };
    const char *const *files = opts->files ? opts->files : only_stdin;
    er_bytes_format(out, "{\"\":\"format %d, delimiter %d\"", (int)opts->format, opts->delimiter);
    for (; *files; files++) {
        er_file_about about = { 0 };
        char *path = NULL;
        bool stdin_too = !strcmp(*files, "-");
        int error = stdin_too ? ENOENT : er_file_absolute(*files, &path);
        if (!error) error = er_file_look_at(path, &about);
        const char *name = path ? path : *files;
        er_bytes_text(out, ",");
        er_json_quote_any(out, name);
        if (error || !about.regular) er_bytes_text(out, ":null");
        else
            er_bytes_format(out, ":{\"size\":%llu,\"changed\":%lld}",
                            (unsigned long long)about.size, (long long)about.changed_ns);
        er_free(path);
    }
    er_bytes_text(out, "}");
}

static int open_file(const char *path, int flags, er_bytes *why, int *fd, uint64_t *size)
{
    er_file_about about = { 0 };
    int error = er_file_open(path, flags | O_NONBLOCK | O_NOCTTY, fd);
    if (error) *fd = -1;
    if (!error) error = er_file_look(*fd, &about);
    if (error) {
        er_bytes_format(why, "%s: %s", path, errand_strerror(error));
    } else if (!about.regular) {
        er_bytes_format(why, "%s: it is not a regular file", path);
        error = ESPIPE;
    }
    *size = about.size;
    return error;
}

/* Without making them: what is there already. */
static int refuse_results(const er_journal *j, const char *path, er_bytes *why)
{
    er_file_about about;
    bool results = !er_file_look_at(path, &about) && about.regular && about.size;
    if (!results && (er_file_look_at(j->path, &about) || !about.size)) return 0;
    er_bytes_format(why, "%s: it has %s already", path, results ? "results" : "a journal");
    return EEXIST;
}

/* The server has answered that it did not do it, with a 4xx; a 5xx or no answer leaves that open.
 */
static bool was_refused(errand_kind kind)
{
    return kind == ERRAND_KIND_HTTP_CLIENT || kind == ERRAND_KIND_AUTH ||
           kind == ERRAND_KIND_RATE_LIMITED;
}

static er_job_fate judge(const er_job_state *state, void *arg)
{
    const er_journal *j = arg;
    if (state->under_way) return j->repeat_unknown ? ER_JOB_RUN : ER_JOB_UNKNOWN_OR_RUN;
    if (state->has_next) return ER_JOB_RUN;
    if (state->kind == ERRAND_KIND_OK) return ER_JOB_SKIP;
    if (state->kind == ERRAND_KIND_CANCELLED && !state->may_have_run) return ER_JOB_RUN;
    if (state->kind == ERRAND_KIND_UNKNOWN || state->kind == ERRAND_KIND_CANCELLED)
        return j->repeat_unknown ? ER_JOB_RUN : ER_JOB_SKIP_FAILED;
    if (!(j->retry_kinds >> state->kind & 1)) return ER_JOB_SKIP_FAILED;
    bool open = state->may_have_run && !was_refused(state->kind);
    return open && !j->repeat_unknown ? ER_JOB_RUN_IF_SAFE : ER_JOB_RUN;
}

static int read_history(er_journal *j, const char *path, const er_bytes *inputs, er_bytes *why)
{
    er_bytes what = { 0 };
    er_run_history *h = &j->history;
    int error = er_run_history_read(h, j->results, j->fd, &what);
    if (!error && !j->peeks) error = er_file_cut(j->results, h->results_end);
    if (!error && !j->peeks) error = er_file_cut(j->fd, h->journal_end);
    if (!error && h->runs && h->probe != er_job_hash_probe()) {
        error = EBADMSG;
        er_bytes_text(&what, "its journal is of another version or machine");
    }
    if (!error && h->runs >= ER_JOB_RUNS_MOST) error = EOVERFLOW;
    j->size = h->journal_end;
    j->results_size = h->results_end;
    j->run = h->runs + 1;
    if (error) er_bytes_format(why, "%s: %s", path, what.size ? what.at : errand_strerror(error));
    er_bytes_free(&what);
    if (error || !h->runs) return error;
    bool same = er_run_history_same(h, (er_span){ inputs->at, inputs->size });
    if (same && !strstr(inputs->at, ":null")) return 0;
    if (!same)
        er_bytes_format(why,
                        "%s: the input is not the same as in the runs before; jobs are "
                        "recognised by id, or by what they request",
                        path);
    return er_job_states_match_content(&h->states, judge, j);
}

static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) + 1 : 1;
    char *folder = er_copy_bytes(slash ? path : ".", size);
    int fd = -1, error = folder ? er_file_open(folder, O_RDONLY | O_DIRECTORY, &fd) : ENOMEM;
    er_free(folder);
    if (error) return error == ENOMEM ? error : 0; /* a folder may be searched and not read */
    error = er_file_sync(fd);
    er_file_close(fd);
    return error == EINVAL ? 0 : error; /* some file systems cannot */
}

/* One commit, of the lines that wait, by the only thread that may write. */
static int write_out(er_journal *j, const er_bytes *lines)
{
    size_t put = 0;
    int error = lines->error;
    if (!error) error = er_file_write(j->fd, lines->at, lines->size, &put);
    if (!error) error = er_file_sync_data(j->fd);
    if (error) er_file_cut(j->fd, j->size); /* what was written in part; if that fails: history.c */
    else j->size += lines->size;
    return error;
}

static int begin_run(er_journal *j, const errand_jobs_opts *opts, const er_bytes *inputs,
                     er_bytes *why)
{
    er_bytes line = { 0 };
    er_bytes_format(&line,
                    "{\"journal\":1,\"run\":%u,\"version\":\"%s\",\"probe\":\"%016llx\","
                    "\"inputs\":",
                    j->run, errand_version(), (unsigned long long)er_job_hash_probe());
    er_bytes_add(&line, inputs->at, inputs->size);
    if (opts->note) {
        er_bytes_text(&line, ",\"note\":");
        er_json_compact(&line, (er_span){ opts->note, strlen(opts->note) });
    }
    er_bytes_text(&line, "}\n");
    int error = write_out(j, &line);
    if (!error) error = sync_folder(j->path);
    if (error) er_bytes_format(why, "%s: %s", j->path, errand_strerror(error));
    er_bytes_free(&line);
    return error;
}

static bool owns(const er_journal *j, const char *path)
{
    er_file_about it, ours;
    if (er_file_look_at(path, &it)) return false;
    for (size_t i = 0; i < 2; i++) {
        bool same = !er_file_look(i ? j->fd : j->results, &ours) && it.device == ours.device &&
                    it.node == ours.node;
        if (same) return true;
    }
    return false;
}

void er_journal_guard(const er_journal *j, er_line_job *job)
{
    const char *save_to = job->request.save_to;
    if (!job->error && save_to && owns(j, save_to))
        er_line_job_refuse(job, "key \"save_to\": results are written into that file");
}

/* Neither file is one that is read. */
static int refuse_inputs(const er_journal *j, const errand_jobs_opts *opts, er_bytes *why)
{
    for (const char *const *file = opts->files; file && *file; file++) {
        if (!owns(j, *file)) continue;
        er_bytes_format(why, "%s: it is a file of jobs", *file);
        return EINVAL;
    }
    return 0;
}

/* Results without a journal: it may be any file. */
static int refuse_stranger(const er_journal *j, const char *results, er_bytes *why)
{
    er_bytes_format(why, "%s: it has no journal, %s; move it away, or name another file", results,
                    j->path);
    return ENOENT;
}

static int open_both(er_journal *j, const errand_jobs_opts *opts, er_bytes *why)
{
    uint64_t results_size = 0, size = 0;
    bool resumes = opts->begin == ERRAND_RESULTS_RESUME;
    int error = opts->begin == ERRAND_RESULTS_NEW ? refuse_results(j, opts->results, why) : 0;
    bool made = er_file_there(j->path) == ENOENT;
    if (!error) error = open_file(j->path, O_RDWR | O_APPEND | O_CREAT, why, &j->fd, &size);
    if (!error && made) error = er_file_mode(j->fd, 0600); /* it may tell more than the results */
    if (!error)
        error =
            open_file(opts->results, O_RDWR | O_APPEND | O_CREAT, why, &j->results, &results_size);
    if (!error && (er_file_lock(j->fd) || er_file_lock(j->results))) {
        error = EBUSY;
        er_bytes_format(why, "%s: another run uses it", opts->results);
    }
    if (!error) error = refuse_inputs(j, opts, why);
    if (!error && results_size && !size) error = refuse_stranger(j, opts->results, why);
    if (error && made && j->fd >= 0) er_file_remove(j->path);
    if (error) return error;
    er_bytes inputs = { 0 };
    put_inputs(&inputs, opts);
    error = inputs.error;
    if (!error && !resumes) error = er_file_cut(j->results, 0);
    if (!error && !resumes) error = er_file_cut(j->fd, 0);
    if (!error) error = read_history(j, opts->results, &inputs, why);
    if (!error) error = begin_run(j, opts, &inputs, why);
    er_bytes_free(&inputs);
    return error;
}

/* What is not there is read as an empty file. */
static int open_there(const char *path, er_bytes *why, int *fd, uint64_t *size)
{
    if (er_file_there(path) != ENOENT) return open_file(path, O_RDONLY, why, fd, size);
    *size = 0;
    return er_file_open("/dev/null", O_RDONLY, fd);
}

static int look_at_both(er_journal *j, const errand_jobs_opts *opts, er_bytes *why)
{
    uint64_t results_size = 0, size = 0;
    int error = opts->begin == ERRAND_RESULTS_NEW ? refuse_results(j, opts->results, why) : 0;
    if (!error) error = open_there(j->path, why, &j->fd, &size);
    if (!error) error = open_there(opts->results, why, &j->results, &results_size);
    if (!error) error = refuse_inputs(j, opts, why);
    if (!error && results_size && !size) error = refuse_stranger(j, opts->results, why);
    if (error) return error;
    if (opts->begin != ERRAND_RESULTS_RESUME) return er_job_states_init(&j->history.states, 0);
    er_bytes inputs = { 0 };
    put_inputs(&inputs, opts);
    error = inputs.error;
    if (!error) error = read_history(j, opts->results, &inputs, why);
    er_bytes_free(&inputs);
    return error;
}

static int open_journal(er_journal **journal, const er_journal *given, const errand_jobs_opts *opts,
                        er_bytes *why)
{
    er_journal *j = er_alloc_zero(sizeof *j);
    *journal = NULL;
    if (!j) return ENOMEM;
    er_bytes path = { 0 };
    er_bytes_format(&path, "%s.journal", opts->results);
    j->pool = given->pool;
    j->peeks = given->peeks;
    j->results = j->fd = -1;
    j->retry_kinds = opts->retry_kinds;
    j->repeat_unknown = opts->repeat_unknown;
    if (opts->next) j->history.max_pages = opts->max_pages ? opts->max_pages : ERRAND_JOBS_PAGES;
    er_list_init(&j->waiters);
    int error = path.error;
    if (!error) {
        j->path = er_bytes_take(&path);
        error = j->peeks ? look_at_both(j, opts, why) : open_both(j, opts, why);
    }
    if (error) er_journal_close(j);
    else *journal = j;
    return error;
}

int er_journal_open(er_journal **journal, errand_pool *pool, const errand_jobs_opts *opts,
                    er_bytes *why)
{
    return open_journal(journal, &(er_journal){ .pool = pool }, opts, why);
}

int er_journal_peek(er_journal **journal, const errand_jobs_opts *opts, er_bytes *why)
{
    return open_journal(journal, &(er_journal){ .peeks = true }, opts, why);
}

void er_journal_close(er_journal *j)
{
    if (!j) return;
    if (j->commit) { /* it has left, but if there was no memory for er_journal_finish */
        errand_result r = errand_await(j->commit);
        errand_result_free(&r);
    }
    if (j->results >= 0) er_file_close(j->results);
    if (j->fd >= 0) er_file_close(j->fd); /* and unlocks it */
    er_run_history_free(&j->history);
    er_bytes_free(&j->waiting);
    er_free(j->path);
    er_free(j);
}

/* ---- jobs ---- */

static bool names_key(const char *header)
{
    static const char name[] = "Idempotency-Key";
    return er_alike(header, name, sizeof name - 1) && header[sizeof name - 1] == ':';
}

static bool has_own_key(const er_line_job *job)
{
    bool keyed = job->request.idempotency_key && !job->fresh_key;
    for (const char *const *header = job->request.headers; header && *header; header++)
        keyed = keyed || names_key(*header);
    return keyed;
}

er_job_verdict er_journal_look(er_journal *j, er_line_job *job)
{
    const char *method = job->request.method ? job->request.method : "GET";
    bool harmless = !job->error &&
                    (job->request.repeat == ERRAND_REPEAT_ALWAYS || er_method_idempotent(method));
    job->run = j->run;
    job->ref = (er_job_ref){ er_job_hash(job), job->seq };
    er_lock_take(&j->lock);
    er_job_fate fate = er_job_states_next(&j->history.states, job->ref, judge, j);
    /* a key that it has now does not help if it was sent without one */
    bool open = fate == ER_JOB_RUN_IF_SAFE || fate == ER_JOB_UNKNOWN_OR_RUN,
         runs = fate == ER_JOB_RUN || (open && harmless), wants = runs && !job->error;
    const char *key = wants && !has_own_key(job) ? er_run_history_key(&j->history, job->ref) : NULL;
    er_lock_give(&j->lock);
    if (key) {
        job->request.idempotency_key = key;
        job->fresh_key = false; /* it is in the journal */
    }
    job->safe = harmless || (!job->error && (job->request.idempotency_key || has_own_key(job)));
    if (runs) return ER_JOB_GO;
    if (fate == ER_JOB_UNKNOWN_OR_RUN) return ER_JOB_UNKNOWN;
    return fate == ER_JOB_SKIP ? ER_JOB_DONE : ER_JOB_FAILED;
}

unsigned er_journal_page(er_journal *j, const er_line_job *job, const char **url)
{
    er_lock_take(&j->lock);
    const er_page_mark *mark =
        er_page_marks_use(&j->history.marks, job->ref, j->history.states.by_content);
    er_lock_give(&j->lock);
    *url = mark ? mark->url : NULL;
    return mark ? mark->page : 1;
}

bool er_journal_wants(const er_line_job *job)
{
    return job->fresh_key || (!job->safe && !job->sent);
}

static void put_job(er_bytes *out, const char *name, const er_line_job *job)
{
    er_bytes_format(out, "\"%s\":\"%016llx\",\"seq\":%llu}\n", name,
                    (unsigned long long)job->ref.hash, (unsigned long long)job->ref.seq);
}

static void end_all(er_list *waiters, int error)
{
    for (er_node *node; (node = er_list_pop(waiters));) {
        waiter *w = er_of(node, waiter, node);
        errand_promise_resolve(w->promise, error ? errand_fail(error) : errand_ok(NULL, NULL));
        er_free(w);
    }
}

/* False: nothing waits. */
static bool take_waiting(er_journal *j, er_bytes *lines, er_list *waiters)
{
    er_lock_take(&j->lock);
    *lines = j->waiting;
    j->waiting = (er_bytes){ 0 };
    er_list_take_all(waiters, &j->waiters);
    er_lock_give(&j->lock);
    return lines->size || lines->error;
}

static int commit_lines(er_journal *j, const er_bytes *lines)
{
    int error = j->error; /* set by a commit only, and there is one at a time */
    if (!error) error = j->begun ? write_out(j, lines) : ECANCELED;
    er_lock_take(&j->lock);
    j->error = error;
    er_lock_give(&j->lock);
    return error;
}

static void commit_all(er_journal *j)
{
    er_bytes lines;
    er_list waiters;
    while (take_waiting(j, &lines, &waiters)) {
        int error = commit_lines(j, &lines);
        er_bytes_free(&lines);
        end_all(&waiters, error);
    }
}

/* The commit's last step: from then on the journal is its owner's. False: something waits, or is to
 * be synced. */
static bool leave(er_journal *j, bool synced, int error)
{
    er_lock_take(&j->lock);
    errand_promise *finish = j->finish;
    bool leaves = !j->waiting.size && !j->waiting.error && (!finish || synced);
    if (leaves) {
        j->committing = j->begun = false;
        j->finish = NULL;
    }
    er_lock_give(&j->lock);
    if (leaves && finish) errand_promise_resolve(finish, errand_fail(error));
    return leaves;
}

static errand_result commit(void *arg)
{
    er_journal *j = arg;
    j->begun = true;
    commit_all(j);
    return errand_ok(NULL, NULL);
}

static bool is_finishing(er_journal *j)
{
    er_lock_take(&j->lock);
    bool finishing = j->finish;
    er_lock_give(&j->lock);
    return finishing;
}

/* After the commit, or instead of it if the pool takes no task any more. */
static void commit_gone(void *arg)
{
    er_journal *j = arg;
    bool synced = false;
    int error = 0;
    for (;;) {
        commit_all(j);
        if (leave(j, synced, error)) return;
        if (!is_finishing(j)) continue; /* a line came meanwhile */
        error = er_file_sync(j->results);
        if (j->error) error = j->error;
        synced = true;
    }
}

/* Under the lock: the number of the commit to start; 0: one is at work. */
static uint64_t claim_commit(er_journal *j)
{
    if (j->committing) return 0;
    j->committing = true;
    return ++j->commits;
}

/* A later commit may have started, and left, by the time this one's future is kept. */
static void start_commit(er_journal *j, uint64_t number)
{
    if (!number) return;
    const errand_task task = { .fn = commit, .arg = j, .free = commit_gone, .name = "journal" };
    errand_future *f =
        er_task_submit(j->pool, &task, &(er_terms){ .deadline_ns = INT64_MAX, .urgent = true });
    er_lock_take(&j->lock);
    errand_future *other = f;
    if (number > j->kept) {
        other = j->commit;
        j->commit = f;
        j->kept = number;
    }
    er_lock_give(&j->lock);
    if (other) errand_drop(other);
}

errand_future *er_journal_before_send(er_journal *j, er_line_job *job)
{
    errand_future *f;
    errand_promise *promise = errand_promise_new(j->pool, &f);
    waiter *w = promise ? er_alloc_zero(sizeof *w) : NULL;
    if (!w) {
        errand_promise_resolve(promise, errand_fail(ENOMEM));
        return f;
    }
    w->promise = promise;
    er_lock_take(&j->lock);
    if (job->fresh_key) {
        er_bytes_text(&j->waiting, "{\"key\":");
        er_json_quote_any(&j->waiting, job->request.idempotency_key);
        er_bytes_text(&j->waiting, ",");
        put_job(&j->waiting, "job", job);
    } else {
        er_bytes_text(&j->waiting, "{");
        put_job(&j->waiting, "sent", job);
        job->sent = true;
    }
    job->fresh_key = false;
    er_list_push(&j->waiters, &w->node);
    uint64_t number = claim_commit(j);
    er_lock_give(&j->lock);
    start_commit(j, number);
    return f;
}

void er_journal_unsent(er_journal *j, er_line_job *job)
{
    if (!job->sent) return;
    job->sent = false;
    er_lock_take(&j->lock);
    er_bytes_text(&j->waiting, "{"); /* nothing waits for it: until it is there it counts as sent */
    put_job(&j->waiting, "unsent", job);
    uint64_t number = claim_commit(j);
    er_lock_give(&j->lock);
    start_commit(j, number);
}

static void not_now(void *arg) { (void)arg; }

errand_future *er_journal_finish(er_journal *j)
{
    errand_future *f;
    errand_promise *promise = errand_promise_new(j->pool, &f);
    if (!promise) return f;
    errand_promise_on_cancel(promise, not_now, NULL); /* it ends when the files are left alone */
    er_lock_take(&j->lock);
    j->finish = promise;
    uint64_t number = claim_commit(j);
    er_lock_give(&j->lock);
    start_commit(j, number);
    return f;
}

/* ---- results ---- */

int er_journal_put(er_journal *j, const er_bytes *line)
{
    size_t put = 0;
    er_file_about about = { 0 };
    int error = er_file_look(j->results, &about);
    if (!error && !about.named) error = ENOENT; /* it was removed */
    if (!error && about.size != j->results_size) error = ESTALE;
    if (error) return error;
    error = er_file_write(j->results, line->at, line->size, &put);
    if (error) er_file_cut(j->results, j->results_size);
    else j->results_size += line->size;
    return error;
}
