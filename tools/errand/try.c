/* try.c -- one job, sent once by the session that a run would have.
 *
 *     FILE:LINE --errand_jobs_read--> that line --> request text, errand_send --> reply, outlook
 *     URL       --a pipe for standard input, a list of one line-->
 *
 * So a url takes the options of a run: -X, --json, --defaults. The request is sent while the line
 * is valid, in the call that gets it. */
#include "try.h"

#include "complain.h"
#include "given.h"
#include "request_text.h"
#include "session.h"
#include "try_reply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define URL_MOST 60000 /* bytes: a pipe takes them at once */

typedef struct trial {
    session *session;
    const char *word;   /* as it was given */
    uint64_t number;    /* of the line; 0: it is a url */
    const char *one[2]; /* the file, NULL */
    char *file;
    int status;
    bool found;
    try_address address; /* the last that was connected to; the lane's until the future has ended */
} trial;

/* ---- which job ---- */

static bool is_url(const char *word, const run_options *o)
{
    return !strncasecmp(word, "http://", 7) || !strncasecmp(word, "https://", 8) ||
           (o->base_url && *word == '/' && access(word, F_OK) != 0 && !strrchr(word, ':'));
}

/* "localhost:8080", "127.0.0.1/x", "[::1]:80", "www.example.com" and "example.com:80/x" are urls
 * without their scheme: no files are called so. */
static bool is_host(const char *word)
{
    size_t size = strcspn(word, ":/"), port = word[size] == ':' ? 1 : 0;
    port += port ? strspn(word + size + 1, "0123456789") : 0;
    bool address = strspn(word, "0123456789.") == size && memchr(word, '.', size);
    return *word == '[' || address || !strncasecmp(word, "www.", 4) ||
           (size == 9 && !strncasecmp(word, "localhost", 9)) ||
           (size && port > 1 && word[size + port] == '/');
}

