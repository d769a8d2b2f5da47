/* plan.c -- what errand run would do with these files and options.
 *
 *     options --session_prepare--> session --errand_jobs_read--> line --> tally --> report
 *                                                            line --> text, or a command of curl
 *
 * Bad lines go to standard error as those of a run do; the plan goes to standard output. */
#include "plan.h"

#include "curl_command.h"
#include "plan_json.h"
#include "plan_report.h"
#include "plan_tally.h"
#include "request_text.h"
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct plan {
    session *session;
    plan_tally tally;
    secret_names secrets; /* of the commands that are shown */
} plan;

static void report_bad(plan *p, const errand_jobs_line *line)
{
    if (p->tally.bad + p->tally.unread > PLAN_ERRORS) return;
    if (line->number)
        progress_say(&p->session->progress, "%s:%" PRIu64 ": %s", line->file, line->number,
                     line->message);
    else progress_say(&p->session->progress, "%s: %s", line->file, line->message);
}

static void show(plan *p, const errand_jobs_line *line)
{
    const run_options *o = &p->session->options;
    if (p->tally.jobs > 1) fputc('\n', stdout);
    if (o->curl) curl_command(stdout, line, o, &p->secrets);
    else request_text(stdout, line, o->show_secrets);
}

static bool each(const errand_jobs_line *line, void *arg)
{
    plan *p = arg;
    const run_options *o = &p->session->options;
    plan_tally_add(&p->tally, line);
    if (line->fate == ERRAND_JOBS_BAD || line->fate == ERRAND_JOBS_UNREAD) report_bad(p, line);
    else if (line->fate == ERRAND_JOBS_SENT && o->show) show(p, line);
    return !p->tally.full && !ferror(stdout) && !(o->show && p->tally.jobs >= o->show);
}

static int end(plan *p, int error)
{
    const run_options *o = &p->session->options;
    plan_tally *t = &p->tally;
    uint64_t bad = t->bad + t->unread;
    bool full = t->full || p->secrets.full;
    if (bad > PLAN_ERRORS)
        progress_say(&p->session->progress, "and %" PRIu64 " more bad lines", bad - PLAN_ERRORS);
    if (!error && !full && !o->show) {
        if (o->report_json) full = !plan_json(stdout, t, o);
        else plan_report(stdout, t, o);
    }
    if (full) error = ENOMEM;
    if (!error) return bad ? BAD_INPUT : ALL_WELL;
    if (error == EINVAL && p->session->complained) return WRONG_USAGE;
    if (p->session->complained) return CANNOT_WRITE;
    progress_say(&p->session->progress, "cannot go on: %s", errand_strerror(error));
    return SOME_FAILED;
}

/* ---- what a run would have to open, or make ---- */

#define PATH_BYTES 4096 /* what Linux takes */

static int folder_wrong(const char *path, size_t size) /* "" is the current one; 0 or an error */
{
    char inside[PATH_BYTES + 8];
    if (size > PATH_BYTES) return ENAMETOOLONG;
    snprintf(inside, sizeof inside, "%.*s%s.", (int)size, path, size ? "/" : "");
    return access(inside, W_OK | X_OK) ? errno : 0;
}

static int file_wrong(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!access(path, R_OK | W_OK)) return 0;
    if (errno != ENOENT) return errno;
    if (slash == path) return folder_wrong("/", 1);
    return folder_wrong(path, slash ? (size_t)(slash - path) : 0);
}

/* A run makes it, with those above it. */
static int output_dir_wrong(const char *path)
{
    size_t size = strlen(path);
    int error = folder_wrong(path, size);
    while (error == ENOENT && size) {
        while (size && path[size - 1] != '/') size--;
        while (size > 1 && path[size - 1] == '/') size--;
        error = folder_wrong(path, size);
    }
    return error;
}

/* In the words and the order of a run. 0, or the exit status. */
static int look_at_places(session *s)
{
    const run_options *o = &s->options;
    char journal[PATH_BYTES + 16] = "";
    int error = o->output_dir ? output_dir_wrong(o->output_dir) : 0;
    if (error) {
        progress_say(&s->progress, "output_dir \"%.200s\": %s", o->output_dir,
                     errand_strerror(error));
        return CANNOT_WRITE;
    }
    if (!o->output) return 0;
    const char *wrong = journal;
    snprintf(journal, sizeof journal, "%.*s.journal", PATH_BYTES, o->output);
    error = file_wrong(journal);
    if (!error) {
        wrong = o->output;
        error = file_wrong(wrong);
    }
    if (!error) return 0;
    progress_say(&s->progress, "%s: %s", wrong, errand_strerror(error));
    return CANNOT_WRITE;
}

/* ---- the command ---- */

int plan_main(int argc, char **argv)
{
    run_options options;
    plan p = { 0 };
    int status = 0;
    if (!run_options_read(&options, argc, argv, &status)) {
        run_options_free(&options);
        return status;
    }
    if (!session_takes_streams()) {
        run_options_free(&options);
        return CANNOT_WRITE;
    }
    p.session = session_prepare(&options, false, NULL, NULL, &status);
    if (!p.session) return status;
    status = look_at_places(p.session);
    if (!status) {
        const errand_jobs_opts jobs = session_jobs(p.session);
        status = end(&p, errand_jobs_read(p.session->http, &jobs, each, &p));
    }
    plan_tally_free(&p.tally);
    secret_names_free(&p.secrets);
    session_end(p.session);
    return status;
}
