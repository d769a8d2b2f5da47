/* session.h -- what the options of a run make before its first job: a pool, a session, limits. */
#ifndef SESSION_H
#define SESSION_H

#include "options.h"
#include "progress.h"
#include "signals.h"

#include <errand-http.h>

/* Exit statuses. */
enum {
    ALL_WELL = 0,
    SOME_FAILED = 1,
    WRONG_USAGE = 2,
    BAD_INPUT = 3,
    CANNOT_WRITE = 4,
    HALTED = 5,
    INTERRUPTED = 130
};

typedef struct session {
    run_options options;
    progress progress;
    signals signals;
    bool complained; /* a message of the jobs was shown */
    errand_log *log; /* NULL: none */
    errand_pool *pool;
    errand_bearer *bearer; /* NULL: no --token-command */
    errand_http *http;
    errand_rate *rate, *rate_total, *tokens; /* NULL: not limited */
    errand_sem *host_sem;                    /* NULL: -j is not auto */
    errand_allow_fn *allow;                  /* of errand try; NULL: none */
    void *allow_arg;
} session;

/* Before any file is opened: closed ones of the first three descriptors must not be its. False:
 * standard output is closed, which has been said. */
bool session_takes_streams(void);

/* Opens what the options say; log, progress and signals are there. sends: --token-command is run.
 * 0, or the exit status: all has been said. */
int session_open(session *s, bool sends);

/* Says what failed. Returns the exit status. */
int session_fail(session *s, const char *what, int error);

/* The options of its jobs; arg is the session. Each time the caller passes retry_if on, which frees
 * it. */
errand_jobs_opts session_jobs(session *s);

/* Closes all that is there; the jobs are gone. */
void session_close(session *s);

/* A session without log and progress, for commands that look at a run. Takes the options over.
 * `allow`, unless NULL, sees the addresses. NULL: *status, and all has been said. */
session *session_prepare(run_options *options, bool sends, errand_allow_fn *allow, void *arg,
                         int *status);
void session_end(session *s);

#endif