static bool read_place(trial *t) /* "jobs.jsonl:17" */
{
    const char *colon = strrchr(t->word, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    bool good = colon && colon > t->word && digits && digits < 16 && !colon[1 + digits];
    t->number = good ? strtoull(colon + 1, NULL, 10) : 0;
    if (!strcmp(t->word, "-"))
        return complain("-: FILE:LINE or a url is wanted; of standard input it is -- -:LINE");
    if (!t->number && is_host(t->word))
        return complain("%.200s: FILE:LINE or a url is wanted: did you mean http://%.200s?",
                        t->word, t->word);
    if (!t->number) return complain("%.200s: FILE:LINE or a url is wanted", t->word);
    t->file = strndup(t->word, (size_t)(colon - t->word));
    return t->file ? true : complain("out of memory");
}

/* The url is a line of standard input. */
static bool pipe_url(trial *t, run_options *o)
{
    int ends[2];
    size_t size = strlen(t->word);
    if (size > URL_MOST || strchr(t->word, '\n')) return complain("the url is too long");
    if (pipe(ends)) return complain("cannot start: %s", errand_strerror(errno));
    bool written = write(ends[1], t->word, size) == (ssize_t)size;
    close(ends[1]);
    bool good = written && dup2(ends[0], STDIN_FILENO) == STDIN_FILENO;
    if (ends[0] != STDIN_FILENO) close(ends[0]);
    t->file = good ? strdup("-") : NULL;
    o->format = ERRAND_JOBS_URLS;
    return t->file ? true : complain("cannot start: %s", errand_strerror(errno));
}

static bool read_word(trial *t, run_options *o)
{
    if (!o->files || o->files[1]) return complain("FILE:LINE or a url is wanted, one of them");
    t->word = o->files[0];
    if (!(is_url(t->word, o) ? pipe_url(t, o) : read_place(t))) return false;
    t->one[0] = t->file;
    o->skip = o->take = 0; /* the line is named */
    return true;
}

/* ---- sending ---- */

static int note_address(const errand_peer *peer, void *arg)
{
    trial *t = arg;
    snprintf(t->address.text, sizeof t->address.text, "%s", peer->address);
    t->address.port = peer->port;
    return 1;
}

/* Once, unless --retries was given with the command. */
static unsigned attempts_of(const errand_jobs_line *line, const run_options *o)
{
    for (const given_option *given = o->given->first; given; given = given->next) {
        if (given->id == OPTION_RETRIES && given->rank == GIVEN_COMMAND) return line->retries + 1;
    }
    return 1;
}

static errand_policy *policy_of(const errand_jobs_line *line, const run_options *o)
{
    const errand_policy_opts opts = {
        .attempts = attempts_of(line, o),
        .within_ms = o->job_ms,
        .stop = o->retry_ms ? errand_stop_before_delay(o->retry_ms) : NULL,
        .retry_if = retry_on_spec(&o->retry_on),
    };
    return errand_policy_new(&opts, NULL);
}

static void put_request(const errand_jobs_line *line, const run_options *o)
{
    request_head(stderr, line, o->show_secrets, "> ");
    if (o->auth.token_command) fputs("> Authorization: *, of --token-command\n", stderr);
    fputs(">\n", stderr);
    if (line->body_file) {
        fprintf(stderr, "(%" PRIu64 " bytes of %s)\n", line->body_size, line->body_file);
    } else if (line->body.size) {
        harmless_text(stderr, line->body.at, line->body.size);
        fputc('\n', stderr);
    }
    if (!line->harmless)
        fputs("* not harmless to repeat: a run would not, after a timeout or 503\n", stderr);
    if (line->request->save_to)
        fprintf(stderr, "* a run would save the body to %s\n", line->request->save_to);
}

static void send_line(trial *t, const errand_jobs_line *line)
{
    const run_options *o = &t->session->options;
    errand_request request = *line->request;
    errand_policy *policy = policy_of(line, o);
    if (!policy) {
        progress_say(&t->session->progress, "cannot start: %s", errand_strerror(errno));
        t->status = SOME_FAILED;
        return;
    }
    put_request(line, o);
    request.policy = policy;
    request.save_to = NULL;
    errand_result r = errand_await(errand_send(t->session->http, &request));
    try_reply(&r, &t->address, o->show_secrets);
    try_outlook(&r, line, o);
    t->status = r.error ? SOME_FAILED : ALL_WELL;
    errand_result_free(&r);
    errand_policy_free(policy);
}

static void say_bad(trial *t, const errand_jobs_line *line)
{
    const char *message = line->message ? line->message : "?";
    t->status = BAD_INPUT;
    if (line->error == ENOENT && is_host(t->word))
        progress_say(&t->session->progress, "%s: %s: did you mean http://%s?", t->word, message,
                     t->word);
    else
        progress_say(&t->session->progress, "%s: %s%s", t->word, message,
                     line->error == ENOENT ? "; a url begins with http:// or https://" : "");
}

static bool each(const errand_jobs_line *line, void *arg)
{
    trial *t = arg;
    bool wanted = !t->number || line->number == t->number || !line->number;
    if (!wanted) return line->number < t->number;
    t->found = true;
    if (line->fate == ERRAND_JOBS_SENT) send_line(t, line);
    else say_bad(t, line);
    return false;
}

static int go(trial *t)
{
    errand_jobs_opts jobs = session_jobs(t->session);
    jobs.files = t->one;
    if (!t->number) jobs.on_notice = NULL;
    int error = errand_jobs_read(t->session->http, &jobs, each, t);
    if (error == EINVAL && t->session->complained) return WRONG_USAGE;
    if (error) {
        progress_say(&t->session->progress, "cannot go on: %s", errand_strerror(error));
        return SOME_FAILED;
    }
    if (t->found) return t->status;
    progress_say(&t->session->progress, "%s: there is no job in this line", t->word);
    return BAD_INPUT;
}

/* "-:1" would be taken for an option. */
static bool reads_words(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *word = argv[i];
        if (strncmp(word, "-:", 2) || !word[2] || word[2 + strspn(word + 2, "0123456789")])
            continue;
        complain_command = argv[0];
        return complain("%.40s: a line of standard input stands behind --: -- %.40s", word, word);
    }
    return true;
}

int try_main(int argc, char **argv)
{
    run_options options;
    trial t = { 0 };
    int status = WRONG_USAGE;
    if (!reads_words(argc, argv)) return WRONG_USAGE;
    bool ready = run_options_read(&options, argc, argv, &status);
    if (ready && !session_takes_streams()) {
        ready = false;
        status = CANNOT_WRITE;
    }
    if (!ready || !read_word(&t, &options)) {
        run_options_free(&options);
        free(t.file);
        return status;
    }
    t.session = session_prepare(&options, true, note_address, &t, &status);
    if (t.session) {
        status = go(&t);
        session_end(t.session);
    }
    free(t.file);
    return status;
}
